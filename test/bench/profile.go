package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
)

// profile begins to profile the acquit process, as far as that was asked for, and
// returns what ends it. The turns of the floor are in it, but acquit rests then.
func (b *benchmark) profile(ctx context.Context, s *side) (finish func() error) {
	ended := make(chan error, 1)
	seconds := int(math.Ceil((2*b.duration + 2*warmTime).Seconds()))
	go func() {
		defer close(ended)
		if b.cpuProfile != "" {
			ended <- download(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.Ops, seconds), b.cpuProfile)
		}
	}()
	return func() error {
		err := <-ended // nil where no profile was asked for
		if b.memProfile != "" {
			err = errors.Join(err, download(ctx, "http://"+s.Ops+"/debug/pprof/allocs", b.memProfile))
		}
		return err
	}
}

// download writes what an address answers to a file.
func download(ctx context.Context, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*maxDuration)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, response.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}
