package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"muster/internal/webhook"
	"muster/internal/webhook/sender"
)

// allowLoopback lets webhooks lead to this machine.
const allowLoopback = "--webhook-allow-private=127.0.0.1"

// listener is a receiver of webhooks.
type listener struct {
	t      *testing.T
	url    string
	secret string // where set, each request must be signed with it

	mu     sync.Mutex
	status int      // that it answers with
	bodies []string // of what it has accepted
	header []http.Header
	tries  int
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{t: t, status: http.StatusNoContent}
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	l.url = srv.URL + "/hook"
	return l
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		l.t.Errorf("%s %v: %v", r.Method, r.Header, err)
	}
	if l.secret != "" {
		verifier, err := standardwebhooks.NewWebhook(l.secret)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil {
			l.t.Errorf("%s is not signed as it should: %v", body, err)
		}
	}
	l.tries++
	if l.status == http.StatusNoContent {
		l.bodies, l.header = append(l.bodies, string(body)), append(l.header, r.Header)
	}
	w.WriteHeader(l.status)
}

func (l *listener) answer(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = status
}

func (l *listener) tried() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries
}

// got gives what has arrived, as device and status.
func (l *listener) got() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, body := range l.bodies {
		if strings.HasPrefix(body, "[") {
			for _, c := range decode[[]object](l.t, body) {
				out = append(out, fmt.Sprint(c["device_id"], " ", c["status"]))
			}
			continue
		}
		data := decode[object](l.t, body)["data"].(object)
		out = append(out, fmt.Sprint(data["device_id"], " ", data["status"]))
	}
	return out
}

func (l *listener) want(when string, want ...string) {
	l.t.Helper()
	eventuallyWithin(l.t, 10*time.Second, when, func() bool { return len(l.got()) >= len(want) })
	if diff := cmp.Diff(want, l.got()); diff != "" {
		l.t.Errorf("%s: %s", when, diff)
	}
}

// unfit is a report of a machine of which three things are wrong.
func unfit(host, mac string) string {
	return strings.NewReplacer(`"running":true,"enabled":true`, `"running":true,"enabled":false`, `"user_password_set":true`, `"user_password_set":false`,
		`"screen_lock":{"enabled":true`, `"screen_lock":{"enabled":false`).Replace(healthy(host, mac))
}

func (p *program) webhook(args ...string) object {
	p.t.Helper()
	return decode[object](p.t, p.muster(append([]string{"webhook"}, append(args, "--json")...)...))
}

// TestWebhooks: a device comes, is found fit and unfit and goes; receivers of both forms are told at once, in order.
func TestWebhooks(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, allowLoopback)
		code := strings.TrimSpace(p.muster("regcode", "show"))
		compatible, signed := listen(t), listen(t)
		p.webhook("create", "NAC", compatible.url, "--form", "opswat", "--api-key", "the key", allowLoopback)
		made := p.webhook("create", "SIEM", signed.url, allowLoopback)
		signed.secret = made["signing_secret"].(string)
		a := p.register(code, registration("00:0c:29:00:00:01"))
		a.report(healthy("one", "00:0c:29:00:00:01")).want(200)
		a.report(unfit("one", "00:0c:29:00:00:01")).want(200)
		a.report(unfit("two", "00:0c:29:00:00:01")).want(200)
		p.muster("device", "delete", a.ID)
		want := []string{a.ID + " installed", a.ID + " compliant", a.ID + " non_compliant", a.ID + " deleted"}
		compatible.want("the compatible form", want...)
		signed.want("the signed form", want...)
		if got := compatible.header[0].Get("Authorization"); got != "the key" {
			t.Errorf("Authorization: %q", got)
		}
		for _, body := range compatible.bodies {
			for _, c := range decode[[]object](t, body) {
				if at, ok := c["timestamp"].(float64); !ok || len(c) != 3 || time.Since(time.UnixMilli(int64(at))).Abs() > time.Minute {
					t.Errorf("%s", body)
				}
			}
		}
		third := decode[object](t, signed.bodies[2])
		data := third["data"].(object)
		if third["type"] != "device.status_changed" || data["previous_status"] != "compliant" || !strings.HasPrefix(data["reason"].(string), "rule: ") ||
			data["event_id"] != signed.header[2].Get("Webhook-Id") {
			t.Errorf("%s, %v", signed.bodies[2], signed.header[2])
		}
		if _, ok := decode[object](t, signed.bodies[0])["data"].(object)["previous_status"]; ok {
			t.Errorf("a new device had a status: %s", signed.bodies[0])
		}
		p.webhook("test", "SIEM", allowLoopback)
		if last := decode[object](t, signed.bodies[4]); last["type"] != "webhook.test" {
			t.Errorf("a test: %v", last)
		}
		log := decode[[]object](t, p.muster("webhook", "deliveries", "SIEM", "--json"))
		if len(log) != 5 || log[0]["events"] != 0.0 || log[1]["status_code"] != 204.0 || log[1]["delivered"] != true {
			t.Errorf("%v", log)
		}
		p.webhook("redeliver", "SIEM", log[2]["delivery_id"].(string))
		signed.want("told again", append(want, "00000000000000000000000000000000 compliant", want[2], want[3])...)
		if signed.header[5].Get("Webhook-Id") != signed.header[2].Get("Webhook-Id") {
			t.Error("what is told again has another id")
		}
		_, token := p.client("read")
		logs := p.call("POST", "/o/api/v3.1/logs", bearer(token), `{"event_category":"webhook","limit":50}`).want(200).object()["logs"].([]any)
		if first := logs[0].(object); len(logs) < 10 || first["event"] != "webhook_delivered" || !strings.HasPrefix(first["details"].(string), "Webhook called: ") {
			t.Errorf("%v", logs)
		}
		for _, secret := range []string{"the key", signed.secret} {
			for _, out := range []string{p.log.String(), p.muster("webhook", "list", "--json"), p.muster("webhook", "show", "NAC"), fmt.Sprint(logs)} {
				if strings.Contains(out, secret) {
					t.Errorf("a secret is in %s", out)
				}
			}
		}
	})
}

