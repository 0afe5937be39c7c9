package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
)

func TestSettingsMistakes(t *testing.T) {
	good := identity.Settings{
		Removal:   identity.Removal{Unseen: identity.RemovalRule{Enabled: true, AfterHours: 720, Uninstall: true}},
		Licence:   identity.Licence{AtLimit: identity.RefuseAtLimit, WarnPercent: 80},
		Retention: identity.Retention{EventDays: 30, RemovedDays: 10},
		Agents: identity.Agents{PingSeconds: 60, ReportSeconds: 3600, AskUser: identity.AskUser{
			Enabled: true, Pattern: `^[a-z]+@example\.com$`, Message: "Your address?",
		}},
	}
	for _, c := range []struct {
		name  string
		spoil func(*identity.Settings)
		field string // "" where it is fine
	}{
		{"nothing wrong", func(*identity.Settings) {}, ""},
		{"nothing decided", func(s *identity.Settings) { *s = identity.Settings{} }, ""},
		{"everything private", func(s *identity.Settings) {
			s.Privacy = identity.Privacy{true, true, true, true, true, true, true, true}
		}, ""},
		{"a rule without a time", func(s *identity.Settings) { s.Removal.NonCompliant.Enabled = true }, "removal.non_compliant.after_hours"},
		{"a time of a rule that is off", func(s *identity.Settings) { s.Removal.NonCompliant.AfterHours = 5 }, ""},
		{"a negative time", func(s *identity.Settings) { s.Removal.WithoutAgent.AfterHours = -1 }, "removal.without_agent.after_hours"},
		{"the longest time", func(s *identity.Settings) { s.Removal.Unseen.AfterHours = 87840 }, ""},
		{"too long a time", func(s *identity.Settings) { s.Removal.Unseen.AfterHours = 87841 }, "removal.unseen.after_hours"},
		{"nobody to tell", func(s *identity.Settings) { s.Removal.WithoutAgent.Uninstall = true }, "removal.without_agent.uninstall"},
		{"unknown at the limit", func(s *identity.Settings) { s.Licence.AtLimit = "explode" }, "licence.at_limit"},
		{"over the licence", func(s *identity.Settings) { s.Licence.WarnPercent = 101 }, "licence.warn_percent"},
		{"negative days", func(s *identity.Settings) { s.Retention.EventDays = -1 }, "retention.event_days"},
		{"too many days", func(s *identity.Settings) { s.Retention.RemovedDays = 36601 }, "retention.removed_days"},
		{"pings too often", func(s *identity.Settings) { s.Agents.PingSeconds = 9 }, "agents.ping_seconds"},
		{"reports too rarely", func(s *identity.Settings) { s.Agents.ReportSeconds = 604801 }, "agents.report_seconds"},
		{"no pattern", func(s *identity.Settings) { s.Agents.AskUser.Pattern = "" }, ""},
		{"a broken pattern", func(s *identity.Settings) { s.Agents.AskUser.Pattern = "(" }, "agents.ask_user.pattern"},
		{"not RE2", func(s *identity.Settings) { s.Agents.AskUser.Pattern = `(?=a)` }, "agents.ask_user.pattern"},
		{"a pattern that blows up", func(s *identity.Settings) { s.Agents.AskUser.Pattern = "(a{1000}){1000}" }, "agents.ask_user.pattern"},
		{"a long pattern", func(s *identity.Settings) { s.Agents.AskUser.Pattern = strings.Repeat("a", 513) }, "agents.ask_user.pattern"},
		{"no question", func(s *identity.Settings) { s.Agents.AskUser.Message = "" }, "agents.ask_user.message"},
		{"a question of two lines", func(s *identity.Settings) { s.Agents.AskUser.Message = "a\nb" }, "agents.ask_user.message"},
		{"levels", func(s *identity.Settings) { s.Vulnerabilities.Levels = identity.VulnerabilityLevels{1, 2, 100} }, ""},
		{"one level", func(s *identity.Settings) { s.Vulnerabilities.Levels.Critical = 90 }, ""},
		{"a level above the next default", func(s *identity.Settings) { s.Vulnerabilities.Levels.Moderate = 50 }, "vulnerabilities.levels.important"},
		{"equal levels", func(s *identity.Settings) { s.Vulnerabilities.Levels = identity.VulnerabilityLevels{10, 20, 20} }, "vulnerabilities.levels.critical"},
		{"no level", func(s *identity.Settings) { s.Vulnerabilities.Levels.Critical = 101 }, "vulnerabilities.levels.critical"},
		{"below all levels", func(s *identity.Settings) { s.Vulnerabilities.Levels.Moderate = -1 }, "vulnerabilities.levels.moderate"},
		{"a long question", func(s *identity.Settings) { s.Agents.AskUser.Message = strings.Repeat("ü", 513) }, "agents.ask_user.message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good
			c.spoil(&s)
			err := s.Validate()
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantField(t, err, c.field)
		})
	}
	bad := identity.Settings{Licence: identity.Licence{AtLimit: "x", WarnPercent: -1}, Agents: identity.Agents{PingSeconds: 1}}
	err := bad.Validate()
	for _, field := range []string{"licence.at_limit", "licence.warn_percent", "agents.ping_seconds"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not tell of %s", err, field)
		}
	}
}

