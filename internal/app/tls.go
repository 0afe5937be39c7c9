package app

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"muster/internal/errs"
)

// certificate is a key pair on disk that is read again when its files change.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]time.Time
	checked time.Time
}

// recheck is how often the files are looked at, at the most.
const recheck = time.Second

// reloadingTLS gives a TLS configuration over the files. A new pair that cannot be read is logged, and the old one
// stays in use: a half-written file must not take the server down.
func reloadingTLS(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	err := c.load()
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The TLS certificate or key cannot be used")
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}, nil
}

func (c *certificate) load() error {
	stamp := c.modified()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	c.stamp = stamp
	if err != nil {
		return err
	}
	c.current = &pair
	return nil
}

func (c *certificate) modified() [2]time.Time {
	var out [2]time.Time
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err == nil {
			out[i] = info.ModTime()
		}
	}
	return out
}

func (c *certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.checked) < recheck {
		return c.current
	}
	c.checked = now
	if c.modified() == c.stamp {
		return c.current
	}
	err := c.load()
	if err != nil {
		c.log.Error("the new TLS certificate cannot be used; the old one stays", "error", err)
	} else {
		c.log.Info("read a new TLS certificate")
	}
	return c.current
}
