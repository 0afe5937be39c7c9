package agent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"muster/internal/agent/settings"
	"muster/internal/agent/state"
)

const (
	callLimit = time.Minute
	// answerLimit is how long a server may think about a request. It is also how long it takes to notice that the network
	// is gone while a connection is open.
	answerLimit = 20 * time.Second
	// idleLimit is how long a connection is kept when nothing is said. It is for calls that follow each other at once:
	// between two pings, a connection for each of a hundred thousand agents would cost the server more than a new one.
	idleLimit = 10 * time.Second
	maxHeader = 64 << 10
)

// httpClient makes the client that all calls to the server go through.
func httpClient(s *settings.Settings) (*http.Client, error) {
	tlsConfig, err := tlsOf(s)
	if err != nil {
		return nil, err
	}
	proxy, err := proxyOf(s.Proxy)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 proxy,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:       tlsConfig,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: answerLimit,
			// 10 MB otherwise, which whoever answers could fill.
			MaxResponseHeaderBytes: maxHeader,
			ExpectContinueTimeout:  time.Second,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        idleLimit,
			ForceAttemptHTTP2:      true,
		},
		// A server that sends a redirect has failed: credentials are for one server only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       callLimit,
	}, nil
}

func tlsOf(s *settings.Settings) (*tls.Config, error) {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// With a session from before, a new connection costs the server no signature.
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	if s.CA != "" {
		if err := settings.Unwritable(s.CA); err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: there is no certificate (PEM) in %s", s.CA)
		}
	}
	if s.ClientCert != "" {
		// Read for each connection, so that a renewed certificate is used without a restart.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(s.ClientCert, s.ClientKey)
			return &pair, err
		}
		if _, err := c.GetClientCertificate(nil); err != nil {
			return nil, fmt.Errorf("--client-cert: %w", err)
		}
	}
	return c, nil
}

func proxyOf(setting string) (func(*http.Request) (*url.URL, error), error) {
	switch setting {
	case "":
		return http.ProxyFromEnvironment, nil
	case "none":
		return nil, nil
	}
	u, err := url.Parse(setting)
	if err != nil {
		return nil, fmt.Errorf("--proxy: %w", err)
	}
	return http.ProxyURL(u), nil
}

// explain says in words for an administrator what can be done about an error.
func explain(err error) string {
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return err.Error() + "\nThe server's certificate is signed by nobody this machine trusts. If it is your own authority, give its certificate with --ca FILE."
	case errors.As(err, &wrongName):
		return err.Error() + "\nThe server's certificate is for another name than the one in --server."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return err.Error() + "\nThe server's certificate is not valid now. Is this machine's clock right?"
	case errors.As(err, &dns):
		return err.Error() + "\nIs the name in --server right, and does this machine have a network?"
	case strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)): // it has no type
		return err.Error() + "\nThe proxy wants a name and a password: --proxy http://NAME:PASSWORD@proxy.example.net:3128, or MUSTER_AGENT_PROXY, which the list of processes does not show."
	case errors.Is(err, state.ErrDamaged):
		return err.Error() + "\nRemove that file, and the agent enrols anew with the code in its settings, as the device that it was where the server recognises the machine."
	}
	return err.Error()
}
