package fleet_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/agent/protocol"
	"muster/tools/fleet"
)

// TestLife takes an agent of each form of the protocol through all its calls.
func TestLife(t *testing.T) {
	w := newWorld(t, func() time.Time { return start })
	for _, m := range oneOfEach() {
		a := fleet.NewAgent(fleet.NewClient(1), w.url, w.code, m)
		if err := a.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "not registered") {
			t.Errorf("ping before registration: %v", err)
		}
		must(t, a.Register(t.Context()))
		must(t, a.Ping(t.Context()))
		check, err := a.Verdict(t.Context())
		must(t, err)
		if check.Status != "installed" || !strings.HasSuffix(check.Remediation, a.DeviceID) {
			t.Errorf("%s: before the report: %+v", m.HostName, check)
		}
		must(t, a.Report(t.Context()))
		check, err = a.Verdict(t.Context())
		must(t, err)
		if !slices.Contains([]string{"compliant", "non-compliant"}, check.Status) || check.LastSeen == "" {
			t.Errorf("%s: after the report: %+v", m.HostName, check)
		}
		config, err := a.Config(t.Context())
		must(t, err)
		if config.PingSeconds != 60 || config.Privacy.PublicIP != 1 {
			t.Errorf("%s: %+v", m.HostName, config)
		}
		if code, err := a.ImHere(t.Context()); code != 0 || err != nil {
			t.Errorf("%s: imhere %d, %v", m.HostName, code, err)
		}
		resumed := fleet.NewAgent(fleet.NewClient(1), w.url, "", m)
		resumed.Resume(a.Credentials)
		must(t, resumed.Ping(t.Context()))
		leave(t, a)
	}
}

// leave retires an agent and has it come back as the same device.
func leave(t *testing.T, a *fleet.Agent) {
	t.Helper()
	must(t, a.Retire(t.Context()))
	var refused *protocol.Error
	if err := a.Ping(t.Context()); !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized || refused.Call != "ping" {
		t.Errorf("%s: ping after retirement: %v", a.Machine.HostName, err)
	}
	if code, err := a.ImHere(t.Context()); code != protocol.CodeRemove || err != nil {
		t.Errorf("%s: imhere after retirement: %d, %v", a.Machine.HostName, code, err)
	}
	id := a.DeviceID
	must(t, a.Register(t.Context()))
	must(t, a.Report(t.Context()))
	if a.DeviceID != id {
		t.Errorf("%s came back as another device", a.Machine.HostName)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWrongCode(t *testing.T) {
	w := newWorld(t, func() time.Time { return start })
	machines := fleet.Demo(start).Machines
	_, err := fleet.Enrol(t.Context(), w.url, "WRONG", machines, 4)
	var refused *protocol.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound || refused.Type != "404006" {
		t.Fatalf("a wrong code: %v", err)
	}
	for _, part := range []string{"office-pc-", ": registration: ", "404 Not Found", "Unknown registration code"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// server answers every call the same.
func server(t *testing.T, status int, header, body string) *fleet.Agent {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", header)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	a := fleet.NewAgent(fleet.NewClient(1), s.URL, "CODE", fleet.Random(7, 0, start))
	a.Resume(protocol.Credentials{LicenseKey: "licence", DeviceID: "id", Key: "key", Token: "token"})
	return a
}

func TestBadAnswers(t *testing.T) {
	const full = `{"license_key":"l","device_id":"d","access_key":"k"`
	for _, c := range []struct {
		name, location, body string
		status               int
		call                 func(*fleet.Agent) error
		want                 string
	}{
		{"long", "", strings.Repeat("x", 1<<20), 500, ping, "500 Internal Server Error"},
		{"redirect", "/elsewhere", "", 302, ping, "302 Found"},
		{"incomplete", "", full + "}", 200, register, "lacks a member"},
		{"a number for a text", "", full + `,"access_token":7}`, 200, register, "cannot be read"},
		{"empty", "", "", 200, register, "cannot be read"},
		{"no JSON", "", "<html>", 200, verdict, "cannot be read"},
	} {
		err := c.call(server(t, c.status, c.location, c.body))
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 {
			t.Errorf("%s: %.600v", c.name, err)
		}
	}
}

// TestPhonesSwapTheirCredentials, as those in the field do.
func TestPhonesSwapTheirCredentials(t *testing.T) {
	var sent http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header
		w.Write([]byte("{}"))
	}))
	t.Cleanup(s.Close)
	for _, m := range oneOfEach() {
		a := fleet.NewAgent(fleet.NewClient(1), s.URL, "", m)
		a.Resume(protocol.Credentials{LicenseKey: "licence", DeviceID: "id", Key: "key", Token: "token"})
		must(t, a.Ping(t.Context()))
		want := "key"
		if m.Type == "phone" || m.Type == "tablet" {
			want = "token"
		}
		if got := sent.Get("Gears-Access-Key"); got != want {
			t.Errorf("%s sends its %s as the key", m.HostName, got)
		}
	}
}

func ping(a *fleet.Agent) error     { return a.Ping(context.Background()) }
func register(a *fleet.Agent) error { return a.Register(context.Background()) }
func verdict(a *fleet.Agent) error  { _, err := a.Verdict(context.Background()); return err }

func TestEnrolStops(t *testing.T) {
	var calls atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 3 {
			cancel()
		}
		w.Write([]byte(`{"license_key":"l","device_id":"d","access_key":"k","access_token":"t"}`))
	}))
	t.Cleanup(s.Close)
	agents, err := fleet.Enrol(ctx, s.URL, "CODE", fleet.Demo(start).Machines, 2)
	if !errors.Is(err, context.Canceled) || agents != nil {
		t.Errorf("cancelled: %d agents, %v", len(agents), err)
	}
	if n := calls.Load(); n > 10 {
		t.Errorf("%d calls were made", n)
	}
	if agents, err := fleet.Enrol(t.Context(), s.URL, "CODE", nil, 2); err != nil || len(agents) != 0 {
		t.Errorf("nobody: %d agents, %v", len(agents), err)
	}
}
