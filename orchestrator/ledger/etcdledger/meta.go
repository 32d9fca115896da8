package etcdledger

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
)

// layout is the version of the key layout. It rises when keys move, and then
// an older build must not write.
const layout = "1"

// casTries bounds how often a contended number in meta is counted up again.
const casTries = 16

// Errors of opening a ledger that is not the one this deployment wrote.
var (
	// ErrForeignLedger says that etcd holds another deployment's ledger than the
	// generation file knows.
	ErrForeignLedger = errors.New("another deployment's ledger")
	// ErrOldSnapshot says that the ledger is older than this deployment has seen:
	// operations whose effects exist may be missing from it.
	ErrOldSnapshot = errors.New("ledger restored from an old snapshot")
)

// admit checks that the ledger in etcd is of this layout, is this deployment's
// and is not older than what was seen, and counts this opening.
func (l *Ledger) admit(ctx context.Context) error {
	id, err := l.identify(ctx)
	if err != nil {
		return err
	}
	seen, err := readGeneration(l.cfg.GenerationFile)
	if err != nil {
		return err
	}
	if seen.Ledger != "" && seen.Ledger != id {
		return fmt.Errorf("%w: etcd holds %s under %s, and %s knows %s; connect the right etcd, or, if this deployment is to "+
			"use this ledger from now on, remove that file", ErrForeignLedger, id, l.cfg.Prefix, l.cfg.GenerationFile, seen.Ledger)
	}
	now, err := l.countGeneration(ctx, seen)
	if err != nil {
		return err
	}
	return l.remember(generation{Ledger: id, Generation: now})
}

// identify checks the layout and returns the ledger's own id, starting a ledger
// where there is none.
func (l *Ledger) identify(ctx context.Context) (string, error) {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("etcdledger: %w", err)
	}
	id, err := l.pin(ctx, l.keys.meta("ledger"), hex.EncodeToString(raw))
	if err != nil {
		return "", err
	}
	found, err := l.pin(ctx, l.keys.meta("schema"), layout)
	if err != nil {
		return "", err
	}
	if string(found) != layout {
		return "", fmt.Errorf("%w: the ledger under %s has layout %q and this build writes %q; run the build that wrote it, or migrate",
			ledger.ErrSchema, l.cfg.Prefix, found, layout)
	}
	return string(id), nil
}

// pin returns the value under key, first storing value if there is none. An
// answer that got lost is cleared up by doing it again, since the first value
// stays. Errors: ledger.ErrUnavailable, ledger.ErrAmbiguous.
func (l *Ledger) pin(ctx context.Context, key, value string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	if err := l.connected(); err != nil {
		return nil, err
	}
	stored, err := l.tryPin(ctx, key, value)
	if err == nil {
		return stored, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.SettleLimit)
	defer cancel()
	for pause := settlePauseMin; wait(ctx, pause); pause = min(2*pause, settlePauseMax) {
		if stored, err = l.tryPin(ctx, key, value); err == nil {
			return stored, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", ledger.ErrAmbiguous, err)
}

func (l *Ledger) tryPin(ctx context.Context, key, value string) ([]byte, error) {
	ctx, cancel := l.request(ctx)
	defer cancel()
	resp, err := l.client.Txn(ctx).
		If(createdAt(key, 0)).
		Then(clientv3.OpPut(key, value)).
		Else(clientv3.OpGet(key)).
		Commit()
	if err != nil {
		return nil, err
	}
	if resp.Succeeded {
		return []byte(value), nil
	}
	return valueOf(resp), nil
}

func valueOf(resp *clientv3.TxnResponse) []byte {
	if kv := found(resp, 0); kv != nil {
		return kv.Value
	}
	return nil
}

// countGeneration counts the ledger's generation up, unless the ledger is behind
// what was seen of it.
func (l *Ledger) countGeneration(ctx context.Context, seen generation) (int64, error) {
	key := l.keys.meta("generation")
	for range casTries {
		n, rev, revision, err := l.number(ctx, key)
		if err != nil {
			return 0, err
		}
		switch {
		case n < seen.Generation:
			return 0, l.old(fmt.Sprintf("it was opened %d times, and %s remembers %d", n, l.cfg.GenerationFile, seen.Generation))
		case revision < seen.Revision:
			return 0, l.old(fmt.Sprintf("etcd is at revision %d, and %s remembers %d", revision, l.cfg.GenerationFile, seen.Revision))
		}
		l.saw(revision)
		ok, err := l.replace(ctx, key, rev, strconv.FormatInt(n+1, 10))
		if err != nil {
			return 0, err
		}
		if ok {
			return n + 1, nil
		}
	}
	return 0, fmt.Errorf("%w: too many processes open the ledger at once", ledger.ErrUnavailable)
}

func (l *Ledger) old(why string) error {
	return fmt.Errorf("%w: %s; connect the newer ledger, or, once a person has reconciled with the providers what happened since, "+
		"or if all of the ledger was moved to this etcd, remove that file", ErrOldSnapshot, why)
}

// number reads a number and its revision; an absent one is 0 at revision 0. The
// last result is the revision of etcd.
func (l *Ledger) number(ctx context.Context, key string) (n, rev, revision int64, err error) {
	resp, err := l.get(ctx, key)
	if err != nil {
		return 0, 0, 0, err
	}
	if len(resp.Kvs) == 0 {
		return 0, 0, resp.Header.Revision, nil
	}
	n, err = strconv.ParseInt(string(resp.Kvs[0].Value), 10, 64)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("%w: %s: %w", ledger.ErrRecord, key, err)
	}
	return n, resp.Kvs[0].ModRevision, resp.Header.Revision, nil
}

func (l *Ledger) replace(ctx context.Context, key string, rev int64, value string) (bool, error) {
	ctx, cancel := l.request(ctx)
	defer cancel()
	resp, err := l.client.Txn(ctx).
		If(modifiedAt(key, rev)).
		Then(clientv3.OpPut(key, value)).
		Commit()
	if err != nil {
		return false, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err) // counting once too often does no harm
	}
	l.saw(resp.Header.Revision)
	return resp.Succeeded, nil
}

// Anchor implements ledger.Ledger.
func (l *Ledger) Anchor(ctx context.Context, name string, value []byte) ([]byte, error) {
	done := l.timing.start(ctx, "anchor")
	stored, err := l.anchor(ctx, name, value)
	done(err)
	return stored, err
}

func (l *Ledger) anchor(ctx context.Context, name string, value []byte) ([]byte, error) {
	if !segment(name) {
		return nil, fmt.Errorf("etcdledger: %q cannot name an anchor", name)
	}
	key := l.keys.anchor(name)
	if value != nil {
		return l.pin(ctx, key, string(value)) // repeating it is the read-back: the first value stays
	}
	resp, err := l.get(ctx, key)
	if err != nil {
		return nil, err
	}
	if len(resp.Kvs) == 0 {
		return nil, nil
	}
	return resp.Kvs[0].Value, nil
}