func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var known *errs.Error
	if !errs.Is(err, errs.Invalid) {
		t.Fatalf("got %v, want one about %s", err, field)
	}
	if known, _ = err.(*errs.Error); known == nil || known.Field != field || !strings.HasPrefix(known.Message, field) {
		t.Errorf("got %v about %q, want one about %q", err, known.Field, field)
	}
}

func TestUpdateSettings(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	if s, revision, err := f.StoredSettings(f.ctx, a.ID); err != nil || s != (identity.Settings{}) || revision != 1 {
		t.Fatalf("a new account has %+v, %d, %v", s, revision, err)
	}
	ctx := event.By(f.ctx, "anna")
	hide := func(s *identity.Settings) error { s.Privacy.HostName = true; s.Licence.WarnPercent = 50; return nil }
	one, seven := int64(1), int64(7)
	_, _, err := f.UpdateSettings(ctx, a.ID, &seven, hide)
	wantCode(t, "a revision that is not there", err, errs.Stale)
	s, revision, err := f.UpdateSettings(ctx, a.ID, &one, hide)
	if err != nil || !s.Privacy.HostName || revision != 2 {
		t.Fatalf("got %+v, %d, %v", s, revision, err)
	}
	_, _, err = f.UpdateSettings(ctx, a.ID, &one, hide)
	wantCode(t, "an old revision", err, errs.Stale)
	if _, revision, err = f.UpdateSettings(ctx, a.ID, nil, hide); err != nil || revision != 2 {
		t.Errorf("the same again: revision %d, %v", revision, err)
	}
	_, _, err = f.UpdateSettings(ctx, a.ID, nil, func(s *identity.Settings) error { s.Licence.WarnPercent = 500; return nil })
	wantCode(t, "a mistake", err, errs.Invalid)
	_, _, err = f.UpdateSettings(ctx, a.ID, nil, func(s *identity.Settings) error { s.Licence.WarnPercent = 1; return errBroken })
	if err != errBroken {
		t.Errorf("the error of the change is %v", err)
	}
	_, _, err = f.UpdateSettings(ctx, 99, nil, hide)
	wantCode(t, "no such account", err, errs.NotFound)
	events := f.stores.Events()
	last := events[len(events)-1]
	want := `Settings changed: licence.warn_percent "0" -> "50", privacy.host_name "false" -> "true"`
	if len(events) != 2 || last.Kind != event.Configured || last.Actor != "anna" || last.Account != a.ID || last.Detail != want {
		t.Errorf("recorded %+v", events)
	}
}

