package openapi

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"muster/internal/api"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/oauth"
	"muster/internal/policies"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/store"
	"muster/internal/vuln"
	"muster/internal/web"
	"muster/tools/fleet"
)

// site is the server without a network, put together as internal/app does it, with a small fleet in a database. Time and
// randomness are its own, so that what it holds has the same ids each time.
type site struct {
	http.Handler
	mux     *web.Mux
	devices *device.Service
	account identity.Account
	// Two applications: one that may write and has no rate limit, one that only reads and has the server's.
	writer, reader application
	fleet          []*fleet.Agent
	ids            []string // of the fleet's devices
	log            *lines
}

// application is what a program holds of its own.
type application struct{ id, secret, token string }

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps a line.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take gives what was logged since it was last asked.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// siteTime is what the site's clock shows, always.
var siteTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// steady is a source of the same bytes each time. It bears calls at the same time.
type steady struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

// Read fills p.
func (s *steady) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Read(p)
}

// judge is that of internal/app.
type judge struct {
	policy    *policy.Compiled
	catalogue *vuln.Catalogue
}

// Version implements device.Judge.
func (j *judge) Version(p posture.PolicyRef, _ posture.GroupID) string {
	return p.String() + "+" + j.catalogue.Version()
}

// Judge implements device.Judge.
func (j *judge) Judge(_ context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	findings, levels := j.catalogue.Match(s.Report)
	v := j.policy.Evaluate(&policy.Subject{Report: s.Report, Findings: findings, Levels: levels}, now)
	v.Findings, v.Levels, v.Catalogue = findings, levels, j.catalogue.Version()
	return v, nil
}

// Describe implements device.Catalogue.
func (j *judge) Describe(_ context.Context, ids []string) (map[string]device.Description, error) {
	out := make(map[string]device.Description)
	for _, id := range ids {
		if known, ok := j.catalogue.Describe(id); ok {
			out[id] = device.Description(known)
		}
	}
	return out, nil
}

// Rate implements device.Catalogue.
func (*judge) Rate(context.Context, posture.AccountID, []string) (map[string]device.Rating, error) {
	return nil, nil
}

// Keys implements device.Catalogue.
func (*judge) Keys(os *posture.OS, app *posture.Application) []device.ProductKey {
	var out []device.ProductKey
	keys, other := vuln.KeysOfApplication(os, app)
	for _, k := range keys {
		out = append(out, device.ProductKey{Space: k.Space, Name: k.Name, ByVendor: k.ByVendor, OtherVersion: other})
	}
	return out
}

// noGuard lets everyone try registration codes.
type noGuard struct{}

// Allowed implements gears.Guard.
func (noGuard) Allowed(context.Context, string, string) (time.Duration, bool) { return 0, true }

// Failed implements gears.Guard.
func (noGuard) Failed(context.Context, string, string) {}

// newSite opens a site on an SQLite database of its own, or on the one that url names. It logs from level on.
func newSite(t testing.TB, url string, level slog.Level) *site {
	t.Helper()
	s := &site{log: &lines{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: level}))
	catalogue, err := vuln.Builtin()
	must(t, err)
	compiled, err := policy.Compile(policy.Default(), posture.PolicyRef{ID: posture.DefaultPolicy})
	must(t, err)
	j := &judge{compiled, catalogue}
	now := func() time.Time { return siteTime }
	random := &steady{r: rand.NewChaCha8([32]byte{1})}
	st, err := store.Open(t.Context(), store.Options{Database: url, Dir: t.TempDir(), Log: log})
	must(t, err)
	t.Cleanup(func() { must(t, st.Close()) })
	_, err = st.Migrate(t.Context())
	must(t, err)
	s.devices = device.New(device.Options{
		Store: st, Judge: j, Decode: gears.Decode, Now: now, Random: random, Log: log, Catalogue: j,
	})
	who := identity.New(identity.Options{Accounts: st, Applications: st, Tokens: st, Settings: st, Codes: st, Now: now, Random: random})
	address := func(*http.Request) string { return "https://muster.example" }
	s.mux = web.NewMux(
		oauth.New(who),
		api.New(api.Deps{
			Authenticator: who, Limiter: &ratelimit.Limiter{Source: ratelimit.NewMemory(1 << 10), Now: now}, Devices: s.devices,
			RateLimit: 10, Now: now, BaseURL: address,
			Policies: policies.New(policies.Options{Store: st, Now: now, Random: random, Wake: func() {}}),
		}),
		gears.New(gears.Deps{
			Devices: s.devices, Accounts: who, Guard: noGuard{}, BaseURL: address,
			Settings: func(context.Context, posture.AccountID) (gears.Settings, error) { return gears.Settings{}, nil },
		}),
	)
	s.Handler = &web.Server{Next: s.mux, Log: log}
	s.account, err = who.CreateAccount(t.Context(), identity.NewAccount{Name: "Acme Lab", DevicesAllowed: 100})
	must(t, err)
	s.writer = register(t, who, identity.NewApplication{Account: s.account.ID, Name: "writer", Permission: scope.Write})
	s.reader = register(t, who, identity.NewApplication{
		Account: s.account.ID, Name: "reader", Permission: scope.Read, RateLimit: identity.DefaultRateLimit,
	})
	s.enrol(t)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func register(t testing.TB, who *identity.Service, n identity.NewApplication) application {
	t.Helper()
	app, secret, err := who.CreateApplication(t.Context(), n)
	must(t, err)
	issued, err := who.ClientCredentials(t.Context(), app.ClientID, secret)
	must(t, err)
	return application{app.ClientID, secret, issued.AccessToken}
}

