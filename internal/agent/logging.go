package agent

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"muster/internal/agent/settings"
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

// maxLogFile is how long a file of the log grows before it becomes the one from before.
const maxLogFile = 1 << 20

// logFile is a log in a file that does not grow for ever. A disk that is full is no reason to stop: what cannot be
// written is lost, and recent has it still.
type logFile struct {
	mu   sync.Mutex
	path string
	file *os.File
	size int64
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil && l.size+int64(len(p)) > maxLogFile {
		_ = l.file.Close() // it was written to; what that says is told by the next open
		l.file = nil
		_ = os.Rename(l.path, l.path+".1")
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return len(p), nil
		}
	}
	n, _ := l.file.Write(p)
	l.size += int64(n)
	return len(p), nil
}

func (l *logFile) open() error {
	if err := settings.PrivateFolder(filepath.Dir(l.path)); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// logTo is where a running agent logs to.
func logTo(stderr io.Writer, path string) io.Writer {
	if path == "" {
		return stderr
	}
	return io.MultiWriter(&logFile{path: path}, quiet{stderr})
}

// quiet is a standard error that may not be there: a service of Windows has none.
type quiet struct{ io.Writer }

func (q quiet) Write(p []byte) (int, error) {
	_, _ = q.Writer.Write(p)
	return len(p), nil
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
