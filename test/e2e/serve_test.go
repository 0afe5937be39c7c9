package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"
)

// TestPlainHTTPStaysOnThisMachine: without TLS, or something in front that ends it, nobody else is served.
func TestPlainHTTPStaysOnThisMachine(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		says  []string
	}{
		{"every address", []string{"--listen", "0.0.0.0:0"}, []string{"--listen", "loopback"}},
		{"no host", []string{"--listen", ":0"}, []string{"loopback"}},
		{"all mistakes at once", []string{"--listen", "nonsense", "--tls-cert", "x", "--rate-limit", "-1", "--behind-proxy", "10.0.0.0/99"},
			[]string{"--listen", "--tls-cert", "--rate-limit", "--behind-proxy"}},
		{"no such certificate", []string{"--listen", "127.0.0.1:0", "--tls-cert", "/nowhere/c", "--tls-key", "/nowhere/k"}, []string{"certificate"}},
		{"not a database", []string{"--listen", "127.0.0.1:0", "--database", "mysql://x"}, []string{"postgres://"}},
		{"unknown flag", []string{"--nonsense"}, []string{"nonsense"}},
	} {
		out, code := command(t, append([]string{"serve", "--data", t.TempDir()}, c.flags...)...)
		if code != 2 {
			t.Errorf("%s: code %d, %s", c.name, code, out)
		}
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q does not speak of %s", c.name, out, want)
			}
		}
	}
}

// TestForwardedAddresses: behind a proxy the server may listen anywhere, and believes the named networks only.
func TestForwardedAddresses(t *testing.T) {
	p := start(t, engines["sqlite"](t), "--behind-proxy", "127.0.0.0/8")
	code := strings.TrimSpace(p.muster("regcode", "show"))
	a := p.register(code, registration("00:0c:29:00:00:01"))
	check := a.call("GET", "/policy_check", "").want(200).object()
	if link, _ := check["remediation_link"].(string); !strings.HasPrefix(link, "https://") {
		t.Errorf("behind a proxy that ends TLS, links go to %q", link)
	}
	// Guesses from one forwarded address are held back; another address behind the same proxy is not.
	tries := 0
	guess := func(from string) int {
		tries++
		return p.call("POST", "/api/v2/accounts/devices/registration_code",
			[]string{"Gears-Auth", fmt.Sprintf("WRONG%03d", tries), "X-Forwarded-For", from}, registration("00:0c:29:00:00:02")).status
	}
	last := 0
	for range 80 {
		last = guess("198.51.100.9, 192.0.2.1")
	}
	if last != 429 {
		t.Errorf("the eightieth wrong code from one address: %d", last)
	}
	if got := guess("192.0.2.1, 192.0.2.2"); got != 404 {
		t.Errorf("a wrong code from another address: %d", got)
	}
}

// TestTLS serves a certificate, and the next one once its files change.
func TestTLS(t *testing.T) {
	cert, key := path(t, "cert.pem"), path(t, "key.pem")
	writeCertificate(t, cert, key, "first")
	p := start(t, engines["sqlite"](t), "--tls-cert", cert, "--tls-key", key)
	name := func() string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Errorf("certificate %q", got)
	}
	write(t, key, "half a file")
	if got := name(); got != "first" {
		t.Errorf("with a broken key the certificate is %q", got)
	}
	writeCertificate(t, cert, key, "second")
	future := time.Now().Add(time.Minute)
	err := os.Chtimes(cert, future, future)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new certificate is served", func() bool { return name() == "second" })
}

func writeCertificate(t *testing.T, certFile, keyFile, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})))
}

// TestGracefulStop stops the server while a request is half sent: it is finished, answered and stored.
func TestGracefulStop(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
		body := healthy("late", "00:0c:29:00:00:01")
		r, w := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "PUT", p.url+"/api/v2/accounts/"+a.LicenseKey+"/devices/"+a.ID+"/report/health", r)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Gears-Access-Key", a.Key)
		req.Header.Set("Gears-Access-Token", a.Token)
		// The server asks for the body when its handler reads it: then the request is under way.
		req.Header.Set("Expect", "100-continue")
		asked := make(chan struct{})
		req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { close(asked) }}))
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 30 * time.Second}}
		status := make(chan int, 1)
		go func() {
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				status <- 0
				return
			}
			resp.Body.Close()
			status <- resp.StatusCode
		}()
		<-asked
		half := len(body) / 2
		fmt.Fprint(w, body[:half])
		p.stop()
		eventually(t, "the server says that it stops", func() bool { return strings.Contains(p.log.String(), "stopping") })
		fmt.Fprint(w, body[half:])
		w.Close()
		if got := <-status; got != 200 {
			t.Errorf("a request that was under way: %d", got)
		}
		p.end()
		shown, code := command(t, append([]string{"device", "show", "--json", a.ID}, db...)...)
		if code != 0 || !strings.Contains(shown, `"late"`) {
			t.Errorf("what was answered is not there: %s", shown)
		}
	})
}

