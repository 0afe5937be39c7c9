package devinfo

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	portal = "https://portal.example.net"
	device = "0193593aa1b27c3d8e4f5a6b7c8d9e0f"
	told   = `{"code":0,"description":"Success","info":{"hwid":"` + device + `"}}`
)

// freePort finds a port that nobody has, below those that systems give away by themselves: of these, another test would get it
// now and then before we take it.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// opened opens a door.
func opened(t testing.TB, s Settings) (d *Door, port int) {
	t.Helper()
	if s.StateDir == "" {
		s.StateDir = t.TempDir()
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	d, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	port = freePort(t)
	d.Become(Wanted{Enabled: true, Port: port, DeviceID: device})
	if d.at != port {
		t.Fatal("the door is not open")
	}
	return d, port
}

// browser trusts what the agent made.
func browser(t testing.TB, d *Door) *http.Client {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(d.settings.StateDir, ownCert))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		t.Fatal("no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask sends a request; headers come as name, value.
func ask(t testing.TB, c *http.Client, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, strings.TrimSpace(string(body))
}

func TestWhoIsToldWhat(t *testing.T) {
	t.Parallel()
	d, port := opened(t, Settings{Origins: []string{portal + "/", "http://intranet.example.net:80", "https://[::1]:8443"}})
	c := browser(t, d)
	const refused, noAPI = `{"code":-32,"description":"Pages of this origin may not ask"}`, `{"code":-31,"description":"API not found"}`
	from := func(h ...string) []string { return append([]string{"Origin", portal}, h...) }
	script := func(h ...string) []string {
		return append([]string{"Referer", portal + "/", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "script"}, h...)
	}
	for name, q := range map[string]struct {
		method, path string
		headers      []string
		status       int
		want         string
	}{
		"fetched":                       {"GET", "/opswat/devinfo", from(), 200, told},
		"fetched, as version 3":         {"GET", "/opswat/3/devinfo", from(), 200, told},
		"loaded":                        {"GET", "/opswat/devinfo?callback=fn", script(), 200, "fn(" + told + ")"},
		"loaded, as version 3":          {"GET", "/opswat/3/devinfo?callback=jQuery34_1.cb$", script(), 200, "jQuery34_1.cb$(" + told + ")"},
		"loaded by an old browser":      {"GET", "/opswat/devinfo?callback=fn", []string{"Referer", portal + "/a?b"}, 200, "fn(" + told + ")"},
		"with JSON in the query":        {"GET", "/opswat/devinfo?{%22a%22:[1,\"x\"]}&callback=fn&_=17", script(), 200, "fn(" + told + ")"},
		"with broken text in the query": {"GET", "/opswat/devinfo?%zz;a=b&callback=fn", script(), 200, "fn(" + told + ")"},
		"another allowed origin":        {"GET", "/opswat/devinfo", []string{"Origin", "http://intranet.example.net"}, 200, told},
		"in other letters":              {"GET", "/opswat/devinfo?callback=f", []string{"Referer", "HTTPS://Portal.Example.NET:443/x"}, 200, "f(" + told + ")"},

		"nobody":                           {"GET", "/opswat/devinfo?callback=fn", nil, 403, refused},
		"another origin":                   {"GET", "/opswat/devinfo", []string{"Origin", "https://evil.example"}, 403, refused},
		"another origin, loading":          {"GET", "/opswat/devinfo?callback=fn", []string{"Referer", "https://evil.example/"}, 403, refused},
		"another port":                     {"GET", "/opswat/devinfo", []string{"Origin", portal + ":8443"}, 403, refused},
		"another scheme":                   {"GET", "/opswat/devinfo", []string{"Origin", "http://portal.example.net"}, 403, refused},
		"a name that begins alike":         {"GET", "/opswat/devinfo", []string{"Origin", portal + ".evil.example"}, 403, refused},
		"a name before it":                 {"GET", "/opswat/devinfo?callback=f", []string{"Referer", portal + "@evil.example/"}, 403, refused},
		"no origin":                        {"GET", "/opswat/devinfo", []string{"Origin", "null"}, 403, refused},
		"no origin, an allowed referrer":   {"GET", "/opswat/devinfo", []string{"Origin", "null", "Referer", portal}, 403, refused},
		"two origins":                      {"GET", "/opswat/devinfo", []string{"Origin", portal, "Origin", "https://evil.example"}, 403, refused},
		"another, with an allowed referer": {"GET", "/opswat/devinfo", []string{"Origin", "https://evil.example", "Referer", portal}, 403, refused},
		"in a frame":                       {"GET", "/opswat/devinfo", []string{"Referer", portal, "Sec-Fetch-Dest", "iframe"}, 403, refused},
		"by itself":                        {"GET", "/opswat/devinfo", []string{"Referer", portal, "Sec-Fetch-Dest", "document"}, 403, refused},
		"typed":                            {"GET", "/opswat/devinfo", []string{"Referer", portal, "Sec-Fetch-Site", "none"}, 403, refused},

		"no such call":           {"GET", "/opswat/other", from(), 404, noAPI},
		"no such version":        {"GET", "/opswat/4/devinfo", from(), 404, noAPI},
		"the root":               {"GET", "/", from(), 404, noAPI},
		"another method":         {"POST", "/opswat/devinfo", from(), 405, noAPI},
		"another name":           {"GET", "/opswat/devinfo", from("Host", "evil.example"), 421, `{"code":-32,"description":"This agent is not called so"}`},
		"another name and port":  {"GET", "/opswat/devinfo", from("Host", fmt.Sprint("evil.example:", port)), 421, `{"code":-32,"description":"This agent is not called so"}`},
		"a name like localhost":  {"GET", "/opswat/devinfo", from("Host", "localhost.evil.example"), 421, `{"code":-32,"description":"This agent is not called so"}`},
		"an address like ours":   {"GET", "/opswat/devinfo", from("Host", "127.0.0.1.evil.example"), 421, `{"code":-32,"description":"This agent is not called so"}`},
		"another of our names":   {"GET", "/opswat/devinfo", from("Host", "LOCALHOST.:1"), 200, told},
		"the other of our names": {"GET", "/opswat/devinfo", from("Host", "[::1]:1"), 200, told},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := ask(t, c, q.method, fmt.Sprint("https://127.0.0.1:", port, q.path), q.headers...)
			if resp.StatusCode != q.status || body != q.want {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			h := resp.Header
			kind := "application/json"
			if strings.HasSuffix(q.want, ")") {
				kind = "text/javascript; charset=utf-8"
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") != kind || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%v", h)
			}
			if allowed := h.Get("Access-Control-Allow-Origin"); q.status >= 400 && q.status != 405 && (allowed != "" || h.Get("Cross-Origin-Resource-Policy") != "same-origin") ||
				q.status == 200 && len(q.headers) > 0 && q.headers[0] == "Origin" && allowed != q.headers[1] {
				t.Errorf("%v", h)
			}
		})
	}
}

