package agent

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
)

// maxLog is how much of its log an agent can send: the server takes 1 MiB, and it is held in memory.
const maxLog = 256 << 10

// recent keeps the end of what is written to it, by whole lines.
type recent struct {
	mu  sync.Mutex
	buf []byte
}

func (r *recent) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf = append(r.buf, p...)
	if over := len(r.buf) - maxLog; over > 0 {
		// To the end of the line, and some more, so that this is not done again for each line.
		over = min(over+maxLog/8, len(r.buf))
		if i := bytes.IndexByte(r.buf[over:], '\n'); i >= 0 {
			over += i + 1
		}
		r.buf = append(r.buf[:0], r.buf[over:]...)
	}
	return len(p), nil
}

func (r *recent) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.buf)
}

// newLog makes a log that goes to a writer and is remembered.
func newLog(w io.Writer, level string) (*slog.Logger, *recent) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo // Validate has said so already
	}
	kept := &recent{}
	return slog.New(slog.NewTextHandler(io.MultiWriter(w, kept), &slog.HandlerOptions{Level: l})), kept
}
