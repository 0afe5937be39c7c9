package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"muster/internal/config"
	"muster/internal/device"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
)

func recorded(t *testing.T, s *services, account posture.AccountID) []device.LogEntry {
	t.Helper()
	list, _, err := s.devices.Events(t.Context(), account, device.EventQuery{Window: page.Window{Limit: 100}})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestKeepEvents: the record of every account is cut, and only where it is to be.
func TestKeepEvents(t *testing.T) {
	s := testServer(t, slog.New(slog.DiscardHandler))
	defer s.close()
	var accounts []posture.AccountID
	for _, name := range []string{"one", "two"} {
		a, err := s.identity.CreateAccount(t.Context(), identity.NewAccount{Name: name, DevicesAllowed: 1})
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, a.ID)
	}
	now := time.Now()
	for _, step := range []struct{ keep, days, left int }{{0, 10_000, 1}, {90, 89, 1}, {90, 91, 0}} {
		s.cfg.KeepEvents = step.keep
		err := s.forgetEvents(t.Context(), now.AddDate(0, 0, step.days))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range accounts {
			if n := len(recorded(t, s.services, id)); n != step.left {
				t.Errorf("kept for %d days, after %d account %d has %d events", step.keep, step.days, id, n)
			}
		}
	}
}

// TestCommandsAreRecorded: what a command changes is in the record as done by the command line.
func TestCommandsAreRecorded(t *testing.T) {
	dir := t.TempDir()
	run := func(want int, args ...string) []byte {
		t.Helper()
		var out, problems bytes.Buffer
		if code := Main(t.Context(), append(args, "--data", dir), &out, &problems); code != want {
			t.Fatalf("muster %v: code %d: %s", args, code, problems.String())
		}
		return out.Bytes()
	}
	run(exitOK, "account", "create", "--name", "Acme")
	run(exitOK, "account", "set", "--cross-domain-enabled", "--cross-domain-port", "8443")
	var view accountView
	err := json.Unmarshal(run(exitOK, "account", "show", "--json"), &view)
	if err != nil || !view.CrossDomainEnabled || view.CrossDomainPort != 8443 {
		t.Errorf("the account is %+v, %v", view, err)
	}
	if out := string(run(exitOK, "account", "set", "--no-cross-domain-enabled")); !strings.Contains(out, "off, port 8443") {
		t.Errorf("shown is %s", out)
	}
	run(exitUsage, "account", "set", "--cross-domain-port", "65536")
	run(exitUsage, "account", "set")
	s, err := openServices(t.Context(), config.Database{Dir: dir}, slog.New(slog.DiscardHandler), existing)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	list := recorded(t, s, view.ID)
	for _, e := range list {
		if e.Actor != "command line" || e.Kind != event.Configured {
			t.Errorf("recorded %+v", e)
		}
	}
	if len(list) != 3 {
		t.Errorf("recorded %+v", list)
	}
}