// What stands in front of an answer is a name of a function, whatever comes.
func TestCallbacksAreNames(t *testing.T) {
	t.Parallel()
	d, port := opened(t, Settings{Origins: []string{portal}})
	c := browser(t, d)
	for callback, good := range map[string]bool{
		"a": true, "_": true, "$.a_1.B": true, "jQuery1124_17": true, strings.Repeat("a", maxCallback): true,
		"": false, "1a": false, "a.": false, ".a": false, "a..b": false, "a()": false, "a%3Balert(1)%2F%2F": false, "%3Cscript%3E": false, "a%0A": false,
		"a[0]": false, "a%20b": false, "%C3%A9": false, "a%00": false, strings.Repeat("a", maxCallback+1): false, "a-b": false, "a%2Bb": false,
	} {
		resp, body := ask(t, c, "GET", fmt.Sprint("https://127.0.0.1:", port, "/opswat/devinfo?callback=", callback), "Origin", portal)
		if good != (resp.StatusCode == 200) || !good && (body != `{"code":-31,"description":"The callback is no name of a function"}` || resp.Header.Get("Content-Type") != "application/json") {
			t.Errorf("%q: %d %s", callback, resp.StatusCode, body)
		}
	}
}

func FuzzCallback(f *testing.F) {
	a, err := newAsked([]string{portal})
	if err != nil {
		f.Fatal(err)
	}
	a.tell(device)
	h := a.handler(func() []string { return nil })
	f.Add("callback=fn", portal, "")
	f.Add("{}&callback=a;b", "", "x://"+portal)
	f.Fuzz(func(t *testing.T, query, origin, referer string) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://localhost/opswat/devinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		for name, v := range map[string]string{"Origin": origin, "Referer": referer} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, r)
		text := w.body.String()
		if !strings.Contains(text, device) {
			return
		}
		if origin != portal && (origin != "" || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(referer)), portal)) {
			t.Fatalf("%q %q are told %s", origin, referer, text)
		}
		if before, _, found := strings.Cut(text, "("); found && !callbacks.MatchString(before) {
			t.Fatalf("%q", text)
		}
	})
}

type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
func (r *recorder) WriteHeader(int)             {}

func TestPreflight(t *testing.T) {
	t.Parallel()
	d, port := opened(t, Settings{Origins: []string{portal}})
	c := browser(t, d)
	url := fmt.Sprint("https://127.0.0.1:", port, "/opswat/devinfo")
	resp, _ := ask(t, c, "OPTIONS", url, "Origin", portal, "Access-Control-Request-Method", "GET",
		"Access-Control-Request-Headers", "content-type,x-requested-with", "Access-Control-Request-Private-Network", "true")
	h := resp.Header
	if resp.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != portal || h.Get("Access-Control-Allow-Private-Network") != "true" ||
		h.Get("Access-Control-Allow-Methods") != "GET" || h.Get("Access-Control-Allow-Headers") != "content-type,x-requested-with" {
		t.Errorf("%d %v", resp.StatusCode, h)
	}
	resp, _ = ask(t, c, "OPTIONS", url, "Origin", portal, "Access-Control-Request-Headers", "a b")
	if h := resp.Header; h.Get("Access-Control-Allow-Private-Network") != "" || h.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("%v", h)
	}
	resp, _ = ask(t, c, "OPTIONS", url, "Origin", "https://evil.example", "Access-Control-Request-Private-Network", "true")
	if h := resp.Header; resp.StatusCode != 403 || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Private-Network") != "" {
		t.Errorf("%d %v", resp.StatusCode, h)
	}
}

