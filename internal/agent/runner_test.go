package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
	"muster/internal/agent/settings"
	"muster/internal/agent/state"
	"muster/internal/posture"
)

// fakeServer answers as a server does, and writes down what it was asked. It is called without a network, so that time
// can be made to pass.
type fakeServer struct {
	mu sync.Mutex
	// calls are "registration", "ping", "report" and so on, with when they came.
	calls   []fakeCall
	bodies  map[string][]string
	answers map[string]func() (int, string) // by call; nil is success
	away    bool
	headers http.Header // of every answer
}

type fakeCall struct {
	name string
	at   time.Time
}

const credentialsAnswer = `{"license_key":"L","device_id":"D1","access_key":"K","access_token":"T"}`

// RoundTrip answers a request.
func (f *fakeServer) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := nameOf(req)
	f.calls = append(f.calls, fakeCall{name, time.Now()})
	if f.away {
		return nil, io.ErrUnexpectedEOF
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	f.bodies[name] = append(f.bodies[name], string(body))
	status, answer := http.StatusOK, "{}"
	switch {
	case f.answers[name] != nil:
		status, answer = f.answers[name]()
	case name == "registration":
		answer = credentialsAnswer
	case name == "policy_check":
		answer = `{"status":"compliant","total_issue":0,"total_critical_issue":0}`
	}
	w := httptest.NewRecorder()
	for k, v := range f.headers {
		w.Header()[k] = v
	}
	w.WriteHeader(status)
	_, err := io.WriteString(w, answer)
	return w.Result(), err
}

func nameOf(req *http.Request) string {
	path := req.URL.Path
	switch {
	case strings.HasSuffix(path, "registration_code"):
		return "registration"
	case strings.HasSuffix(path, "/report/health"):
		return "report"
	case req.Method == http.MethodDelete:
		return "retire"
	default:
		return path[strings.LastIndexByte(path, '/')+1:]
	}
}

// count is how often a call came.
func (f *fakeServer) count(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c.name == name {
			n++
		}
	}
	return n
}

// body is the body of the nth call of a name, or the last for -1.
func (f *fakeServer) body(t *testing.T, name string, n int) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.bodies[name]
	if n < 0 {
		n += len(all)
	}
	if n < 0 || n >= len(all) {
		t.Fatalf("there were %d calls of %s", len(all), name)
	}
	return all[n]
}

func (f *fakeServer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeServer) answer(name string, status int, body string) {
	f.set(func() { f.answers[name] = func() (int, string) { return status, body } })
}

// lab is an agent on a machine that is made up, and its server.
type lab struct {
	t      *testing.T
	server *fakeServer
	runner *runner
	// version is that of the one package on the machine; battery flickers.
	version, hardwareID string
	battery             int
	ended               chan error
	stop                context.CancelFunc
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{
		t: t, version: "1.0", hardwareID: "h1",
		server: &fakeServer{bodies: map[string][]string{}, answers: map[string]func() (int, string){}, headers: http.Header{}},
	}
	l.make(t.TempDir())
	return l
}

// make makes the agent on a folder of state.
func (l *lab) make(dir string) {
	l.t.Helper()
	held, err := state.Open(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	l.runner = &runner{
		settings: &settings.Settings{
			Server: "http://127.0.0.1:1", Code: "CODE", StateDir: dir,
			LookEvery: 5 * time.Minute,
		},
		state: held, host: &host.Host{Now: time.Now}, log: slog.New(slog.DiscardHandler), logs: &recent{},
		client: protocol.New(&http.Client{Transport: l.server}, "http://127.0.0.1:1"),
		random: func() float64 { return 0.5 },
		collectors: []collect.Collector{
			{Subject: "machine", Collect: func(_ context.Context, s *collect.Snapshot) error {
				s.OS.Family = posture.Linux
				s.Identity.HostName = collect.Known("lab-1")
				l.server.set(func() { s.Identity.HardwareID = collect.Known(l.hardwareID) })
				return nil
			}},
			{Subject: "battery", Light: true, Collect: func(_ context.Context, s *collect.Snapshot) error {
				l.battery = (l.battery + 1) % 100
				s.Hardware.Battery = collect.Known(collect.Battery{Percent: l.battery})
				return nil
			}},
			{Subject: "software", Light: true, Collect: func(_ context.Context, s *collect.Snapshot) error {
				l.server.set(func() {
					s.Software = map[string]collect.Fact[[]collect.Application]{
						"dpkg": collect.Known([]collect.Application{{Name: "tool", Version: l.version}}),
					}
				})
				return nil
			}},
		},
	}
}

// start runs the agent until end.
func (l *lab) start() {
	ctx, stop := context.WithCancel(l.t.Context())
	l.stop, l.ended = stop, make(chan error, 1)
	go func() { l.ended <- l.runner.run(ctx) }()
}

// pass lets time pass.
func (l *lab) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// end stops the agent and gives what it ended with.
func (l *lab) end() error {
	l.stop()
	err := <-l.ended
	if closed := l.runner.state.Close(); closed != nil {
		l.t.Error(closed)
	}
	return err
}

// restart is a new agent on the same state.
func (l *lab) restart() {
	l.t.Helper()
	if err := l.end(); err != nil {
		l.t.Fatal(err)
	}
	l.make(l.runner.settings.StateDir)
	l.start()
}

// inBubble runs a test in which time passes only when everybody waits.
func inBubble(t *testing.T, test func(*testing.T, *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, newLab(t))
		synctest.Wait()
	})
}

