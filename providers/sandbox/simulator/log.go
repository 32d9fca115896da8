package simulator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// logName is the file in the simulator's directory.
const logName = "effects.jsonl"

// Kind says what an entry of the log records.
type Kind string

// The kinds of entries.
const (
	// KindRequest: a write arrived whole. Every one that arrives is recorded,
	// whatever becomes of it, so that sends can be counted.
	KindRequest Kind = "request"
	// KindQuery: a look-up arrived.
	KindQuery Kind = "query"
	// KindEffect: an authorization held or captured money. With the three kinds
	// that follow, the ground truth of every test; see EffectKinds.
	KindEffect Kind = "effect"
	// KindCapture: money that was held was captured.
	KindCapture Kind = "capture"
	// KindRefund: money that was captured was given back.
	KindRefund Kind = "refund"
	// KindVoid: money that was held, and not captured, was released.
	KindVoid Kind = "void"
	// KindCancel: an authorization was cancelled and holds nothing from here on. The
	// amount is what that released; it is 0 where nothing was held. It takes an effect
	// back and is none itself.
	KindCancel Kind = "cancel"
	// KindComplete: an authorization that required an action went on, as its outcome
	// says. The effect, if that has one, is an entry of its own.
	KindComplete Kind = "complete"
	// KindFailed: a pending capture, refund or void, or a cancel, ended without an effect.
	KindFailed Kind = "failed"
	// KindStored: an answer was stored under a key.
	KindStored Kind = "stored"
	// KindDelayed: a copy of a request is on its way and arrives when it is due.
	KindDelayed Kind = "delayed"
)

// verbAuthorize is the verb of an authorization; the others have the name of
// their effect.
const verbAuthorize Kind = ""

// verbs lists what can be asked of an authorization.
func verbs() []Kind { return []Kind{KindCapture, KindRefund, KindVoid, KindCancel, KindComplete} }

// EffectKinds lists the kinds of entries that record an effect. KindCancel is not
// one: it releases what nobody wants any longer, and the effect that it takes back
// remains in the log.
func EffectKinds() []Kind { return []Kind{KindEffect, KindCapture, KindRefund, KindVoid} }

// Entry is one fact in the log. Which fields are set depends on the kind. A line
// holds one, or all those of a request in a list.
type Entry struct {
	Time      time.Time `json:"time"`
	Kind      Kind      `json:"kind"`
	Merchant  string    `json:"merchant,omitempty"`
	Key       string    `json:"key,omitempty"`
	Reference string    `json:"reference,omitempty"`
	// Ordinal counts the requests of a key, from 1: which of them had the effect.
	Ordinal int `json:"ordinal,omitempty"`
	// Copy: the request was delivered by the simulator itself, as a network would
	// that delays or doubles; nobody sent it.
	Copy bool `json:"copy,omitempty"`
	// Object is the id of what was made, or asked for.
	Object string `json:"object,omitempty"`
	// Parent is the authorization that a capture, refund, void or cancel acts on.
	Parent   string `json:"parent,omitempty"`
	Amount   int64  `json:"amount,omitempty"` // minor units
	Currency string `json:"currency,omitempty"`
	Captured bool   `json:"captured,omitempty"` // the money was taken, not only held

	// What follows lets a restarted simulator go on.
	Verb     Kind            `json:"verb,omitempty"`      // of a request, a stored answer, a delayed copy; empty: authorize
	BodyHash string          `json:"body_hash,omitempty"` // of a request
	Turn     int             `json:"turn,omitempty"`      // of the key among those of its verb and parent
	Stepped  bool            `json:"stepped,omitempty"`   // the request took a step of its token
	Status   int             `json:"status,omitempty"`    // of a stored answer
	Answer   json.RawMessage `json:"answer,omitempty"`    // a stored answer
	Stored   *object         `json:"stored,omitempty"`    // what was made
	Token    string          `json:"token,omitempty"`     // of a stored authorization
	Failure  string          `json:"failure,omitempty"`   // with which a stored pending object is going to fail
	Body     []byte          `json:"body,omitempty"`      // of a delayed copy
	Due      time.Time       `json:"due,omitzero"`        // of a delayed copy, or of a pending outcome
	Outcome  outcome         `json:"outcome,omitempty"`   // of a completion
}