// TestWebhooksWaitForTheirReceiver: what a receiver refuses is kept, over the end of the server, and delivered by whichever
// comes next once it is time. The next is one whose clock is ahead.
func TestWebhooksWaitForTheirReceiver(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, allowLoopback)
		l := listen(t)
		l.secret = p.webhook("create", "SIEM", l.url, allowLoopback)["signing_secret"].(string)
		l.answer(http.StatusServiceUnavailable)
		a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
		a.report(healthy("one", "00:0c:29:00:00:01")).want(200)
		a.report(unfit("one", "00:0c:29:00:00:01")).want(200)
		eventually(t, "the failure shows", func() bool { return p.webhook("show", "SIEM")["failures"] == 1.0 })
		shown := p.webhook("show", "SIEM")
		if shown["pending"] != 3.0 || shown["last_error"] != "HTTP status 503" {
			t.Errorf("%v", shown)
		}
		p.end()
		tries := l.tried()
		l.answer(http.StatusNoContent)
		s := p.store()
		now := time.Now()
		next := webhook.NewDeliverer(webhook.DelivererOptions{
			Outbox: s, Sender: sender.New(webhook.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, "test"), Now: func() time.Time { return now },
		})
		deliver := func() {
			err := next.Once(t.Context())
			if err != nil {
				t.Error(err)
			}
		}
		if tries == 1 { // else the machine is so slow that the second attempt was made
			now = now.Add(-time.Second)
			deliver()
			if n := l.tried(); n != tries {
				t.Errorf("it was tried %d times before it was time", n-tries)
			}
		}
		now = now.Add(2 * time.Minute)
		deliver()
		l.want("later", a.ID+" installed", a.ID+" compliant", a.ID+" non_compliant")
	})
}

// TestWebhooksOutliveKills kills the server while a receiver thinks, and again and again at random: each change that was
// answered is told, in order, by what comes after.
func TestWebhooksOutliveKills(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "muster")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "muster/cmd/muster").CombinedOutput()
	if err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	t.Setenv("MUSTER_WEBHOOK_ALLOW_PRIVATE", "127.0.0.1")
	onBoth(t, func(t *testing.T, db []string) {
		l := listen(t)
		p := startBinary(t, binary, db)
		l.secret = p.webhook("create", "SIEM", l.url)["signing_secret"].(string)
		a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
		want := []string{a.ID + " installed"}
		for round := range 3 {
			a.p = &p.program
			for n := range 4 {
				report, status := healthy, " compliant"
				if n%2 == 1 {
					report, status = unfit, " non_compliant"
				}
				a.report(report(fmt.Sprint(round, n), "00:0c:29:00:00:01")).want(200)
				want = append(want, a.ID+status)
			}
			p.kill()
			if round < 2 {
				p = startBinary(t, binary, db)
			}
		}
		s := p.store()
		later := webhook.NewDeliverer(webhook.DelivererOptions{
			Outbox: s, Sender: sender.New(webhook.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, "test"),
			Now: func() time.Time { return time.Now().Add(time.Minute) }, // the lease of the dead has ended
		})
		err := later.Once(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// What was told and not noted as such is told twice, under one id.
		var ids, told []string
		for i, line := range l.got() {
			if id := l.header[i].Get("Webhook-Id"); !slices.Contains(ids, id) {
				ids, told = append(ids, id), append(told, line)
			}
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Error(diff)
		}
	})
}