// TestOneServerOnSQLite: two would not know of each other's memory.
func TestOneServerOnSQLite(t *testing.T) {
	db := engines["sqlite"](t)
	start(t, db)
	out, code := command(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, db...)...)
	if code != 1 || !strings.Contains(out, "Another muster server") {
		t.Errorf("code %d: %s", code, out)
	}
}

// TestConfiguration: a flag goes before the environment, that before the file, and a misspelt key is refused.
func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"c.yaml": "rate_limit: 3\nlog-level: debug\n", "c.toml": "rate-limit = 3\nlog_level = \"debug\"\n"} {
		file := path(t, name)
		write(t, file, text)
		limit := func(flags ...string) string {
			p := start(t, []string{"--data", dir}, append(flags, "--config", file)...)
			defer p.end()
			_, token := p.client("read")
			return p.call("POST", "/o/api/v3.2/account", bearer(token), "").want(200).header.Get("X-RateLimit-Limit")
		}
		if got := limit(); got != "3" {
			t.Errorf("%s: limit %q", name, got)
		}
		t.Setenv("MUSTER_RATE_LIMIT", "4")
		if got := limit(); got != "4" {
			t.Errorf("%s and environment: limit %q", name, got)
		}
		if got := limit("--rate-limit", "5"); got != "5" {
			t.Errorf("%s, environment and flag: limit %q", name, got)
		}
		os.Unsetenv("MUSTER_RATE_LIMIT")
	}
	bad := path(t, "bad.yaml")
	write(t, bad, "rate_limt: 3\n")
	out, code := command(t, "serve", "--config", bad, "--data", dir)
	if code != 2 || !strings.Contains(out, "rate_limt") {
		t.Errorf("code %d: %s", code, out)
	}
}

// TestHealthAndMetrics reads what an operator's tools read.
func TestHealthAndMetrics(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		_, token := p.client("read")
		p.account(token)
		p.call("GET", "/healthz", nil, "").want(200)
		p.call("GET", "/readyz", nil, "").want(200)
		text := p.call("GET", "/metrics", nil, "").want(200).body
		for _, want := range []string{
			`muster_http_requests_total{operation="account_details",status="200"} 1`, `muster_devices{account="Default",status="compliant"} 0`,
			"muster_count_drift_total 0", "muster_database_bytes",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("metrics lack %s", want)
			}
		}
	})
}

// TestCommandLine checks what the contract of the command line promises to scripts.
func TestCommandLine(t *testing.T) {
	db := engines["sqlite"](t)
	out, code := command(t, append([]string{"migrate", "--json"}, db...)...)
	if code != 0 || !strings.Contains(out, "00001_init.sql") {
		t.Fatalf("migrate: %d %s", code, out)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"account", "create", "--name", "One", "--email", "one@example.test", "--json"}, 0, `"registration_code"`},
		{[]string{"account", "create", "--name", "One"}, 1, "exists already"},
		{[]string{"account", "create", "--name", ""}, 2, "name"},
		{[]string{"account", "show", "--json"}, 0, `"license_key"`},
		{[]string{"account", "create", "--name", "Two"}, 0, "Two"},
		{[]string{"account", "show"}, 2, "account"},
		{[]string{"account", "list"}, 0, "Two"},
		{[]string{"account", "list", "--json"}, 0, `"Two"`},
		{[]string{"app", "create", "--name", "x", "--account", "One", "--json"}, 0, `"client_secret"`},
		{[]string{"app", "create", "--name", "x", "--account", "One", "--permission", "owner"}, 2, "permission"},
		{[]string{"app", "list", "--account", "One"}, 0, "CLIENT ID"},
		{[]string{"app", "revoke", "nobody", "--account", "One"}, 1, "not found"},
		{[]string{"regcode", "show", "--account", "Two", "--json"}, 0, `"registration_code"`},
		{[]string{"device", "list", "--account", "One", "--json"}, 0, "[]"},
		{[]string{"device", "show", "nobody", "--account", "One"}, 1, "not found"},
		{[]string{"version"}, 0, "muster"},
	} {
		args := c.args
		if args[0] != "version" {
			args = append(args, db...)
		}
		out, code := command(t, args...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("muster %v: code %d, want %d; %q should speak of %q", c.args, code, c.code, out, c.says)
		}
	}
}
