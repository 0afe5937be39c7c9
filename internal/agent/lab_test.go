package agent

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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

// status is what the agent shows now. It is read under the lock that the agent's next call to the server takes, and with which it
// therefore goes on only when this is done.
func (l *lab) status() (now Status) {
	l.server.set(func() { now = l.runner.status })
	return now
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
