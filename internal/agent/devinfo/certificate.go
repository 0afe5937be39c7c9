package devinfo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"muster/internal/atomicfile"
)

// Of the certificate that the agent makes. Some systems take none that is good for longer than 825 days.
const (
	ownLife  = 820 * 24 * time.Hour
	ownRenew = 60 * 24 * time.Hour // before its end
	ownCert  = "devinfo.crt"
	ownKey   = "devinfo.key"
	// lookEvery is how often is looked whether there is another.
	lookEvery = time.Minute
)

// certificates gives the certificate that pages are shown: the administrator's, read anew when it was replaced, or the
// agent's own, made anew before it ends.
type certificates struct {
	settings *Settings

	mu     sync.Mutex
	now    *tls.Certificate
	looked time.Time
}

// config gives what a server needs, once there is a certificate.
func (c *certificates) config() (*tls.Config, error) {
	if _, err := c.current(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current() },
	}, nil
}

// names are those that the certificate is for, beside those that every machine has.
func (c *certificates) names() []string {
	cert, err := c.current()
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range cert.Leaf.DNSNames {
		if !strings.Contains(name, "*") {
			out = append(out, strings.ToLower(name))
		}
	}
	return out
}

// current gives the certificate. One that is there goes on when no other can be had.
func (c *certificates) current() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.settings.Now()
	if c.now != nil && at.Sub(c.looked) < lookEvery && !at.Before(c.looked) {
		return c.now, nil
	}
	cert, err := c.load(at)
	if err != nil && c.now == nil {
		return nil, err
	}
	if err != nil {
		c.settings.Log.Warn("the certificate for pages cannot be read anew", "error", err)
	} else {
		c.now = cert
	}
	c.looked = at
	return c.now, nil
}

func (c *certificates) load(at time.Time) (*tls.Certificate, error) {
	if c.settings.CertFile != "" {
		return read(c.settings.CertFile, c.settings.KeyFile)
	}
	certFile, keyFile := filepath.Join(c.settings.StateDir, ownCert), filepath.Join(c.settings.StateDir, ownKey)
	cert, err := read(certFile, keyFile)
	if err == nil && at.Before(cert.Leaf.NotAfter.Add(-ownRenew)) {
		return cert, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.settings.Log.Warn("the agent's own certificate cannot be used: making another", "error", err)
	}
	err = makeOwn(certFile, keyFile, at)
	if err != nil {
		return nil, err
	}
	c.settings.Log.Warn("made a certificate: browsers show pages nothing until they are told to trust it", "file", certFile)
	return read(certFile, keyFile)
}

// read reads a certificate with its key.
func read(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &cert, nil
}

// makeOwn makes a certificate for this machine alone. It signs no others.
func makeOwn(certFile, keyFile string, at time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	shape := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Muster agent on this machine"},
		NotBefore: at.Add(-time.Hour), NotAfter: at.Add(ownLife),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, shape, shape, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The key first: a pair that does not fit, because the power went in between, is made anew.
	err = writePEM(keyFile, "PRIVATE KEY", secret)
	if err == nil {
		err = writePEM(certFile, "CERTIFICATE", raw)
	}
	if err != nil {
		return fmt.Errorf("the agent's own certificate cannot be written: %w", err)
	}
	return nil
}

// writePEM writes a file that only the agent can read, all of it or nothing.
func writePEM(name, kind string, raw []byte) error {
	return atomicfile.Write(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600)
}
