package e2e

import (
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/client"
	adminclient "muster/client/admin"
	"muster/internal/admin"
	"muster/internal/web"
)

// traced remembers which routes of the administration API were called, as METHOD PATTERN.
type traced struct {
	routes *http.ServeMux
	mu     sync.Mutex
	called map[string]bool
}

// RoundTrip implements http.RoundTripper.
func (x *traced) RoundTrip(r *http.Request) (*http.Response, error) {
	_, pattern := x.routes.Handler(r)
	x.mu.Lock()
	x.called[pattern] = true
	x.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// newAdmin gives a client that may do everything, and a record of what it calls.
func newAdmin(t *testing.T, p *program, permission string) (*adminclient.Client, *traced) {
	t.Helper()
	x := &traced{routes: http.NewServeMux(), called: map[string]bool{}}
	for _, rt := range web.NewMux(admin.New(admin.Deps{})).Routes() {
		x.routes.Handle(rt.Method+" "+rt.Path, http.NotFoundHandler())
	}
	id, secret := p.application(permission, "--calls-per-minute", "0")
	c, err := adminclient.New(p.url, client.Options{ClientID: id, ClientSecret: secret, MaxWait: -1, HTTPClient: &http.Client{Transport: x}})
	if err != nil {
		t.Fatal(err)
	}
	return c, x
}

// ok gives a value that must have come without an error.
func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// collected walks a list to its end.
func collected[T any](t *testing.T, list iter.Seq2[T, error]) []T {
	t.Helper()
	var out []T
	for v, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// TestAdministration does everything that the administration API can, through the public client.
func TestAdministration(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		c, x := newAdmin(t, p, "admin")
		code := ok[adminclient.Account](t)(c.Account(t.Context())).RegistrationCode
		a := p.register(code, registration("00:0c:29:00:00:01"))
		a.report(healthy("lab-1", "00:0c:29:00:00:01")).want(200)
		administerAccount(t, c)
		administerPolicies(t, c, a.ID)
		administerDevices(t, c, a.ID)
		administerWebhooks(t, c)
		old := p.register(ok[adminclient.Account](t)(c.Account(t.Context())).RegistrationCode, registration("00:0c:29:00:00:07"))
		old.report(furnished(&household{machine: "old-pc", mac: "00:0c:29:00:00:07"}, "old", "7-Zip", "24.07", "KB5000001")).want(200)
		administerVulnerabilities(t, c, old.ID)
		administerConflicts(t, p, c)
		for _, rt := range web.NewMux(admin.New(admin.Deps{})).Routes() {
			if !x.called[rt.Method+" "+rt.Path] {
				t.Errorf("the client has no call for %s %s, or this test none", rt.Method, rt.Path)
			}
		}
		reader, _ := newAdmin(t, p, "read")
		if _, err := reader.CreateGroup(t.Context(), adminclient.GroupChange{Name: new("x")}); !adminclient.IsForbidden(err) {
			t.Errorf("one that may only read: %v", err)
		}
	})
}