// Without origins nobody is told anything, and without a device there is nothing to tell.
func TestNothingToTell(t *testing.T) {
	t.Parallel()
	d, port := opened(t, Settings{})
	for _, headers := range [][]string{nil, {"Origin", portal}, {"Origin", "null"}, {"Referer", "https://localhost/"}, {"Origin", fmt.Sprint("https://localhost:", port)}} {
		if resp, body := ask(t, browser(t, d), "GET", fmt.Sprint("https://localhost:", port, "/opswat/devinfo"), headers...); resp.StatusCode != 403 || strings.Contains(body, device) {
			t.Errorf("%v: %d %s", headers, resp.StatusCode, body)
		}
	}
	d, port = opened(t, Settings{Origins: []string{portal}})
	d.Become(Wanted{Enabled: true, Port: port})
	resp, body := ask(t, browser(t, d), "GET", fmt.Sprint("https://localhost:", port, "/opswat/devinfo?callback=f"), "Origin", portal)
	if resp.StatusCode != 200 || body != `f({"code":-41,"description":"This machine is not enrolled"})` {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	for _, origin := range []string{"*", "portal.example.net", "https://*.example.net", "https://a/b", "ftp://a", "https://é.example", "https://a?b", "null", ""} {
		if _, err := New(Settings{Origins: []string{origin}}); err == nil {
			t.Errorf("%q is taken for an origin", origin)
		}
	}
}

// The door is where the server wants it, at both addresses, and the port is free when it is closed.
func TestDoorOpensAndCloses(t *testing.T) {
	t.Parallel()
	d, port := opened(t, Settings{Origins: []string{portal}})
	c := browser(t, d)
	answers := func(port int, host string) bool {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, fmt.Sprint(port)), 5*time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		if _, body := ask(t, c, "GET", fmt.Sprint("https://", host, ":", port, "/opswat/devinfo"), "Origin", portal); body != told {
			t.Errorf("%s: %s", host, body)
		}
	}
	other := freePort(t)
	d.Become(Wanted{Enabled: true, Port: other, DeviceID: device})
	if answers(port, "127.0.0.1") || !answers(other, "127.0.0.1") || !answers(other, "::1") {
		t.Error("it did not move")
	}
	d.Become(Wanted{DeviceID: device})
	if answers(other, "127.0.0.1") || answers(other, "::1") {
		t.Error("it is still open")
	}
	taken, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", other))
	if err != nil {
		t.Fatal(err)
	}
	d.Become(Wanted{Enabled: true, Port: other, DeviceID: device})
	if d.at != 0 {
		t.Error("it is open at a port that is taken")
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	d.Become(Wanted{Enabled: true, Port: other, DeviceID: device})
	if d.at != other || !answers(other, "127.0.0.1") {
		t.Error("it is not tried again")
	}
	// It does not listen where the network could reach it.
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && !ip.IsLoopback() && ip.To4() != nil && answers(other, ip.String()) {
			t.Errorf("it answers at %s", ip)
		}
	}
}

// Whoever holds all connections keeps others waiting only for so long as they are held.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := bounded(pipes{})
		var held []net.Conn
		for range maxConnections {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
		}
		next := make(chan error, 1)
		accept := func() {
			_, err := l.Accept()
			next <- err
		}
		go accept()
		synctest.Wait()
		if len(next) > 0 {
			t.Error("there is no bound")
		}
		_ = held[0].Close()
		_ = held[0].Close() // twice, as servers do
		synctest.Wait()
		if len(next) != 1 || <-next != nil {
			t.Error("a place that was left is not taken")
		}
		go accept()
		synctest.Wait()
		_ = l.Close()
		synctest.Wait()
		if len(next) != 1 || <-next == nil {
			t.Error("a listener that is closed goes on waiting")
		}
	})
}

// pipes are a listener that everybody wants something of.
type pipes struct{ net.Listener }

func (pipes) Accept() (net.Conn, error) {
	c, _ := net.Pipe()
	return c, nil
}
func (pipes) Close() error { return nil }

// Closing does not wait for whoever says nothing.
func TestClosingIsQuick(t *testing.T) {
	t.Parallel()
	d, port := opened(t, Settings{Origins: []string{portal}})
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	d.Close()
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("closing took %v", took)
	}
}
