package devinfo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// page asks by a script and by fetch, and writes down what it learns.
const page = `<!doctype html><title>page</title><p id=jsonp>waiting</p><p id=fetched>waiting</p><p id=framed>waiting</p>
<script>
const at = "https://localhost:%d/opswat/devinfo";
const note = (id, text) => { document.getElementById(id).textContent = id + ":" + text };
window.learn = a => note("jsonp", a.info ? a.info.hwid : a.code);
const s = document.createElement("script");
s.onerror = () => note("jsonp", "nothing");
s.src = at + "?callback=learn";
document.head.append(s);
fetch(at + "?%%7B%%7D").then(r => r.json()).then(a => note("fetched", a.info.hwid)).catch(() => note("fetched", "nothing"));
const f = document.createElement("iframe");
f.onload = () => { try { note("framed", f.contentDocument.body.textContent) } catch { note("framed", "nothing") } };
f.src = at;
document.body.append(f);
</script>`

// TestBrowser has a real browser show two pages: one from an allowed origin, which learns which device it is on, and one
// from another, which does not. The browser trusts the agent's certificate and nothing else that is out of order.
func TestBrowser(t *testing.T) {
	t.Parallel()
	chromium, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("MUSTER_REQUIRE_AGENT_PROOF") != "" {
		t.Fatal("there is no chromium here (Debian: chromium)")
	}
	if err != nil {
		t.Skip("there is no chromium here (Debian: chromium)")
	}
	var port atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, page, port.Load())
	}))
	defer site.Close()
	_, sitePort, _ := strings.Cut(strings.TrimPrefix(site.URL, "http://"), ":")
	allowed, other := "http://portal.example.net:"+sitePort, "http://other.example.net:"+sitePort
	d, at := opened(t, Settings{Origins: []string{allowed}})
	port.Store(int64(at))
	cert, err := d.certs.current()
	if err != nil {
		t.Fatal(err)
	}
	pin := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	show := func(url string) string {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
			"--user-data-dir="+t.TempDir(), "--host-resolver-rules=MAP *.example.net 127.0.0.1",
			"--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(pin[:]),
			"--virtual-time-budget=5000", "--dump-dom", url)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		cmd.WaitDelay = 5 * time.Second
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	for url, learns := range map[string]string{allowed: device, other: "nothing"} {
		dom := show(url)
		for _, want := range []string{"jsonp:" + learns, "fetched:" + learns} {
			if !strings.Contains(dom, ">"+want+"<") {
				t.Errorf("%s: not %q in\n%s", url, want, dom)
			}
		}
		if strings.Contains(dom, "framed:"+device) || url == other && strings.Contains(dom, device) {
			t.Errorf("%s learns too much:\n%s", url, dom)
		}
	}
}
