package script

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
	"muster/internal/posture"
	"muster/internal/signature"
)

// TestMain lets the program of the tests be the one that the agent starts anew.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == CommandName {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM) // as the agent's program does
		code := Command(ctx, os.Args[2:], os.Stderr)
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func key(seed byte) ed25519.PrivateKey {
	k, _ := signature.NewKey(bytes.NewReader(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	return k
}

var now = time.Date(2026, 11, 30, 12, 0, 0, 5, time.UTC)

func trusting() Settings {
	return Settings{Keys: []ed25519.PublicKey{signature.PublicOf(key(1))}, Now: func() time.Time { return now }}
}

// signed makes a check of a script.
func signed(c protocol.CustomCheck) protocol.CustomCheck {
	if c.ID == "" {
		c.ID = "dock"
	}
	if c.TimeoutSeconds == 0 {
		c.TimeoutSeconds = 20
	}
	s := signature.Script{Check: c.ID, Interpreter: c.Interpreter, Seconds: c.TimeoutSeconds, Systems: c.Systems, Text: c.Text}
	c.Signature = s.Sign(key(1))
	return c
}

// until signs a check until a time.
func until(c *protocol.CustomCheck, end time.Time) string {
	s := signature.Script{Check: c.ID, Interpreter: c.Interpreter, Seconds: c.TimeoutSeconds, Systems: c.Systems, Text: c.Text}
	return s.SignUntil(key(1), end)
}

// The agent's own clock says whether a signature has ended: a check that passed is an error from then on.
func TestSignatureThatEnds(t *testing.T) {
	check := signed(protocol.CustomCheck{Interpreter: "sh", Text: "exit 0\n"})
	check.Signature = until(&check, now.Add(time.Second))
	s := trusting()
	if err := s.admit(&check); err != nil {
		t.Errorf("before its end: %v", err)
	}
	s.Now = func() time.Time { return now.Add(time.Second) }
	if got := Run(t.Context(), s, []protocol.CustomCheck{check}, nil); len(got) != 1 || got[0].Outcome != posture.Errored {
		t.Errorf("after its end: %+v", got)
	}
}

// Whatever differs from what was signed is not run: not even an interpreter is looked for.
func TestOnlyWhatIsSignedIsRun(t *testing.T) {
	good := signed(protocol.CustomCheck{Interpreter: "sh", Systems: []string{string(family)}, Text: "touch " + os.TempDir() + "/muster-must-not-be\n"})
	for name, c := range map[string]struct {
		change func(*protocol.CustomCheck, *Settings)
		want   string
	}{
		"the text":            {func(c *protocol.CustomCheck, _ *Settings) { c.Text += "#" }, "changed after it was signed"},
		"the name":            {func(c *protocol.CustomCheck, _ *Settings) { c.ID = "other" }, "changed after it was signed"},
		"the interpreter":     {func(c *protocol.CustomCheck, _ *Settings) { c.Interpreter = "python" }, "changed after it was signed"},
		"the time limit":      {func(c *protocol.CustomCheck, _ *Settings) { c.TimeoutSeconds++ }, "changed after it was signed"},
		"the systems":         {func(c *protocol.CustomCheck, _ *Settings) { c.Systems = nil }, "changed after it was signed"},
		"no signature":        {func(c *protocol.CustomCheck, _ *Settings) { c.Signature = "" }, "not signed"},
		"a broken signature":  {func(c *protocol.CustomCheck, _ *Settings) { c.Signature = c.Signature[:50] }, "no signature"},
		"an end that is over": {func(c *protocol.CustomCheck, _ *Settings) { c.Signature = until(c, now) }, "the signature of the script ended 2026-11-30T12:00:00Z"},
		"no text":             {func(c *protocol.CustomCheck, _ *Settings) { c.Text = "" }, "sent no script"},
		"another's key":       {func(_ *protocol.CustomCheck, s *Settings) { s.Keys = []ed25519.PublicKey{signature.PublicOf(key(2))} }, "not trusted here"},
		"no key":              {func(_ *protocol.CustomCheck, s *Settings) { s.Keys = nil }, "name no key"},
		"another system":      {func(c *protocol.CustomCheck, _ *Settings) { c.Systems = []string{"android", "ios"}; *c = signed(*c) }, "which this machine is not"},
		"a long time":         {func(c *protocol.CustomCheck, _ *Settings) { c.TimeoutSeconds = 601; *c = signed(*c) }, "between 1 and 600"},
		"a negative time":     {func(c *protocol.CustomCheck, _ *Settings) { c.TimeoutSeconds = -1; *c = signed(*c) }, "between 1 and 600"},
		"no such interpreter": {func(c *protocol.CustomCheck, _ *Settings) { c.Interpreter = "../../tmp/sh"; *c = signed(*c) }, "no interpreter"},
	} {
		s, check := trusting(), good
		c.change(&check, &s)
		got := Run(t.Context(), s, []protocol.CustomCheck{check}, nil)
		if len(got) != 1 || got[0].ID != check.ID || got[0].Outcome != posture.Errored || !strings.Contains(got[0].Output, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, err := os.Stat(os.TempDir() + "/muster-must-not-be"); err == nil {
		t.Error("it was run all the same")
	}
}

// The same result keeps its time for some hours, and one that differs does not.
func TestResultsThatSayTheSameKeepTheirTime(t *testing.T) {
	check := protocol.CustomCheck{ID: "a", Text: "x"} // an error that needs no process
	first := Run(t.Context(), trusting(), []protocol.CustomCheck{check, {}}, nil)
	if len(first) != 1 || !first[0].At.Equal(now.Truncate(time.Second)) {
		t.Fatalf("%+v", first)
	}
	for name, c := range map[string]struct {
		after time.Duration
		alter func(*collect.CustomResult)
		keeps bool
	}{
		"soon":               {settled - time.Second, func(*collect.CustomResult) {}, true},
		"late":               {settled, func(*collect.CustomResult) {}, false},
		"a clock set back":   {-time.Minute, func(*collect.CustomResult) {}, false},
		"another outcome":    {time.Minute, func(r *collect.CustomResult) { r.Outcome = posture.Pass }, false},
		"another output":     {time.Minute, func(r *collect.CustomResult) { r.Output = "x" }, false},
		"of another's check": {time.Minute, func(r *collect.CustomResult) { r.ID = "b" }, false},
	} {
		before := []collect.CustomResult{first[0]}
		c.alter(&before[0])
		s := trusting()
		at := now.Add(c.after)
		s.Now = func() time.Time { return at }
		got := Run(t.Context(), s, []protocol.CustomCheck{check}, before)
		if kept := got[0].At.Equal(first[0].At); kept != c.keeps || !kept && !got[0].At.Equal(at.Truncate(time.Second)) {
			t.Errorf("%s: %v", name, got[0].At)
		}
	}
}

// An agent that is to end makes no results up.
func TestNoResultsAtTheEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	before := []collect.CustomResult{{ID: "a", Outcome: posture.Pass, At: now}}
	got := Run(ctx, trusting(), []protocol.CustomCheck{{ID: "a"}, {ID: "b"}}, before)
	if len(got) != 1 || got[0] != before[0] {
		t.Errorf("%+v", got)
	}
}

func TestTame(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " a\x00\x1b[31mb\r\n\tc\n": "a[31mb\n\tc", "\xff": "\uFFFD",
		strings.Repeat("é", maxOutput):   strings.Repeat("é", maxOutput),
		strings.Repeat("é", maxOutput+1): strings.Repeat("é", maxOutput-1) + "…",
	} {
		if got := tame(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzTame(f *testing.F) {
	f.Add("a\x00\xff\n")
	f.Fuzz(func(t *testing.T, in string) {
		if got := tame(in); !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxOutput || tame(got) != got {
			t.Fatalf("%q", got)
		}
	})
}
