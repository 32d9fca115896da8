// Command show lets a newcomer see payments in Jaeger: it builds and starts Jaeger and
// acquit, makes four payments, prints their traces and where Jaeger tells them, and
// goes on until it is interrupted. Run it at the top of the repository.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/acquitpay/acquit/test/jaeger"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := show(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func show(ctx context.Context) error {
	running, end := context.WithCancel(ctx)
	defer end()
	dir, err := os.MkdirTemp("", "acquit-jaeger-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println("building Jaeger, which takes some minutes the first time")
	program, err := jaeger.BuildJaeger(ctx, ".")
	if err != nil {
		return err
	}
	acquit, err := jaeger.BuildAcquit(ctx, ".", dir)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "jaeger.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	j, err := jaeger.Start(running, program, "127.0.0.1:4317", "127.0.0.1:16686", log)
	if err != nil {
		return err
	}
	defer func() { // nothing is left running, however this ends
		end()
		<-j.Ended
	}()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	addr, ended, err := jaeger.Serve(serving, acquit, dir, j)
	if err != nil {
		return err
	}
	story := jaeger.Story()
	if err := jaeger.Tell(ctx, addr, story); err != nil {
		return err
	}
	stop() // a process that ends sends the last of its spans
	<-ended
	if err := tell(ctx, j, story); err != nil {
		return err
	}
	fmt.Printf("\nJaeger answers at %s/api/traces?service=acquit until you press Ctrl-C. This build of it has no page;\n"+
		"for one, start any Jaeger on the same ports and give its OTLP address to acquit serve --otlp-endpoint.\n", j.Query)
	<-ctx.Done()
	return nil
}

// tell prints the traces of each payment.
func tell(ctx context.Context, j *jaeger.Jaeger, story []*jaeger.Payment) error {
	webhooks, err := j.Webhooks(ctx)
	if err != nil {
		return err
	}
	for _, p := range story {
		fmt.Printf("\n%s: %s\n", p.Name, p.About)
		traces, err := j.Of(ctx, p.ID)
		if err != nil {
			return err
		}
		for _, w := range webhooks {
			for _, t := range traces {
				if len(t.Named("payment.attempt")) > 0 && w.Spans[0].Linked(t.Named("payment.attempt")[0]) {
					traces = append(traces, w)
				}
			}
		}
		for _, t := range traces {
			fmt.Printf("  %s/api/traces/%s\n", j.Query, t.ID)
			for _, s := range t.Spans {
				line(t, s)
			}
		}
	}
	return nil
}

// line writes a line about a span, with what it proved and what followed.
func line(t jaeger.Trace, s jaeger.Span) {
	depth := 1
	for parent := s.Parent(); parent != ""; {
		depth++
		next := ""
		for _, o := range t.Spans {
			if o.ID == parent {
				next = o.Parent()
			}
		}
		parent = next
	}
	fmt.Printf("  %s%-*s %8s", strings.Repeat("  ", depth), 44-2*depth, s.Name, time.Duration(s.Duration*1000).Round(100*time.Microsecond))
	for _, key := range []string{"payment.send.ordinal", "http.response.status_code", "payment.evidence", "payment.mapping_row", "payment.decision"} {
		if v := s.Tag(key); v != "" {
			fmt.Printf("  %s=%s", key[strings.LastIndex(key, ".")+1:], v)
		}
	}
	fmt.Println()
}