// TestSettingsComeFromMemory: reports read them, and a change made here holds at once, one made elsewhere within a second.
func TestSettingsComeFromMemory(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	private := func(ctx context.Context) bool {
		s, err := f.Settings(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		return s.Privacy.HostName
	}
	set := func(on bool) func(*identity.Settings) error {
		return func(s *identity.Settings) error { s.Privacy.HostName = on; return nil }
	}
	before := f.stores.Calls()
	for range 100 {
		private(f.ctx)
	}
	if n := f.stores.Calls() - before; n != 1 {
		t.Errorf("the store was asked %d times, want once", n)
	}
	// The change happens while another caller has read the settings and not yet remembered them.
	f.clock.advance(time.Second)
	f.stores.AfterNextFind(func() {
		if _, _, err := f.UpdateSettings(f.ctx, a.ID, nil, set(true)); err != nil {
			t.Error(err)
		}
	})
	private(f.ctx)
	if !private(f.ctx) {
		t.Error("a change made here is not seen at once")
	}
	elsewhere := identity.New(identity.Options{Accounts: f.stores, Applications: f.stores, Tokens: f.stores, Settings: f.stores, Codes: f.stores, Now: f.clock.Now})
	if _, _, err := elsewhere.UpdateSettings(f.ctx, a.ID, nil, set(false)); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(time.Second)
	if private(f.ctx) {
		t.Error("a change made elsewhere is not seen after a second")
	}
	_, err := f.Settings(f.ctx, 99)
	wantCode(t, "no such account", err, errs.NotFound)
}

func TestSetOneSetting(t *testing.T) {
	var s identity.Settings
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"privacy.host_name", "true", true},
		{"removal.unseen.after_hours", "720", true},
		{"licence.at_limit", "refuse", true},
		{"agents.ask_user.pattern", `^"\w+$`, true},
		{"privacy.host_name", "yes", false},
		{"privacy.host_name", "null", false},
		{"privacy.host_name", "1", false},
		{"privacy.host_name", `true,"user_name":true`, false},
		{"removal.unseen.after_hours", "1.5", false},
		{"removal.unseen.after_hours", "99999999999999999999", false},
		{"removal.unseen", "true", false},
		{"privacy.colour", "true", false},
		{"privacy", "{}", false},
		{"", "true", false},
		{"privacy.host_name.x", "true", false},
	} {
		before := s
		err := s.Set(c.name, c.value)
		if c.ok != (err == nil) || !c.ok && (s != before || !errs.Is(err, errs.Invalid)) {
			t.Errorf("%s=%s: %v, %+v", c.name, c.value, err, s)
		}
	}
	err := s.Set("privacy.host_name", "maybe")
	if err == nil || err.Error() != `privacy.host_name must be true or false, and not "maybe"` || errors.Unwrap(err) != nil {
		t.Errorf("a wrong value: %v", err)
	}
	want := identity.Settings{Privacy: identity.Privacy{HostName: true}, Licence: identity.Licence{AtLimit: "refuse"}}
	want.Removal.Unseen.AfterHours, want.Agents.AskUser.Pattern = 720, `^"\w+$`
	if s != want {
		t.Errorf("got %+v", s)
	}
}

// TestEverySettingCanBeSet: what List names, Set takes back.
func TestEverySettingCanBeSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Make[identity.Settings]().Draw(t, "settings")
		// What is no UTF-8 does not survive JSON, and is not let in.
		text, err := json.Marshal(from)
		if err != nil {
			t.Fatal(err)
		}
		from = identity.Settings{}
		if err := json.Unmarshal(text, &from); err != nil {
			t.Fatal(err)
		}
		var to identity.Settings
		for _, x := range from.List() {
			if err := to.Set(x.Name, x.Value); err != nil {
				t.Fatal(err)
			}
		}
		if to != from {
			t.Errorf("got %+v, want %+v", to, from)
		}
	})
}

func TestRetention(t *testing.T) {
	for _, c := range []struct {
		own             identity.Retention
		server          int
		events, removed int
	}{
		{identity.Retention{}, 0, 0, 0},
		{identity.Retention{}, 90, 90, 90},
		{identity.Retention{EventDays: 30}, 90, 30, 30},
		{identity.Retention{EventDays: 400}, 90, 90, 90},
		{identity.Retention{EventDays: 30}, 0, 30, 30},
		{identity.Retention{RemovedDays: 7}, 90, 90, 7},
		{identity.Retention{EventDays: 5, RemovedDays: 7}, 90, 5, 5},
		{identity.Retention{RemovedDays: 7}, 0, 0, 7},
	} {
		if e, r := c.own.Events(c.server), c.own.Removed(c.server); e != c.events || r != c.removed {
			t.Errorf("%+v on a server with %d: %d and %d", c.own, c.server, e, r)
		}
	}
}

func TestLicenceWarning(t *testing.T) {
	for _, c := range []struct {
		percent       int
		used, allowed int64
		want          bool
	}{
		{0, 89, 100, false}, {0, 90, 100, true}, {0, 100_000_000, 100_000_000, true},
		{50, 49, 100, false}, {50, 50, 100, true}, {100, 99, 100, false}, {100, 100, 100, true}, {0, 0, 1, false},
	} {
		if got := (identity.Licence{WarnPercent: c.percent}).Near(c.used, c.allowed); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
