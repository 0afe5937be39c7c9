package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"muster/internal/agent/protocol"
	"muster/internal/agent/script"
	"muster/internal/agent/settings"
)

// pingThrough pings a server with an agent's own client.
func pingThrough(t *testing.T, s *settings.Settings) error {
	t.Helper()
	client, err := httpClient(s)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	_, err = protocol.New(client, s.Server).As(protocol.Credentials{LicenseKey: "L", DeviceID: "D", Key: "K", Token: "T"}).Ping(t.Context())
	return err
}

func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), strings.ToLower(strings.ReplaceAll(kind, " ", "-"))+".pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func empty(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }

func quietTLS(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of handshakes that are to fail
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func TestServerIsVerified(t *testing.T) {
	srv := quietTLS(t, empty)
	s := &settings.Settings{Server: srv.URL}
	err := pingThrough(t, s)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Fatalf("a server that nobody vouches for: %v", err)
	}
	if text := explain(err); !strings.Contains(text, "--ca") {
		t.Errorf("the error does not say what to do: %s", text)
	}
	s.CA = pemFile(t, "CERTIFICATE", srv.Certificate().Raw)
	if err := pingThrough(t, s); err != nil {
		t.Errorf("with the certificate of its authority: %v", err)
	}
	only := x509.NewCertPool()
	only.AddCert(srv.Certificate())
	if c, err := tlsOf(s); err != nil || !c.RootCAs.Equal(only) {
		t.Errorf("others than the authority that was given are believed, too (%v)", err)
	}
	s.Server = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	var name x509.HostnameError
	if err := pingThrough(t, s); !errors.As(err, &name) {
		t.Errorf("under a name that it is not certified for: %v", err)
	}
	s.CA = pemFile(t, "NOTHING", nil)
	if err := pingThrough(t, s); err == nil || !strings.Contains(err.Error(), "--ca") {
		t.Errorf("a file without a certificate: %v", err)
	}
}

// TestAdviceOnCertificates: the clock of the machine makes a certificate invalid at its end, and for nothing else.
func TestAdviceOnCertificates(t *testing.T) {
	for reason, clock := range map[x509.InvalidReason]bool{x509.Expired: true, x509.IncompatibleUsage: false, x509.NotAuthorizedToSign: false} {
		err := x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: reason}
		if text := explain(err); strings.Contains(text, "clock") != clock || !strings.Contains(text, err.Error()) {
			t.Errorf("reason %d: %s", reason, text)
		}
	}
}

// TestOldTLS: what is older than TLS 1.2 is refused.
// TestAuthorityOfAnybody: a file that everybody can write to says nothing of who is to be believed, nor whose scripts run.
func TestAuthorityOfAnybody(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its files have other rights")
	}
	srv := quietTLS(t, empty)
	ca := pemFile(t, "CERTIFICATE", srv.Certificate().Raw)
	if err := os.Chmod(ca, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := pingThrough(t, &settings.Settings{Server: srv.URL, CA: ca}); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("it was believed: %v", err)
	}
	if _, err := script.ReadKeys([]string{ca}); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("its scripts would run: %v", err)
	}
}

func TestOldTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(empty))
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s := &settings.Settings{Server: srv.URL, CA: pemFile(t, "CERTIFICATE", srv.Certificate().Raw)}
	if err := pingThrough(t, s); err == nil {
		t.Error("a server with TLS 1.1 was spoken to")
	}
}

func TestClientCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(empty))
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s := &settings.Settings{Server: srv.URL, CA: pemFile(t, "CERTIFICATE", srv.Certificate().Raw)}
	if err := pingThrough(t, s); err == nil {
		t.Error("without a certificate")
	}
	// Any pair will do: the server asks for one, whosever it is.
	key, err := x509.MarshalPKCS8PrivateKey(srv.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	s.ClientCert, s.ClientKey = pemFile(t, "CERTIFICATE", srv.Certificate().Raw), pemFile(t, "PRIVATE KEY", key)
	if err := pingThrough(t, s); err != nil {
		t.Error(err)
	}
	s.ClientKey = filepath.Join(t.TempDir(), "none")
	if err := pingThrough(t, s); err == nil || !strings.Contains(err.Error(), "--client-cert") {
		t.Errorf("a key that is not there: %v", err)
	}
}

// TestRedirects: credentials are for one server, whatever it says.
func TestRedirects(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = true; empty(w, r) }))
	t.Cleanup(other.Close)
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(srv.Close)
	err := pingThrough(t, &settings.Settings{Server: srv.URL})
	if err == nil || asked {
		t.Errorf("a redirect was followed: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), other.URL) {
		t.Errorf("where the server has gone is not told: %v", err)
	}
}

// TestEndlessHeaders: whoever answers fills no memory.
func TestEndlessHeaders(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", maxHeader))
		empty(w, r)
	}))
	t.Cleanup(srv.Close)
	if err := pingThrough(t, &settings.Settings{Server: srv.URL}); err == nil {
		t.Error("it was taken")
	}
}

func TestProxy(t *testing.T) {
	var through string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through = r.URL.String()
		empty(w, r)
	}))
	t.Cleanup(proxy.Close)
	s := &settings.Settings{Server: "http://muster.example.net", Proxy: proxy.URL}
	if err := pingThrough(t, s); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(through, "http://muster.example.net/api/") {
		t.Errorf("the proxy was asked for %q", through)
	}
	// The environment is read once in a process and says nothing of this machine's own addresses: what is asked is compared.
	if none, err := proxyOf("none"); err != nil || none != nil {
		t.Errorf("none is some proxy (%v)", err)
	}
	if usual, err := proxyOf(""); err != nil || reflect.ValueOf(usual).Pointer() != reflect.ValueOf(http.ProxyFromEnvironment).Pointer() {
		t.Errorf("without a setting it is not the proxy of the environment (%v)", err)
	}
}

// TestProxyForTLS: a proxy sees where to, and nothing of what is said.
func TestProxyForTLS(t *testing.T) {
	srv := quietTLS(t, empty)
	var method, host string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, host = r.Method, r.Host
		tunnel(t, w, r)
	}))
	t.Cleanup(proxy.Close)
	s := &settings.Settings{Server: srv.URL, Proxy: proxy.URL, CA: pemFile(t, "CERTIFICATE", srv.Certificate().Raw)}
	if err := pingThrough(t, s); err != nil {
		t.Fatal(err)
	}
	if method != http.MethodConnect || "https://"+host != srv.URL {
		t.Errorf("the proxy was asked to %s %s", method, host)
	}
	closed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	t.Cleanup(closed.Close)
	s.Proxy = closed.URL
	if err := pingThrough(t, s); err == nil || !strings.Contains(explain(err), "NAME:PASSWORD") {
		t.Errorf("of a proxy that wants a password: %v", err)
	}
}

func tunnel(t *testing.T, w http.ResponseWriter, r *http.Request) {
	there, err := (&net.Dialer{}).DialContext(context.WithoutCancel(r.Context()), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer here.Close()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		t.Error(err)
		return
	}
	go func() { _, _ = io.Copy(there, buffered) }() // what was read ahead is in it
	_, _ = io.Copy(here, there)
}