func administerAccount(t *testing.T, c *adminclient.Client) {
	t.Helper()
	ctx := t.Context()
	account := ok[adminclient.Account](t)(c.Account(ctx))
	changed := ok[adminclient.Account](t)(c.ChangeAccount(ctx, account.Tag, adminclient.AccountChange{Email: new("it@acme.example")}))
	if _, err := c.ChangeAccount(ctx, account.Tag, adminclient.AccountChange{Email: new("x@acme.example")}); changed.Email != "it@acme.example" || !adminclient.IsStale(err) {
		t.Errorf("%+v, and with the old tag %v", changed, err)
	}
	if renewed := ok[adminclient.Account](t)(c.RenewRegistrationCode(ctx)); renewed.RegistrationCode == account.RegistrationCode {
		t.Error("the code is the old one")
	}
	settings := ok[adminclient.Settings](t)(c.Settings(ctx))
	settings = ok[adminclient.Settings](t)(c.ChangeSettings(ctx, settings.Tag, map[string]any{"privacy": map[string]any{"public_ip": true}}))
	if settings.Values["privacy"].(map[string]any)["public_ip"] != true || settings.Tag != `"2"` {
		t.Errorf("%+v", settings)
	}
	app := ok[adminclient.Application](t)(c.CreateApplication(ctx, adminclient.NewApplication{Name: "inventory"}))
	if app.ClientSecret == "" || ok[adminclient.Application](t)(c.Application(ctx, app.ID)).ClientSecret != "" {
		t.Error("a secret is shown once")
	}
	must(t, c.RevokeApplication(ctx, app.ID))
	if list := collected(t, c.Applications(ctx)); len(list) != 2 || list[1].RevokedAt.IsZero() {
		t.Errorf("%+v", list)
	}
	code := ok[adminclient.RegistrationCode](t)(c.CreateRegistrationCode(ctx, adminclient.NewRegistrationCode{Name: "office", MaxUses: 3, Group: "1"}))
	must(t, c.RevokeRegistrationCode(ctx, code.ID))
	if ok[adminclient.RegistrationCode](t)(c.RegistrationCode(ctx, code.ID)).State != "revoked" || len(collected(t, c.RegistrationCodes(ctx))) != 1 {
		t.Error("the code is not revoked")
	}
	o := ok[adminclient.Operator](t)(c.CreateOperator(ctx, adminclient.OperatorChange{Email: new("kari@acme.example"), Name: new("Kari")}))
	o = ok[adminclient.Operator](t)(c.ChangeOperator(ctx, o.ID, o.Tag, adminclient.OperatorChange{Role: new("admin"), Disabled: new(true)}))
	if got := ok[adminclient.Operator](t)(c.Operator(ctx, o.ID)); got != o || len(collected(t, c.Operators(ctx))) != 1 {
		t.Errorf("%+v, want %+v", got, o)
	}
	must(t, c.DeleteOperator(ctx, o.ID, o.Tag))
	events := collected(t, c.Events(ctx, adminclient.EventsQuery{Categories: []string{"admin"}, Since: time.Now().Add(-time.Hour)}))
	if len(events) < 8 || events[0].Actor == "" {
		t.Errorf("%+v", events)
	}
}

const strictPolicy = `name: Strict
checks:
  - check: firewall_running
    severity: critical
rules:
  - name: critical
    min_critical: 1
    status: non-compliant
  - name: rest
    status: compliant
`

func administerPolicies(t *testing.T, c *adminclient.Client, device string) {
	t.Helper()
	ctx := t.Context()
	p := ok[adminclient.Policy](t)(c.CreatePolicy(ctx, []byte(strictPolicy), "first"))
	text, tag, err := c.PolicyYAML(ctx, p.ID)
	if err != nil || tag != `"1"` || !strings.Contains(string(text), "firewall_running") {
		t.Fatalf("%s %s %v", text, tag, err)
	}
	softer := []byte(strings.Replace(strictPolicy, "severity: critical", "severity: warning", 1))
	if list := ok[[]adminclient.Difference](t)(c.ComparePolicy(ctx, p.ID, softer)); len(list) != 1 || list[0].After != "warning" {
		t.Errorf("%+v", list)
	}
	saved := ok[adminclient.Policy](t)(c.SavePolicy(ctx, p.ID, p.Tag, softer, "softer"))
	if _, err = c.SavePolicy(ctx, p.ID, p.Tag, softer, ""); !adminclient.IsStale(err) {
		t.Errorf("with the tag of before: %v", err)
	}
	back := ok[adminclient.Policy](t)(c.RollbackPolicy(ctx, p.ID, saved.Tag, 1, "as it was"))
	if back.Version != 3 || len(collected(t, c.PolicyVersions(ctx, p.ID))) != 3 || len(collected(t, c.PolicyDiff(ctx, p.ID, 1, 3))) != 0 {
		t.Errorf("%+v", back)
	}
	if v := ok[adminclient.Policy](t)(c.PolicyVersion(ctx, p.ID, 2)); v.Note != "softer" {
		t.Errorf("%+v", v)
	}
	if got := ok[adminclient.Policy](t)(c.Policy(ctx, p.ID)); got.Tag != back.Tag || len(collected(t, c.Policies(ctx))) != 2 {
		t.Errorf("%+v", got)
	}
	run := ok[adminclient.Run](t)(c.StartDryRun(ctx, []byte(strictPolicy), adminclient.DryRun{}))
	eventuallyWithin(t, 30*time.Second, "the dry run ends", func() bool {
		run = ok[adminclient.Run](t)(c.Run(ctx, run.ID))
		return run.Ended()
	})
	if run.State != "done" || run.Result == nil || run.Result.Devices != 1 || len(collected(t, c.Runs(ctx))) == 0 {
		t.Errorf("%+v", run)
	}
	if _, err = c.CancelRun(ctx, run.ID); !adminclient.IsConflict(err) {
		t.Errorf("cancelling what is over: %v", err)
	}
	if len(collected(t, c.Checks(ctx))) < 20 || !strings.Contains(string(ok[[]byte](t)(schema(c.PolicySchema(ctx)))), "$schema") {
		t.Error("few checks, or no schema")
	}
	v := ok[adminclient.Verdict](t)(c.Verdict(ctx, device))
	if v.Status == "" || v.Policy != "1" || len(v.Checks) < 3 {
		t.Errorf("%+v", v)
	}
	must(t, c.DeletePolicy(ctx, p.ID, back.Tag))
}