// inProcess is a transport without a network.
type inProcess struct{ http.Handler }

// RoundTrip answers a request.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// knownHardware and knownMAC are what the exchanges of internal/api call its devices: the fleet answers to the same names.
var (
	knownHardware = []string{"00aa11bb22cc33dd44ee55ff66778899", "11bb22cc33dd44ee55ff66778899aa00", "44ee55ff66778899aa00bb11cc22dd33"}
	knownMAC      = "00:0c:29:aa:bb:cc"
)

// enrol makes the fleet: machines of several kinds, one of which lost its agent, commands in each state, and attempts to
// reach applications.
func (s *site) enrol(t testing.TB) {
	t.Helper()
	client := &http.Client{Transport: inProcess{s}}
	for i := range 8 {
		m := fleet.Random(3, i, siteTime)
		if m.HardwareID != "" && i < len(knownHardware) {
			m.HardwareID = knownHardware[i]
		}
		if i == 0 {
			m.Adapters[0].MAC = knownMAC
		}
		a := fleet.NewAgent(client, "http://muster.test", s.account.RegistrationCode, m)
		a.Now = func() time.Time { return siteTime }
		must(t, a.Register(t.Context()))
		must(t, a.Report(t.Context()))
		s.fleet, s.ids = append(s.fleet, a), append(s.ids, a.DeviceID)
	}
	ctx, first := t.Context(), s.ids[0]
	for _, kind := range []device.Action{device.ActFetchLog, device.ActScanThreats, device.ActRenewDHCP} {
		out, err := s.devices.Act(ctx, s.account.ID, device.ActionRequest{
			Action: kind, Device: device.SelectorOf(first), Scan: device.CommandParams{FullScan: true},
		})
		must(t, err)
		if kind != device.ActRenewDHCP {
			must(t, s.devices.CommandResult(ctx, device.Ref{Account: s.account.ID, ID: first}, out.CommandID, "", kind == device.ActFetchLog, "", []byte("a log\n")))
		}
	}
	must(t, s.devices.RecordActivity(ctx, s.account.ID, device.Activity{Action: device.AccessBlocked, DeviceID: first, AppName: "Mail", AppUser: "kari"}))
	must(t, s.devices.RecordActivity(ctx, s.account.ID, device.Activity{Action: device.AccessAllowed, DeviceID: first, AppName: "Wiki"}))
	must(t, s.devices.Remove(ctx, s.account.ID, device.SelectorOf(s.ids[7]), device.RemoveAgent, ""))
	must(t, s.devices.Remove(ctx, s.account.ID, device.SelectorOf(s.ids[6]), device.RemoveData, "CLIENT"))
}

// mend brings back the devices of the fleet that were deleted, but for the two that began so.
func (s *site) mend(t testing.TB) {
	t.Helper()
	for _, a := range s.fleet[:6] {
		d, err := s.devices.Find(t.Context(), s.account.ID, device.SelectorOf(a.DeviceID))
		if err == nil && d.Managed {
			continue
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			t.Fatal(err)
		}
		must(t, a.Register(t.Context()))
		must(t, a.Report(t.Context()))
	}
}

// TestSite sees that the site is one: that the calls that fuzzing is to reach find something.
func TestSite(t *testing.T) {
	s := newSite(t, "", slog.LevelError)
	for _, id := range append([]string{knownMAC, knownHardware[0]}, s.ids[:6]...) {
		_, err := s.devices.Find(t.Context(), s.account.ID, device.SelectorOf(id))
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	must(t, s.devices.Remove(t.Context(), s.account.ID, device.SelectorOf(knownMAC), device.RemoveData, "x"))
	must(t, s.devices.Remove(t.Context(), s.account.ID, device.SelectorOf(s.ids[1]), device.RemoveAgent, "x"))
	s.mend(t)
	for i, a := range s.fleet[:6] {
		d, err := s.devices.Find(t.Context(), s.account.ID, device.SelectorOf(a.DeviceID))
		if err != nil || !d.Managed || a.DeviceID != s.ids[i] && i < 2 {
			t.Errorf("%d: %v, managed %v", i, err, d.Managed)
		}
	}
	if text := s.log.take(); text != "" {
		t.Error(text)
	}
}
