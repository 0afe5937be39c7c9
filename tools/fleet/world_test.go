package fleet_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/vuln"
	"muster/internal/web"
)

// world is a server in this process, with everything behind the agents' door as it is in the program.
type world struct {
	url, code string
	account   posture.AccountID
	store     *store.Store
	devices   *device.Service
}

func newWorld(t *testing.T, clock func() time.Time) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	w := &world{store: storetest.Open(t, store.Options{Dir: t.TempDir(), Log: log})}
	accounts := identity.New(identity.Options{Accounts: w.store, Applications: w.store, Tokens: w.store, Settings: w.store, Codes: w.store, Now: clock})
	w.devices = device.New(device.Options{Store: w.store, Judge: newJudge(t), Now: clock, Log: log})
	a, err := accounts.CreateAccount(t.Context(), identity.NewAccount{Name: "Example", DevicesAllowed: 500})
	if err != nil {
		t.Fatal(err)
	}
	w.account, w.code = a.ID, a.RegistrationCode
	door := gears.New(gears.Deps{
		Devices: w.devices, Accounts: accounts, Guard: noGuard{},
		Settings: func(context.Context, posture.AccountID) (gears.Settings, error) {
			return gears.Settings{PingEvery: time.Minute, Privacy: gears.Privacy{PublicIP: true}}, nil
		},
		Checks:  func(context.Context, device.Ref) ([]gears.CustomCheck, error) { return nil, nil },
		BaseURL: func(*http.Request) string { return "https://muster.example.net" },
	})
	server := httptest.NewServer(&web.Server{Next: web.NewMux(door), Log: log})
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// counts gives what the account's numbers are, and fails the test if they are not those of the rows.
func (w *world) counts(t *testing.T) device.Counts {
	t.Helper()
	kept := storetest.CheckCounts(t.Context(), t, w.store, w.account)
	served, err := w.devices.Counts(t.Context(), w.account)
	if err != nil || served != kept {
		t.Fatalf("the counts are served as %+v, %v, and kept as %+v", served, err, kept)
	}
	return kept
}

// all lists the devices by their ids.
func (w *world) all(t *testing.T) map[string]device.Device {
	t.Helper()
	list, _, err := w.devices.Select(t.Context(), w.account, device.Query{Window: page.Window{Limit: 10_000}})
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]device.Device, len(list))
	for _, d := range list {
		out[d.ID] = d
	}
	return out
}

// judge is the default policy and the catalogue built in.
type judge struct {
	policy    *policy.Compiled
	catalogue *vuln.Catalogue
}

func newJudge(t *testing.T) judge {
	t.Helper()
	c, err := vuln.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(policy.Default(), posture.PolicyRef{ID: posture.DefaultPolicy})
	if err != nil {
		t.Fatal(err)
	}
	return judge{p, c}
}

func (j judge) Version(p posture.PolicyRef, _ posture.GroupID) string {
	return p.String() + " " + j.catalogue.Version()
}

func (j judge) Judge(_ context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	findings, levels := j.catalogue.Match(s.Report)
	v := j.policy.Evaluate(&policy.Subject{Report: s.Report, Findings: findings, Levels: levels}, now)
	v.Findings, v.Levels = findings, levels
	return v, nil
}

type noGuard struct{}

func (noGuard) Allowed(context.Context, string, string) (time.Duration, bool) { return 0, true }
func (noGuard) Failed(context.Context, string, string)                        {}