func schema[T ~[]byte](text T, err error) ([]byte, error) { return text, err }

func administerDevices(t *testing.T, c *adminclient.Client, device string) {
	t.Helper()
	ctx := t.Context()
	g := ok[adminclient.Group](t)(c.CreateGroup(ctx, adminclient.GroupChange{Name: new("Servers"), RemoveUnseen: new("90d")}))
	g = ok[adminclient.Group](t)(c.ChangeGroup(ctx, g.ID, g.Tag, adminclient.GroupChange{Description: new("racks")}))
	if got := ok[adminclient.Group](t)(c.Group(ctx, g.ID)); got != g || g.RemoveUnseen != "90d" || len(collected(t, c.Groups(ctx))) != 2 {
		t.Errorf("%+v, want %+v", got, g)
	}
	g = onlyOneWins(t, c, g)
	must(t, c.DeleteGroup(ctx, g.ID, g.Tag, "1"))
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	e := ok[adminclient.Exemption](t)(c.Exempt(ctx, device, "waits", until))
	if got := ok[adminclient.Exemption](t)(c.Exemption(ctx, device)); got != e || !e.Until.Equal(until) || e.By == "" || len(collected(t, c.Exemptions(ctx))) != 1 {
		t.Errorf("%+v, want %+v", got, e)
	}
	must(t, c.Unexempt(ctx, device))
	q := ok[adminclient.Quarantine](t)(c.Hold(ctx, device, "stolen"))
	if got := ok[adminclient.Quarantine](t)(c.Quarantine(ctx, device)); got != q || len(collected(t, c.Quarantines(ctx))) != 1 {
		t.Errorf("%+v, want %+v", got, q)
	}
	must(t, c.Release(ctx, device, "found"))
	if _, err := c.Quarantine(ctx, device); !adminclient.IsNotFound(err) {
		t.Errorf("after its release: %v", err)
	}
}

func administerVulnerabilities(t *testing.T, c *adminclient.Client, device string) {
	t.Helper()
	ctx := t.Context()
	list := collected(t, c.Vulnerabilities(ctx, adminclient.VulnerabilityFilter{Product: "7-zip", Limit: "1"}))
	if len(list) == 0 || list[0].Open != 1 || list[0].Scores.Opswat == nil {
		t.Fatalf("%+v", list)
	}
	one := ok[adminclient.Vulnerability](t)(c.Vulnerability(ctx, list[0].ID))
	if one.ID != list[0].ID || len(one.Products) != 1 || one.Products[0].Version != "24.07" {
		t.Errorf("%+v", one)
	}
	if on := collected(t, c.VulnerabilityDevices(ctx, one.ID, "open")); len(on) != 1 || on[0].DeviceID != device {
		t.Errorf("%+v", on)
	}
	if e := ok[adminclient.VulnerabilityExplanation](t)(c.ExplainVulnerability(ctx, device, one.ID)); e.State != "open" || len(e.Findings) != 1 {
		t.Errorf("%+v", e)
	}
	r := ok[adminclient.AcceptedRisk](t)(c.AcceptRisk(ctx, adminclient.NewAcceptedRisk{Vulnerability: one.ID, Product: "7-Zip", Device: device, Reason: "goes on Monday"}))
	if got := ok[adminclient.AcceptedRisk](t)(c.AcceptedRisk(ctx, r.ID)); got.Device != device || got.State != "active" || len(collected(t, c.AcceptedRisks(ctx, adminclient.RiskFilter{State: "active"}))) != 1 {
		t.Errorf("%+v", got)
	}
	if _, err := c.RevokeRisk(ctx, r.ID, `"7"`, "x"); !adminclient.IsStale(err) {
		t.Errorf("with another tag: %v", err)
	}
	if got := ok[adminclient.AcceptedRisk](t)(c.RevokeRisk(ctx, r.ID, r.Tag, "it stays")); got.Revoked == nil || got.Revoked.Reason != "it stays" {
		t.Errorf("%+v", got)
	}
}

