package embedetcd

import (
	"context"
	"log/slog"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// slogCore gives etcd's log lines to slog, from warnings upwards. Below that
// etcd tells its operators a story that is not ours.
type slogCore struct {
	handler slog.Handler
	closing *atomic.Bool // shared by all that came from one core
}

var _ zapcore.Core = (*slogCore)(nil)

// Enabled implements zapcore.Core.
func (c *slogCore) Enabled(l zapcore.Level) bool {
	return l >= zapcore.WarnLevel && c.handler.Enabled(context.Background(), level(l))
}

// With implements zapcore.Core.
func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{handler: c.handler.WithAttrs(attributes(fields)), closing: c.closing}
}

// Check implements zapcore.Core.
func (c *slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(e.Level) || c.harmless(e.Message) {
		return ce
	}
	return ce.AddCore(e, c)
}

// Write implements zapcore.Core.
func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, level(e.Level), "embedded etcd", 0)
	r.AddAttrs(slog.String("etcd_message", e.Message))
	r.AddAttrs(attributes(fields)...)
	return c.handler.Handle(context.Background(), r)
}

// Sync implements zapcore.Core.
func (c *slogCore) Sync() error { return nil }

func level(l zapcore.Level) slog.Level {
	switch l {
	case zapcore.DebugLevel:
		return slog.LevelDebug
	case zapcore.InfoLevel:
		return slog.LevelInfo
	case zapcore.WarnLevel:
		return slog.LevelWarn
	case zapcore.ErrorLevel, zapcore.DPanicLevel, zapcore.PanicLevel, zapcore.FatalLevel, zapcore.InvalidLevel:
		return slog.LevelError
	}
	return slog.LevelError
}

func attributes(fields []zapcore.Field) []slog.Attr {
	encoder := zapcore.NewMapObjectEncoder()
	attrs := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		f.AddTo(encoder)
	}
	for k, v := range encoder.Fields {
		attrs = append(attrs, slog.Any(k, v))
	}
	return attrs
}

// harmless reports the lines that every start or stop of a single member
// brings and that ask nobody to do anything. While it runs, a listener that
// fails is news.
func (c *slogCore) harmless(message string) bool {
	switch message {
	case "Running http and grpc server on single port. This is not recommended for production.",
		"simple token is not cryptographically signed", // there are no users and no tokens
		"Failed to detect schema version",              // said before the first write reached the file
		"failed to update storage version":
		return true
	case "setting up serving from embedded etcd failed.",
		"failed to update cluster version",
		"server has stopped; skipping GoAttach",
		"stopping insecure grpc server due to error",
		"stopped insecure grpc server due to error":
		return c.closing.Load()
	}
	return false
}
