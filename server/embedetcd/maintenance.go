package embedetcd

import (
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// defragmentAbove is the share of the quota that the data file may take
	// before free space in it is given back: etcd counts the file, not what is
	// used of it.
	defragmentAbove = 0.8
	// defragmentBelow is the share of the file that must be unused at most.
	// Defragmenting stops every write while it runs, so it has to be worth it.
	defragmentBelow = 0.8
	// disarmBelow is the share of the quota that the file must be under before
	// the alarm that stops writes is lifted again.
	disarmBelow = 0.9
	// statusLimit bounds a question to the member; it is in this process.
	statusLimit = 5 * time.Second
)

// maintain gives back freed space. Compaction, which frees it, is etcd's own.
func (s *Server) maintain(ctx context.Context, every time.Duration, quota int64) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.tidy(ctx, quota); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "embedded etcd maintenance failed", "error", err)
		}
	}
}

func (s *Server) tidy(ctx context.Context, quota int64) error {
	s.etcd.Server.Backend().ForceCommit() // sizes are as of the last commit, and a full member commits little
	size, err := s.status(ctx)
	if err != nil {
		return err
	}
	if worthDefragmenting(size, quota) {
		began := time.Now()
		// Not by the client: inside the process its Defragment has no health
		// notifier to tell and dereferences nil. There is no limit of time on it:
		// half of it is worth nothing.
		if err := s.etcd.Server.Defragment(); err != nil {
			return err
		}
		before := size.DbSize
		if size, err = s.status(ctx); err != nil {
			return err
		}
		s.logger.InfoContext(ctx, "embedded etcd defragmented",
			"bytes_before", before, "bytes_after", size.DbSize, "seconds", time.Since(began).Seconds())
	}
	if float64(size.DbSize) < disarmBelow*float64(quota) {
		return s.disarm(ctx)
	}
	return nil
}

func worthDefragmenting(size *clientv3.StatusResponse, quota int64) bool {
	return float64(size.DbSize) > defragmentAbove*float64(quota) &&
		float64(size.DbSizeInUse) < defragmentBelow*float64(size.DbSize)
}

func (s *Server) status(ctx context.Context) (*clientv3.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	return s.client.Status(ctx, "")
}

// disarm lifts the alarm that etcd raised when it was out of space; etcd never
// does by itself, and until then it takes no writes.
func (s *Server) disarm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	alarms, err := s.client.AlarmList(ctx)
	if err != nil {
		return err
	}
	for _, a := range alarms.Alarms {
		if a.Alarm != etcdserverpb.AlarmType_NOSPACE {
			continue // corruption is for a person
		}
		if _, err := s.client.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: a.MemberID, Alarm: a.Alarm}); err != nil {
			return err
		}
		s.logger.WarnContext(ctx, "embedded etcd has space again and takes writes")
	}
	return nil
}