func administerWebhooks(t *testing.T, c *adminclient.Client) {
	t.Helper()
	ctx := t.Context()
	w := ok[adminclient.Webhook](t)(c.CreateWebhook(ctx, adminclient.WebhookChange{Name: new("siem"), URL: new("https://siem.acme.example/hook"), Form: "standard"}))
	if w.Secret == "" {
		t.Error("no secret")
	}
	w = ok[adminclient.Webhook](t)(c.ChangeWebhook(ctx, w.ID, w.Tag, adminclient.WebhookChange{Events: &[]string{"deleted"}}))
	w = ok[adminclient.Webhook](t)(c.RenewWebhookSecret(ctx, w.ID, w.Tag))
	if got := ok[adminclient.Webhook](t)(c.Webhook(ctx, w.ID)); got.Tag != w.Tag || w.Secret == "" || len(collected(t, c.Webhooks(ctx))) != 1 {
		t.Errorf("%+v, want %+v", got, w)
	}
	if d := ok[adminclient.Delivery](t)(c.TestWebhook(ctx, w.ID)); d.Delivered || d.Error == "" {
		t.Errorf("there is no such receiver: %+v", d)
	}
	if len(collected(t, c.Deliveries(ctx, w.ID))) != 1 {
		t.Error("the test is not among the deliveries")
	}
	ok[adminclient.Redelivered](t)(c.Redeliver(ctx, w.ID, "2026-01-01T00:00:00Z"))
	must(t, c.DeleteWebhook(ctx, w.ID, w.Tag))
}

// onlyOneWins has several change a group at once that know the same state of it, and gives it as it is then.
func onlyOneWins(t *testing.T, c *adminclient.Client, g adminclient.Group) adminclient.Group {
	t.Helper()
	var working sync.WaitGroup
	var won, lost atomic.Int64
	for i := range 8 {
		working.Go(func() {
			_, err := c.ChangeGroup(t.Context(), g.ID, g.Tag, adminclient.GroupChange{Description: new(fmt.Sprintf("by %d", i))})
			switch {
			case err == nil:
				won.Add(1)
			case adminclient.IsStale(err):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	working.Wait()
	now := ok[adminclient.Group](t)(c.Group(t.Context(), g.ID))
	if won.Load() != 1 || lost.Load() != 7 || now.Revision != g.Revision+1 {
		t.Errorf("%d of 8 won, %d lost, revision %d -> %d", won.Load(), lost.Load(), g.Revision, now.Revision)
	}
	return now
}

// administerConflicts makes twins, and tells them apart or makes one of them.
func administerConflicts(t *testing.T, p *program, c *adminclient.Client) {
	t.Helper()
	ctx := t.Context()
	code := ok[adminclient.Account](t)(c.Account(ctx)).RegistrationCode
	twin := func(i int) *agent {
		mac := fmt.Sprintf("00:0c:29:00:01:%02x", i)
		return p.register(code, fmt.Sprintf(`{"device_name":"twin","serial_number":"SERIAL-%d","hardware_id":"HW-TWIN-%d","os":{"family":"linux"},
			"network_adapter_info":[{"mac":%q,"adapter_enabled":true,"ipv4":["192.0.2.2"],"ipv6":[]}]}`, i, i, mac))
	}
	a, b := twin(1), twin(2)
	if list := collected(t, c.Conflicts(ctx)); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	if n := ok[int](t)(c.SplitDevices(ctx, a.ID)); n != 1 {
		t.Errorf("%d devices had it", n)
	}
	if _, err := c.SplitDevices(ctx, a.ID); !adminclient.IsConflict(err) {
		t.Errorf("without a hardware id: %v", err)
	}
	if err := c.MergeDevices(ctx, a.ID, a.ID); !adminclient.IsInvalid(err) {
		t.Errorf("with itself: %v", err)
	}
	must(t, c.MergeDevices(ctx, a.ID, b.ID))
	if _, err := c.Verdict(ctx, b.ID); !adminclient.IsNotFound(err) {
		t.Errorf("the one that went up in the other: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
