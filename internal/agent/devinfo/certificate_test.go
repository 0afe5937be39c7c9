package devinfo

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func certificateOf(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, ownCert))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// The agent's own certificate is made once, and anew when it is about to end or is broken.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	fresh := func() *certificates {
		return &certificates{settings: &Settings{StateDir: dir, Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil))}}
	}
	serial := func(c *certificates) string {
		t.Helper()
		got, err := c.current()
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.SerialNumber.String()
	}
	c := fresh()
	first := serial(c)
	cert := certificateOf(t, dir)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := cert.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if cert.IsCA || cert.NotAfter.Sub(now) > 825*24*time.Hour || cert.VerifyHostname("portal.example.net") == nil {
		t.Errorf("%+v", cert)
	}
	for _, name := range []string{ownKey, ownCert} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if serial(fresh()) != first || !strings.Contains(log.String(), "until they are told to trust it") {
		t.Errorf("another start makes another, or nobody is told:\n%s", &log)
	}
	now = now.Add(ownLife - ownRenew - time.Second)
	if serial(c) != first {
		t.Error("it is renewed too early")
	}
	now = now.Add(2 * time.Minute)
	second := serial(c)
	if second == first || serial(fresh()) != second {
		t.Error("it is not renewed once")
	}
	// A pair that does not fit is made anew, and so is what cannot be read at all.
	for _, name := range []string{ownKey, ownCert} {
		before := serial(fresh())
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if serial(fresh()) == before {
			t.Errorf("a broken %s is used", name)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 2 {
		t.Errorf("left: %v %v", left, err)
	}
	if _, err := (&certificates{settings: &Settings{StateDir: filepath.Join(dir, "none"), Now: time.Now, Log: slog.New(slog.DiscardHandler)}}).current(); err == nil {
		t.Error("there is a certificate without a folder")
	}
}

// A certificate of the administrator's is used, under its names, and read anew when it was replaced.
func TestGivenCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	now := time.Now()
	if err := makeOwn(certFile, keyFile, now); err != nil {
		t.Fatal(err)
	}
	d, err := New(Settings{Origins: []string{portal}, CertFile: certFile, KeyFile: keyFile, StateDir: dir, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.certs.current()
	if err != nil {
		t.Fatal(err)
	}
	if names := d.certs.names(); fmt.Sprint(names) != "[localhost]" {
		t.Error(names)
	}
	if err := makeOwn(certFile, keyFile, now); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	again, err := d.certs.current()
	if err != nil || again.Leaf.SerialNumber.Cmp(got.Leaf.SerialNumber) == 0 {
		t.Errorf("the old one stays: %v", err)
	}
	if err := os.WriteFile(certFile, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	if last, err := d.certs.current(); err != nil || last != again {
		t.Errorf("a broken file takes away what was good: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, ownCert)); err == nil {
		t.Error("the agent made one all the same")
	}
	if !isOurs("agent.example.net:11369", []string{"agent.example.net"}) || isOurs("x.agent.example.net", []string{"agent.example.net"}) {
		t.Error("the names of a certificate are not those of the machine")
	}
}
