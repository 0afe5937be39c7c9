package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/policies"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/risk"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/vuln"
	"muster/internal/web"
	"muster/internal/webhook"
	"muster/test/openapi"
)

// lab is the whole door with a database behind it, and two accounts that have one of everything.
type lab struct {
	http.Handler
	mux     *web.Mux
	limits  *counter
	store   *store.Store
	devices *device.Service
	who     *identity.Service

	policies  *policies.Service
	runs      *run.Service
	webhooks  *webhook.Service
	risks     *risk.Service
	operators *identity.Operators

	mu   sync.Mutex
	time time.Time

	acme, other home
}

// home is an account with the ids of what it has.
type home struct {
	account  identity.Account
	tokens   map[scope.Permission]string
	app      string // client id of an application that nobody uses
	group    string
	policy   string // has three versions, and no group
	run      string // a dry run that is over
	waiting  string // one that is not
	code     string // the id of a registration code
	webhook  string
	operator string
	// vulnerability is one that its devices have, and risk one that it accepted.
	vulnerability, risk string
	device              string // is exempted and quarantined
	plain               string // another device, of which nothing is special
}

// counter is a limiter that may fail.
type counter struct {
	ratelimit.Limiter
	err error
}

// Take implements Limiter.
func (c *counter) Take(ctx context.Context, key ratelimit.Key, limit int) (ratelimit.Decision, error) {
	if c.err != nil {
		return ratelimit.Decision{}, c.err
	}
	return c.Limiter.Take(ctx, key, limit)
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.time
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.time = l.time.Add(d)
}

// template is a furnished lab that every other one is a copy of: furnishing takes longer than most tests.
var template = struct {
	sync.Once
	file        []byte
	time        time.Time
	acme, other home
}{}

func newLab(t testing.TB) *lab {
	t.Helper()
	template.Do(func() {
		dir := t.TempDir()
		l := open(t, dir, storetest.Epoch)
		template.acme, template.other = l.furnish(t, "Acme Lab", "our"), l.furnish(t, "Their Lab", "theirs")
		must(t, l.store.Close())
		template.file, template.time = given[[]byte](t)(os.ReadFile(filepath.Join(dir, store.FileName))), l.now()
	})
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, store.FileName), template.file, 0o600))
	l := open(t, dir, template.time)
	l.acme, l.other = template.acme, template.other
	t.Cleanup(func() { must(t, l.store.Close()) })
	return l
}