func (l *lab) counts(want map[string]int) {
	l.t.Helper()
	for name, n := range want {
		if got := l.server.count(name); got != n {
			l.t.Errorf("%d calls of %s, want %d", got, name, n)
		}
	}
}

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
		{0, 1, 5 * time.Second}, {0, 1 << 30, 24 * time.Hour}, {0, -3, time.Minute},
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
		if v := l.runner.status.Verdict; v != "" {
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

func commandAnswer(id, kind string) string {
	return `{"commands":[{"id":"` + id + `","type":"` + kind + `","expires_at":"2030-01-01T00:00:00Z"}]}`
}

func TestCommands(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		if err := os.WriteFile(identityFile(l.runner.settings.StateDir), []byte("kari"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = l.runner.logs.Write([]byte("a line of the log\n"))
		l.start()
		l.server.answer("ping", 200, commandAnswer("c1", protocol.CommandSendLog))
		l.pass(10 * time.Minute)
		// It came with every ping and was answered once.
		l.counts(map[string]int{"result": 1})
		var got protocol.Result
		if err := json.Unmarshal([]byte(l.server.body(t, "result", 0)), &got); err != nil {
			t.Fatal(err)
		}
		if got.CommandID != "c1" || got.Result != "1" || got.Output != "a line of the log\n" {
			t.Errorf("the result is %+v", got)
		}
		l.server.answer("ping", 200, commandAnswer("c2", protocol.CommandReidentify))
		l.pass(2 * time.Minute)
		if who := userIdentity(l.runner.settings.StateDir); who != "" {
			t.Errorf("the user is still %q", who)
		}
		l.server.answer("ping", 200, commandAnswer("c3", "dance"))
		l.pass(2 * time.Minute)
		if body := l.server.body(t, "result", -1); !strings.Contains(body, `"result":"0"`) || !strings.Contains(body, "dance") {
			t.Errorf("an unknown command was answered with %s", body)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestTooManyCommands: a server that asks for a thousand things is not obeyed a thousand times in a row, and what is too long
// to be the name of anything is not even kept.
func TestTooManyCommands(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		var list []string
		for i := range 1000 {
			list = append(list, fmt.Sprintf(`{"id":"c%d","type":"dance","expires_at":"2030-01-01T00:00:00Z"}`, i))
		}
		long := strings.Repeat("x", 100_000)
		list = append([]string{`{"id":"` + long + `","type":"dance"}`, `{"id":"long","type":"` + long + `"}`}, list...)
		l.server.answer("ping", 200, `{"commands":[`+strings.Join(list, ",")+`]}`)
		l.server.answer("result", 503, "")
		l.start()
		l.pass(2 * time.Minute)
		untold := l.runner.state.Untold()
		if len(untold) != maxCommands || untold[0].CommandID != "c0" {
			t.Errorf("%d commands were carried out after one contact, of which the first is %.20q", len(untold), untold[0].CommandID)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestOneScanAtATime: scans that are asked for at once are done one after the other.
func TestOneScanAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		slow := &slowPrograms{}
		l.runner.host.Slow = slow
		l.server.answer("ping", 200, `{"commands":[{"id":"s1","type":"scan_threats"},{"id":"s2","type":"scan_threats"},{"id":"s3","type":"scan_threats"}]}`)
		l.start()
		l.pass(2 * time.Hour)
		if slow.most.Load() != 1 {
			t.Errorf("%d scans at once", slow.most.Load())
		}
		if n := l.server.count("result"); n != 3 {
			t.Errorf("%d scans were answered for", n)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// slowPrograms take their time, and count how many of them run at once.
type slowPrograms struct{ now, most atomic.Int32 }

func (s *slowPrograms) Run(ctx context.Context, _ string, _ ...string) ([]byte, error) {
	if n := s.now.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.now.Add(-1)
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Minute):
	}
	return nil, ctx.Err()
}

// TestResultSurvives: the agent ends after a command was carried out and before the server heard of it. It is told by the
// next agent, and not carried out again.
func TestResultSurvives(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(time.Second)
		l.server.answer("result", 503, "")
		l.server.answer("ping", 200, commandAnswer("c1", protocol.CommandSendLog))
		l.pass(3 * time.Minute)
		l.server.set(func() { delete(l.server.answers, "result") })
		l.restart()
		l.pass(5 * time.Minute)
		tries := l.server.count("result")
		l.pass(time.Hour)
		if n := l.server.count("result"); n != tries || n < 2 {
			t.Errorf("%d tries to tell the result, %d after an hour more", tries, n)
		}
		if got := len(l.runner.state.Untold()); got != 0 {
			t.Errorf("%d results are still untold", got)
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