// effectLog is an append-only file of entries. Append returns when the entries
// are on the disk; callers that append at the same time share one fsync.
type effectLog struct {
	path string

	flushing sync.Mutex // held by whoever writes; always taken before mu
	file     *os.File
	broken   error // the file's end is not known; nothing more is appended

	mu    sync.Mutex
	batch *batch
}

// batch collects the entries of one fsync.
type batch struct {
	lines bytes.Buffer
	done  bool
	err   error
}

// openLog opens or creates the log in dir and returns what it holds. A last
// line that was cut off by a crash was never promised to anybody: it is dropped.
func openLog(dir string) (*effectLog, []Entry, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("simulator log: %w", err)
	}
	l := &effectLog{path: filepath.Join(dir, logName), batch: &batch{}}
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("simulator log: %w", err)
	}
	entries, size, err := readEntries(file)
	if err == nil {
		err = errors.Join(file.Truncate(size), syncDir(dir))
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("simulator log %s: %w", l.path, err), file.Close())
	}
	l.file = file
	return l, entries, nil
}

// syncDir makes a new directory entry durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readEntries reads whole lines and returns where the last of them ends. A line
// holds an entry, or those of one request.
func readEntries(r io.Reader) (entries []Entry, size int64, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return entries, size, nil
		}
		if err != nil {
			return nil, 0, err
		}
		read, err := parseLine(line)
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", number, err)
		}
		entries, size = append(entries, read...), size+int64(len(line))
	}
}

func parseLine(line []byte) ([]Entry, error) {
	if line[0] != '[' {
		line = slices.Concat([]byte("["), line, []byte("]"))
	}
	var entries []Entry
	err := json.Unmarshal(line, &entries)
	return entries, err
}

// append writes entries and returns when they are durable. They are one line, so
// that a crash loses all of them or none: a stored answer without its effect would
// hide that effect from whoever counts.
func (l *effectLog) append(entries ...Entry) error {
	line, err := json.Marshal(entries)
	if len(entries) == 1 { // no brackets, for people who read the file
		line, err = json.Marshal(entries[0])
	}
	if err != nil {
		return fmt.Errorf("simulator log: %w", err)
	}
	l.mu.Lock()
	mine := l.batch
	mine.lines.Write(append(line, '\n'))
	l.mu.Unlock()

	l.flushing.Lock()
	defer l.flushing.Unlock()
	if !mine.done { // else who held flushing before has written my lines too
		l.flush()
	}
	return mine.err
}

// flush writes the open batch. The caller holds flushing.
func (l *effectLog) flush() {
	l.mu.Lock()
	b := l.batch
	l.batch = &batch{}
	l.mu.Unlock()
	if l.broken == nil {
		_, err := l.file.Write(b.lines.Bytes())
		if err == nil {
			err = l.file.Sync()
		}
		l.broken = err
	}
	b.done, b.err = true, l.broken
}

// read returns the entries of the given kinds, all if none is given.
func (l *effectLog) read(kinds ...Kind) ([]Entry, error) {
	file, err := os.Open(l.path)
	if err != nil {
		return nil, fmt.Errorf("simulator log: %w", err)
	}
	defer file.Close()
	entries, _, err := readEntries(file)
	if err != nil {
		return nil, fmt.Errorf("simulator log: %w", err)
	}
	return slices.DeleteFunc(entries, func(e Entry) bool {
		return len(kinds) > 0 && !slices.Contains(kinds, e.Kind)
	}), nil
}

func (l *effectLog) close() error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.broken = errors.New("the simulator is closed")
	return l.file.Close()
}