// open puts a door in front of a database.
func open(t testing.TB, dir string, at time.Time) *lab {
	t.Helper()
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	l := &lab{time: at}
	st, err := store.Open(ctx, store.Options{Dir: dir, Log: log})
	must(t, err)
	_, err = st.Migrate(ctx)
	must(t, err)
	l.store = st
	l.devices = device.New(device.Options{Store: st, Judge: vulnerable{l}, Decode: storetest.Decode, Now: l.now, Log: log})
	l.who = identity.New(identity.Options{Accounts: st, Settings: st, Codes: st, Applications: st, Tokens: st, Now: l.now})
	l.limits = &counter{Limiter: ratelimit.Limiter{Source: ratelimit.NewMemory(1000), Now: l.now}}
	l.runs = run.New(st, l.now, rand.Reader)
	l.policies = policies.New(policies.Options{Store: st, Now: l.now, Random: rand.Reader, Wake: l.runs.Wake})
	l.risks = risk.New(risk.Options{Store: st, Now: l.now, Random: rand.Reader, Wake: l.runs.Wake, Judge: l.devices.JudgeNow})
	l.operators = identity.NewOperators(st, l.now, nil)
	l.webhooks = webhook.New(webhook.Options{Store: st, Sender: silent{}, Now: l.now})
	l.mux = web.NewMux(New(Deps{
		Authenticator: l.who, Limiter: l.limits, Accounts: l.who, Devices: l.devices, Policies: l.policies, Runs: l.runs, Webhooks: l.webhooks,
		Operators: l.operators, Explain: explained, Risks: l.risks, Said: saidByFeeds,
		ExplainVulnerability: l.explainVulnerability, Now: l.now, RateLimit: 10,
	}))
	l.Handler = &web.Server{Next: l.mux, Log: log}
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// given is the value of a call that must work.
func given[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// second is the error of a call whose value does not matter.
func second[T any](_ T, err error) error { return err }

// furnish makes an account that has one of everything. What it is called begins with whose it is.
func (l *lab) furnish(t testing.TB, name, whose string) home {
	t.Helper()
	ctx := t.Context()
	h := home{tokens: map[scope.Permission]string{}}
	h.account = given[identity.Account](t)(l.who.CreateAccount(ctx, identity.NewAccount{Name: name, DevicesAllowed: 100}))
	for _, p := range []scope.Permission{scope.Read, scope.Write, scope.Admin} {
		h.tokens[p] = l.token(t, h.account.ID, p, 0)
	}
	idle, _, err := l.who.CreateApplication(ctx, identity.NewApplication{Account: h.account.ID, Name: whose + " idle", Permission: scope.Read})
	must(t, err)
	h.app = idle.ClientID
	if whose == "theirs" { // so that the numbers of its things are not those of the other's
		must(t, second(l.devices.CreateGroup(ctx, h.account.ID, device.GroupChange{Name: new("theirs first")}, "test")))
	}
	group, err := l.devices.CreateGroup(ctx, h.account.ID, device.GroupChange{Name: new(whose + " servers")}, "test")
	must(t, err)
	h.group = number(group.ID)
	h.device, h.plain = l.enrol(t, h.account.ID, whose+"-1"), l.enrol(t, h.account.ID, whose+"-2")
	must(t, l.devices.Exempt(ctx, h.account.ID, h.device, whose+" reason", time.Time{}))
	must(t, l.devices.Quarantine(ctx, h.account.ID, h.device, whose+" fear"))
	l.furnishMore(t, &h, whose)
	return h
}

func (l *lab) furnishMore(t testing.TB, h *home, whose string) {
	t.Helper()
	ctx, account := t.Context(), h.account.ID
	if whose == "theirs" {
		must(t, second(l.policies.Create(ctx, account, []byte(strings.ReplaceAll(document, "Strict", "theirs first")), policies.Edit{})))
	}
	p, err := l.policies.Create(ctx, account, []byte(strings.ReplaceAll(document, "Strict", whose+" policy")), policies.Edit{Actor: "test"})
	must(t, err)
	for i := range 2 {
		p, err = l.policies.Save(ctx, account, p.ID, fmt.Appendf(nil, "%s\ndescription: number %d of %s\n", strings.ReplaceAll(document, "Strict", whose+" policy"), i, whose), policies.Edit{Actor: "test"})
		must(t, err)
	}
	h.policy = number(p.ID)
	over, err := l.runs.Start(ctx, account, run.DryRun, run.Params{Document: document}, "test")
	must(t, err)
	over.State, over.Result = run.Done, []byte(`{"devices":2,"changed":1,"failed":0,"changes":[{"from":"compliant","to":"non-compliant","devices":1}],
		"groups":[{"group_id":"1","devices":2,"changes":[]}],"checks":[{"check":"firewall_running","now":0,"then":1}],
		"examples":[{"device_id":"`+h.plain+`","name":"`+whose+`-2","from":"compliant","to":"non-compliant","rule":"r"}]}`)
	must(t, l.store.SaveRun(ctx, &over))
	waiting, err := l.runs.Start(ctx, account, run.DryRun, run.Params{Document: document}, "test")
	must(t, err)
	h.run, h.waiting = over.ID, waiting.ID
	code, err := l.who.CreateRegistrationCode(ctx, identity.NewRegistrationCode{Account: account, Name: whose + " code"})
	must(t, err)
	hook, err := l.webhooks.Create(ctx, account, webhook.Change{Name: new(whose + " hook"), URL: new("https://" + whose + ".example/hook"), Form: webhook.Standard}, "test")
	must(t, err)
	operator, err := l.operators.Create(ctx, account, identity.OperatorChange{Email: new("kari@" + whose + ".example"), Name: new("Kari")})
	must(t, err)
	h.code, h.webhook, h.operator = code.ID, hook.ID, operator.ID
	h.vulnerability = vulnerabilityOf(account)
	accepted, err := l.risks.Accept(ctx, account, &risk.Acceptance{Vulnerability: h.vulnerability, Device: h.plain, Reason: whose + " reason", Actor: "test"})
	must(t, err)
	h.risk = accepted.ID
	l.advance(time.Millisecond)
}

// document is a policy.
const document = `name: Strict
checks:
  - check: firewall_running
    severity: critical
rules:
  - name: critical
    min_critical: 1
    status: non-compliant
  - name: rest
    status: compliant`

// silent is a receiver that takes everything.
type silent struct{}

// Send implements webhook.Sender.
func (silent) Send(context.Context, webhook.Request) webhook.Answer {
	return webhook.Answer{StatusCode: 204}
}

// vulnerable is a judge that finds a vulnerability of its own on the devices of each account.
type vulnerable struct{ lab *lab }

// vulnerabilityOf gives the vulnerability that devices of an account have.
func vulnerabilityOf(account posture.AccountID) string {
	return fmt.Sprintf("CVE-2026-%d", 1000+account)
}

// Version implements device.Judge.
func (vulnerable) Version(p posture.PolicyRef, g posture.GroupID) string {
	return storetest.Judge{}.Version(p, g)
}

// Judge implements device.Judge.
func (v vulnerable) Judge(ctx context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	out, err := storetest.Judge{}.Judge(ctx, s, now)
	epss := 0.25
	out.Findings = []posture.Finding{{
		ID: "DSA-1-1", CVEs: []string{vulnerabilityOf(s.Account)}, Product: "lib", Version: "1", Fixed: "2", Feed: "debian", Ecosystem: "Debian:12", EPSS: &epss,
		Scores: [...]float64{78.4, -1, 9.8}, Levels: posture.Levels{4, 0, 4},
	}}
	if err != nil {
		return out, err
	}
	set, err := v.lab.risks.Active(ctx, s.Account)
	if err != nil {
		return out, err
	}
	a := set.Apply(out.Findings, risk.Place{Device: s.ID, Group: s.Group}, now, nil)
	out.Findings, out.Levels = a.Findings, a.Levels
	return out, nil
}

// saidByFeeds stands in for the catalogue.
func saidByFeeds(_ context.Context, ids []string) (map[string]vuln.Joined, error) {
	out := make(map[string]vuln.Joined)
	for _, id := range ids {
		f := vuln.NoFacts
		f.V3, f.EPSS = 9.8, 0.25
		out[id] = vuln.Joined{Facts: f, Said: []vuln.Said{{Feed: "nvd", Entry: id, Facts: f, Severity: []vuln.Severity{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N"}}}}}
	}
	return out, nil
}

// explainVulnerability stands in for the catalogue too.
func (l *lab) explainVulnerability(ctx context.Context, account posture.AccountID, d *device.Device, id string) (Explained, error) {
	v, err := l.devices.Verdict(ctx, account, d.ID)
	return Explained{
		Reported: storetest.Epoch, Findings: v.Findings, Known: true,
		Considered: []vuln.Considered{{Entry: "DSA-1-1", CVEs: []string{id}, Product: "lib", Version: "1", Outcome: vuln.IsAffected}},
	}, err
}

// explained stands in for the judge's own explanation.
func explained(context.Context, posture.AccountID, *device.Device) ([]posture.CheckResult, error) {
	return []posture.CheckResult{{
		Check: "firewall_running", Title: "A firewall is on", Category: posture.Firewall, Outcome: posture.Pass, Severity: posture.Critical, Evidence: "x", Entry: 1,
	}}, nil
}

// token makes an application and gives a token of it.
func (l *lab) token(t testing.TB, account posture.AccountID, p scope.Permission, limit int) string {
	t.Helper()
	app, secret, err := l.who.CreateApplication(t.Context(), identity.NewApplication{Account: account, Name: "caller", Permission: p, RateLimit: limit})
	must(t, err)
	return given[identity.Issued](t)(l.who.ClientCredentials(t.Context(), app.ClientID, secret)).AccessToken
}

// enrol gives the id of a new device that is compliant.
func (l *lab) enrol(t testing.TB, account posture.AccountID, name string) string {
	t.Helper()
	e := given[device.Enrolment](t)(l.devices.Enrol(t.Context(), account, device.Registration{HardwareID: "HW-" + name, Name: name}))
	must(t, l.devices.Report(t.Context(), device.Ref{Account: account, ID: e.DeviceID},
		storetest.Submission(posture.Report{OS: posture.OS{Name: "2/0/0"}}, "2/0/0|")))
	l.advance(time.Millisecond)
	return e.DeviceID
}

// request is one call as an application of acme that may do everything, unless token says otherwise. Headers come as name,
// value, name, value.
type request struct {
	method, path, token, body string
	headers                   []string
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request, and sees that the answer is as api/admin.yaml says.
func (l *lab) do(t testing.TB, q request) answer {
	t.Helper()
	if q.token == "" {
		q.token = l.acme.tokens[scope.Admin]
	}
	r := httptest.NewRequest(q.method, prefix+q.path, strings.NewReader(q.body))
	if q.token != "-" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(q.headers); i += 2 {
		r.Header.Set(q.headers[i], q.headers[i+1])
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	a := answer{w.Code, w.Header(), w.Body.String()}
	if r.Method == http.MethodHead {
		a.body = ""
	}
	openapi.LoadAdmin(t).CheckExchange(t, r, []byte(q.body), a.status, a.header, []byte(a.body))
	a.check(t, q)
	return a
}

// check looks at what holds of every answer.
func (a answer) check(t testing.TB, q request) {
	t.Helper()
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: headers %v", q.method, q.path, a.header)
	}
	if a.status < 400 || q.method == http.MethodHead {
		return
	}
	p := a.problem(t)
	if p.Status != a.status || p.Title == "" || p.Detail == "" || p.RequestID != a.header.Get("X-Request-Id") || !strings.HasPrefix(p.Type, "/docs/admin#problem-") {
		t.Errorf("%s %s: %d %s", q.method, q.path, a.status, a.body)
	}
}

func (a answer) problem(t testing.TB) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d, no problem but %s (%v)", a.status, a.body, err)
	}
	return p
}

// about reports whether a refusal names a member among its mistakes.
func (a answer) about(t testing.TB, field string) bool {
	t.Helper()
	for _, m := range a.problem(t).Errors {
		if m.Field == field && strings.Contains(m.Message, field) {
			return true
		}
	}
	return false
}

// want fails unless the status is right, and gives the answer as an object.
func (a answer) want(t testing.TB, status int) map[string]any {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d, want %d: %s", a.status, status, a.body)
	}
	if a.body == "" {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return m
}

// bodies are what calls that take a body are sent where it only matters that it is right.
var bodies = map[string]string{
	"admin_account_change":     `{"email":"it@acme.example"}`,
	"admin_settings_change":    `{"licence":{"warn_percent":80}}`,
	"admin_application_create": `{"name":"inventory"}`,
	"admin_group_create":       `{"name":"Laptops"}`,
	"admin_group_change":       `{"description":"x"}`,
	"admin_exemption_set":      `{"reason":"x"}`,
	"admin_quarantine_set":     `{"reason":"x"}`,
	"admin_code_create":        `{"name":"office"}`,
	"admin_operator_create":    `{"email":"ola@acme.example","name":"Ola"}`,
	"admin_operator_change":    `{"name":"Kari N."}`,
	"admin_policy_create":      `{"name":"Strict","rules":[{"name":"rest","status":"compliant"}]}`,
	"admin_policy_save":        `{"name":"Strict","rules":[{"name":"rest","status":"compliant"}]}`,
	"admin_policy_compare":     `{"name":"Strict","rules":[{"name":"rest","status":"compliant"}]}`,
	"admin_policy_rollback":    `{"version":1}`,
	"admin_dry_run":            `{"name":"Strict","rules":[{"name":"rest","status":"compliant"}]}`,
	"admin_webhook_create":     `{"name":"siem","url":"https://siem.example/hook","form":"standard"}`,
	"admin_webhook_change":     `{"name":"siem"}`,
	"admin_device_merge":       `{"other":"HW-OUR-2"}`,
	"admin_risk_accept":        `{"vulnerability":"CVE-2026-0001","reason":"x"}`,
	"admin_risk_revoke":        `{"reason":"x"}`,
	"admin_webhook_redeliver":  `{"from":"2026-01-01T00:00:00Z"}`,
}

// ids gives what to put into a path, by the segment in front of it.
func (h *home) ids(path string) string {
	what, _, _ := strings.Cut(path, "/")
	id := map[string]string{
		"groups": h.group, "applications": h.app, "devices": h.device, "policies": h.policy, "runs": h.run, "registration-codes": h.code,
		"webhooks": h.webhook, "operators": h.operator, "vulnerabilities": h.vulnerability, "accepted-risks": h.risk,
	}[what]
	if strings.HasSuffix(path, "/cancel") {
		id = h.waiting
	}
	return strings.NewReplacer("{id}", id, "{version}", "2", "{vulnerability}", h.vulnerability).Replace(path)
}

// example is a call of a route that works, about what belongs to a home.
func (h *home) example(rt web.Route) request {
	q := request{method: rt.Method, path: h.ids(strings.TrimPrefix(rt.Path, prefix)), body: bodies[rt.Name]}
	if conditional(rt) {
		q.headers = []string{"If-Match", "*"}
	}
	if rt.Name == "admin_policy_diff" {
		q.path += "?from=1"
	}
	return q
}

// unconditional are calls that change what has no revision.
var unconditional = map[string]bool{"admin_application_revoke": true, "admin_code_revoke": true, "admin_exemption_end": true, "admin_quarantine_end": true, "admin_exemption_set": true, "admin_quarantine_set": true}

// conditional reports whether a route needs If-Match.
func conditional(rt web.Route) bool {
	if rt.Name == "admin_policy_rollback" || rt.Name == "admin_webhook_secret" || rt.Name == "admin_risk_revoke" {
		return true
	}
	return (rt.Method == "PUT" || rt.Method == "PATCH" || rt.Method == "DELETE") && !unconditional[rt.Name]
}

// eachRoute runs a test for every route of the door.
func eachRoute(t *testing.T, test func(t *testing.T, l *lab, rt web.Route)) {
	l := newLab(t)
	for _, rt := range l.mux.Routes() {
		t.Run(rt.Name, func(t *testing.T) { test(t, l, rt) })
	}
}
