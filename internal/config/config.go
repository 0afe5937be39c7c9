// Package config is what the server is told about itself: a value, made once from flags, environment and file, and
// checked once, reporting every mistake at once.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"muster/internal/errs"
)

// Database says where everything is stored.
type Database struct {
	Dir string // of the SQLite database
	URL string // postgres://…; empty for SQLite
}

// Server is the configuration of `muster serve`.
type Server struct {
	Database
	Listen        string // HOST:PORT
	MetricsListen string // HOST:PORT of a listener of its own for /metrics, /healthz and /readyz; "" for none
	RateLimit     int    // OAuth calls a minute, by account and operation; 0 is off
	TLSCert       string // files in PEM form
	TLSKey        string
	// BehindProxy lists networks, comma separated, whose forwarding headers are believed. Being set says that something
	// in front ends TLS.
	BehindProxy string
	// KeepEvents is for how many days the record of events is kept; 0 is for good.
	KeepEvents int
	// WebhookAllowPrivate lists networks, comma separated, that webhooks may be sent to though they are not public.
	WebhookAllowPrivate string
	// FeedsFolder is where feeds of vulnerabilities are imported from when files change; "" for nowhere. FeedsEvery is how
	// often to look.
	FeedsFolder string
	FeedsEvery  time.Duration
	// FeedMaxAge says by format how old feeds may be, where not as by default.
	FeedMaxAge string
	// FeedKeys is a file with the public keys of those whose bundles in that folder are used; "" for nobody's.
	FeedKeys string
	// BaseURL is the address under which people reach the server, for links; "" to take it from each request.
	BaseURL string
}

// Validate reports every mistake in the configuration.
func (s *Server) Validate() error {
	var mistakes []error
	bad := func(field, format string, args ...any) {
		mistakes = append(mistakes, errs.InvalidField(field, "--%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		bad("tls-cert", "a certificate and its key come together: give --tls-cert and --tls-key, or neither")
	}
	proxies, err := s.Proxies()
	switch {
	case err != nil:
		bad("behind-proxy", "%v", err)
	case s.BehindProxy != "" && len(proxies) == 0:
		bad("behind-proxy", "name the networks of what ends TLS in front, such as 10.0.0.0/8")
	}
	_, err = s.WebhookNetworks()
	if err != nil {
		bad("webhook-allow-private", "%v", err)
	}
	for field, addr := range map[string]string{"listen": s.Listen, "metrics-listen": s.MetricsListen} {
		if addr == "" && field == "metrics-listen" {
			continue
		}
		_, _, err := net.SplitHostPort(addr)
		if err != nil {
			bad(field, "%q is not an address such as 127.0.0.1:8080", addr)
		}
	}
	if s.MetricsListen != "" && s.BehindProxy == "" && !Loopback(s.MetricsListen) {
		bad("metrics-listen", "it has neither TLS nor credentials, and so listens on a loopback address only, unless --behind-proxy says that something stands in front")
	}
	if !s.TLS() && s.BehindProxy == "" && !Loopback(s.Listen) {
		bad("listen", "plain HTTP is served on a loopback address only: give --tls-cert and --tls-key, or --behind-proxy with the networks of what ends TLS in front")
	}
	if s.RateLimit < 0 {
		bad("rate-limit", "must not be negative; 0 is off")
	}
	if s.KeepEvents < 0 {
		bad("keep-events", "must not be negative; 0 is for good")
	}
	if s.FeedsFolder != "" && s.FeedsEvery < time.Minute {
		bad("feeds-every", "must be at least a minute")
	}
	if s.BaseURL != "" && !strings.HasPrefix(s.BaseURL, "http://") && !strings.HasPrefix(s.BaseURL, "https://") {
		bad("base-url", "must start with http:// or https://")
	}
	return errors.Join(mistakes...)
}

// TLS reports whether the server ends TLS itself.
func (s *Server) TLS() bool { return s.TLSCert != "" }

// Proxies gives the networks of BehindProxy; a single address stands for itself.
func (s *Server) Proxies() ([]netip.Prefix, error) { return Networks(s.BehindProxy) }

// WebhookNetworks gives the networks of WebhookAllowPrivate likewise.
func (s *Server) WebhookNetworks() ([]netip.Prefix, error) { return Networks(s.WebhookAllowPrivate) }

// Networks reads networks with commas between them; a single address stands for itself.
func Networks(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("%q is neither a network such as 10.0.0.0/8 nor an address", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

// Loopback reports whether an address can be reached from this machine only. A name other than localhost may mean
// anything, and an empty host means every address.
func Loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
