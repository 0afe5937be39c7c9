package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
	"muster/internal/agent/state"
	"muster/internal/posture"
)

func TestFirstHour(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(time.Second)
		// Registered, asked for what is private, and reported: at once.
		l.counts(map[string]int{"fetch_privacy": 1, "registration": 1, "config": 1, "report": 1, "policy_check": 1, "ping": 0})
		l.pass(59*time.Minute - time.Second)
		// Nothing changed but the battery.
		l.counts(map[string]int{"registration": 1, "report": 1, "ping": 59})
		l.server.set(func() { l.version = "1.1" })
		l.pass(6 * time.Minute)
		l.counts(map[string]int{"report": 2, "config": 2})
		if body := l.server.body(t, "report", -1); !strings.Contains(body, `"version":"1.1"`) {
			t.Errorf("the report does not have the new version: %s", body)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestReportsAtTheInterval: in a day on which nothing happens there is one full report an hour.
func TestReportsAtTheInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(24 * time.Hour)
		if n := l.server.count("report"); n < 23 || n > 25 {
			t.Errorf("%d reports in a day", n)
		}
		if n := l.server.count("ping"); n < 1400 || n > 1480 {
			t.Errorf("%d pings in a day", n)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestIntervals: the server says how often, within reason; the settings of the machine count for more.
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		own    time.Duration
		server int
		want   time.Duration
	}{
		{0, 0, time.Minute}, {0, 120, 2 * time.Minute}, {time.Second, 120, time.Second},
		{0, 1, 5 * time.Second}, {0, 1 << 30, 24 * time.Hour}, {0, 1 << 55, 24 * time.Hour}, {0, -3, time.Minute},
	} {
		if got := interval(c.own, c.server, time.Minute); got != c.want {
			t.Errorf("own %v, server %d: %v, want %v", c.own, c.server, got, c.want)
		}
	}
	inBubble(t, func(t *testing.T, l *lab) {
		l.server.answer("config", 200, `{"ping_frequency":600,"report_frequency":7200}`)
		l.start()
		l.pass(6 * time.Hour)
		if n := l.server.count("ping"); n < 34 || n > 38 {
			t.Errorf("%d pings in six hours, one each ten minutes", n)
		}
		if n := l.server.count("report"); n != 3 && n != 4 {
			t.Errorf("%d reports in six hours, one each two hours", n)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestVerdictIsAskedAgain: a report that was answered is not sent again, but what the server makes of it is to be known.
func TestVerdictIsAskedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.server.answer("policy_check", 500, "{}")
		l.start()
		l.pass(2 * time.Minute)
		l.server.set(func() { delete(l.server.answers, "policy_check") })
		l.pass(20 * time.Minute)
		l.counts(map[string]int{"report": 1})
		if err := l.end(); err != nil {
			t.Error(err)
		}
		if v := l.status().Verdict; v == "" {
			t.Error("its status does not say what the server thinks of the machine")
		}
	})
}

// TestFullDisk: an agent that can keep nothing goes on, says so, and keeps everything when it can again.
func TestFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		dir := l.runner.settings.StateDir
		l.start()
		l.pass(3 * time.Minute)
		away := dir + ".away"
		if err := os.Rename(dir, away); err != nil { // root is not kept from writing by rights
			t.Fatal(err)
		}
		l.server.set(func() { l.version = "2.0" })
		l.pass(10 * time.Minute)
		l.counts(map[string]int{"report": 2})
		if n := l.server.count("ping"); n < 10 {
			t.Errorf("only %d pings", n)
		}
		if told := l.status().Error; !strings.Contains(told, "state cannot be saved") {
			t.Errorf("its status tells of %q", told)
		}
		if err := os.Rename(away, dir); err != nil {
			t.Fatal(err)
		}
		l.pass(2 * time.Minute)
		if told := l.status().Error; told != "" {
			t.Errorf("its status still tells of %q", told)
		}
		l.restart()
		l.pass(3 * time.Minute)
		l.counts(map[string]int{"report": 2, "registration": 1})
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestPrivateFromTheFirstCall(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		private := `{"serial_number":0,"local_ip":0,"hostname":1,"public_ip":0,"mac_addr":0,"username":0}`
		l.server.answer("fetch_privacy", 200, private)
		l.server.answer("config", 200, `{"privacy":`+private+`}`)
		l.start()
		l.pass(time.Hour)
		for _, call := range []string{"registration", "report"} {
			if body := l.server.body(t, call, 0); strings.Contains(body, "lab-1") {
				t.Errorf("%s tells the host name, which is private: %s", call, body)
			}
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestNothingBeforeThePrivacyIsKnown: where the server does not say what is private, nothing is reported.
func TestNothingBeforeThePrivacyIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.server.answer("config", 500, `{"errors":[{"error_type":"500000","details":"x"}]}`)
		l.start()
		l.pass(3 * time.Hour)
		l.counts(map[string]int{"registration": 1, "report": 0})
		l.server.set(func() { delete(l.server.answers, "config") })
		l.pass(20 * time.Minute)
		if l.server.count("report") == 0 {
			t.Error("nothing was reported after the server said what is private")
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(10 * time.Minute)
		before := l.server.count("report")
		l.server.set(func() { l.server.away, l.server.calls, l.version = true, nil, "2.0" })
		l.pass(24 * time.Hour)
		l.server.set(func() {
			if n := len(l.server.calls); n < 90 || n > 130 {
				t.Errorf("%d calls in a day without a server", n)
			}
			l.server.away = false
			l.server.calls = nil
		})
		l.pass(16 * time.Minute)
		if n := l.server.count("report"); n != 1 {
			t.Errorf("%d reports in the quarter of an hour after a day without a server, and %d before it", n, before)
		}
		if body := l.server.body(t, "report", -1); !strings.Contains(body, `"version":"2.0"`) {
			t.Errorf("what changed meanwhile was lost: %s", body)
		}
		l.pass(10 * time.Minute)
		if n := l.server.count("ping"); n < 8 {
			t.Errorf("only %d pings after the server is back", n)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(time.Minute * 3)
		l.server.set(func() { l.server.headers.Set("Retry-After", "1800") })
		l.server.answer("ping", 503, "")
		l.pass(2 * time.Minute)
		n := l.server.count("ping")
		l.pass(28 * time.Minute)
		if got := l.server.count("ping"); got != n {
			t.Errorf("%d pings, though the server asked for half an hour of quiet", got-n)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestRetired: the server deleted the device. The agent leaves, and does not come back when it is started again.
func TestRetired(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(3 * time.Minute)
		l.server.answer("ping", 401, `{"errors":[{"error_type":"401000","details":"x"}]}`)
		l.server.answer("imhere", 200, `{"code":802,"msg":"removed"}`)
		l.pass(2 * time.Minute)
		if err := l.end(); err != errRetired {
			t.Fatalf("it ended with %v", err)
		}
		s, err := state.Read(l.runner.settings.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		if v := l.status().Verdict; v != "" {
			t.Errorf("its status is still %q, as if it were fit", v)
		}
		if s.Retired.IsZero() || s.Credentials.Complete() {
			t.Errorf("it remembers %+v", s)
		}
	})
}

// TestForgotten: the server does not know the credentials any more. After three refusals the agent enrols again, as the
// device it was.
func TestForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(3 * time.Minute)
		l.server.answer("ping", 401, "{}")
		l.server.answer("imhere", 401, "{}")
		l.pass(3 * time.Minute)
		if n := l.server.count("registration"); n != 1 {
			t.Fatalf("%d registrations after the first refusals", n)
		}
		l.server.set(func() {
			l.server.answers["registration"] = func() (int, string) {
				delete(l.server.answers, "ping")
				return 200, strings.ReplaceAll(credentialsAnswer, `"K"`, `"K2"`)
			}
		})
		l.pass(30 * time.Minute)
		l.counts(map[string]int{"registration": 2})
		if body := l.server.body(t, "registration", 1); !strings.Contains(body, `"device_id":"D1"`) {
			t.Errorf("it does not say which device it was: %s", body)
		}
		if n := l.server.count("report"); n < 2 {
			t.Error("it did not report under its new credentials")
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestClockOfTheFuture: an agent that reported while its clock was years ahead reports at its interval all the same.
func TestClockOfTheFuture(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(time.Minute)
		l.counts(map[string]int{"report": 1})
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		l.runner.state.Reported = time.Now().AddDate(10, 0, 0)
		if err := l.runner.state.Save(); err != nil {
			t.Fatal(err)
		}
		l.make(l.runner.settings.StateDir)
		l.start()
		l.pass(3 * time.Hour)
		if n := l.server.count("report"); n < 3 {
			t.Errorf("%d reports in three hours", n)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestStatusFromTheStart: an agent that waits for its first contact after a restart can be seen to run.
func TestStatusFromTheStart(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(time.Minute)
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		l.make(l.runner.settings.StateDir)
		l.runner.settings.StatusFile = filepath.Join(t.TempDir(), "status.json")
		l.start()
		l.pass(time.Millisecond)
		s, err := readStatus(l.runner.settings)
		if err != nil || s.DeviceID != "D1" || s.Verdict != "" || s.Reported.IsZero() {
			t.Errorf("%+v, %v", s, err)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestClone: the state lies on another machine than the one that enrolled.
func TestClone(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(time.Minute)
		l.server.set(func() { l.server.calls, l.hardwareID = nil, "h2" })
		l.restart()
		l.pass(3 * time.Minute)
		l.server.set(func() {
			if first := l.server.calls[0].name; first != "fetch_privacy" {
				t.Errorf("the clone's first call is %s, with its original's credentials", first)
			}
		})
		if body := l.server.body(t, "registration", -1); strings.Contains(body, "D1") {
			t.Errorf("the clone says that it is its original: %s", body)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestRefusedReportIsNotRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.server.answer("report", 400, `{"errors":[{"error_type":"400000","details":"Member x"}]}`)
		l.start()
		l.pass(4 * time.Minute)
		l.counts(map[string]int{"report": 1, "ping": 4})
		l.pass(time.Hour)
		if n := l.server.count("report"); n != 2 {
			t.Errorf("a report that is refused was sent %d times in an hour", n)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestSlowChecks: custom checks that take their time hold nobody up, and are reported when they are through.
func TestSlowChecks(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.server.answer("config", 200, `{"custom_checks":[{"id":"slow","text":"x"}]}`)
		l.runner.checks = func(ctx context.Context, asked []protocol.CustomCheck) []collect.CustomResult {
			if len(asked) == 0 {
				return nil
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Minute):
			}
			return []collect.CustomResult{{ID: asked[0].ID, Outcome: posture.Pass, At: time.Now()}}
		}
		l.start()
		l.pass(9 * time.Minute)
		if n := l.server.count("ping"); n < 8 {
			t.Errorf("%d pings while a check is run", n)
		}
		l.pass(2 * time.Minute)
		if body := l.server.body(t, "report", -1); !strings.Contains(body, `{"id":"slow","outcome":"pass"`) {
			t.Errorf("the check is not in the report: %s", body)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}
