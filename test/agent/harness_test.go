package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/app"
	"muster/test/proof"
)

// runAs makes this program the server or the agent, so that neither has to be built for the tests.
const runAs = "MUSTER_TEST_RUN_AS"

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch os.Getenv(runAs) {
	case "muster":
		os.Exit(app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
	case "muster-agent":
		os.Exit(agent.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// run runs a program to its end and gives what it wrote.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), proof.Limit)
	defer stop()
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, complaint.String())
	}
	return string(out)
}

// namespace is a network of its own; "" is that of the machine.
type namespace string

// newNamespace makes a network that ends with the test, with its loopback up.
func newNamespace(t *testing.T, name string) namespace {
	t.Helper()
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "ip")
	n := namespace(fmt.Sprintf("muster-%d-%s", os.Getpid(), name))
	run(t, "ip", "netns", "add", string(n))
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "ip", "netns", "delete", string(n)).CombinedOutput(); err != nil {
			t.Errorf("the network %s stays behind: %s", n, out)
		}
	})
	n.run(t, "ip", "link", "set", "lo", "up")
	return n
}

// command is a program in the network.
func (n namespace) command(name string, args ...string) []string {
	line := append([]string{name}, args...)
	if n != "" {
		line = append([]string{"ip", "netns", "exec", string(n)}, line...)
	}
	return line
}

func (n namespace) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	line := n.command(name, args...)
	return run(t, line[0], line[1:]...)
}

// join connects two networks by a cable, with an adapter of the name given and an address at either end.
func join(t *testing.T, a, b namespace, adapter, addressA, addressB string) {
	t.Helper()
	run(t, "ip", "link", "add", adapter, "netns", string(a), "type", "veth", "peer", "name", adapter, "netns", string(b))
	for n, address := range map[namespace]string{a: addressA, b: addressB} {
		n.run(t, "ip", "address", "add", address, "dev", adapter)
		n.run(t, "ip", "link", "set", adapter, "up")
	}
}

// process is a program of ours that runs beside the test.
type process struct {
	cmd  *exec.Cmd
	said proof.Buffer
	done chan struct{}
}

// start runs this program as one of ours until the test ends.
func start(t *testing.T, in namespace, as string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startLine(t, as, []string{runAs + "=" + as}, in.command(self, args...))
}

// startLine starts a program until the test ends.
func startLine(t *testing.T, name string, env, line []string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(context.Background(), line[0], line[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.signal(t, syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(proof.Limit):
			t.Errorf("%s does not stop", name)
			p.signal(t, syscall.SIGKILL)
			<-p.done
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.said.String())
		}
	})
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !strings.Contains(err.Error(), "already finished") {
		t.Error(err)
	}
}

// server is a real server.
type server struct {
	*process
	t       *testing.T
	in      namespace
	address string
	data    string
}

// serve starts a server in a network, at an address such as 192.0.2.1:8080.
func serve(t *testing.T, in namespace, address string) *server {
	t.Helper()
	s := &server{t: t, in: in, address: address, data: filepath.Join(t.TempDir(), "data")}
	s.start()
	return s
}

// start starts the server, again or for the first time, and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	s.process = start(s.t, s.in, "muster", "serve", "--data", s.data, "--listen", s.address, "--behind-proxy", "198.51.100.0/24")
	proof.Eventually(s.t, "the server listens", func() bool { return strings.Contains(s.said.String(), `"msg":"listening"`) })
}

// url is where agents find it.
func (s *server) url() string { return "http://" + s.address }

// muster runs one of the server's commands.
func (s *server) muster(args ...string) string {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	return run(s.t, "env", append([]string{runAs + "=muster", self}, append(args, "--data", s.data)...)...)
}

// code is what agents enrol with.
func (s *server) code() string { return strings.TrimSpace(s.muster("regcode", "show")) }

// device is what the server shows of its only device; nil while there is none.
func (s *server) device() map[string]any {
	s.t.Helper()
	var list []map[string]any
	s.read(&list, "device", "list")
	if len(list) == 0 {
		return nil
	}
	var out map[string]any
	s.read(&out, "device", "show", fmt.Sprint(list[0]["device_id"]))
	return out
}

func (s *server) read(into any, args ...string) {
	s.t.Helper()
	out := s.muster(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		s.t.Fatalf("muster %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// token makes a program that may read, and gives what it presents.
func (s *server) token() string {
	s.t.Helper()
	var app struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	s.read(&app, "app", "create", "--name", "the test", "--permission", "read", "--calls-per-minute", "0")
	var got struct {
		Token string `json:"access_token"`
	}
	s.call(&got, "/o/oauth/token", "--data", "grant_type=client_credentials&client_id="+app.ID+"&client_secret="+app.Secret)
	return got.Token
}

// call makes a call of the compatible API, from the network of the server.
func (s *server) call(into any, path string, more ...string) {
	s.t.Helper()
	out := s.in.run(s.t, "curl", append([]string{"--silent", "--fail", "--max-time", "10", s.url() + path}, more...)...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		s.t.Fatalf("%s: %v: %s", path, err, out)
	}
}

// details is what the compatible API tells an integrator of a device, as it stands in the answer.
func (s *server) details(token, id string) string {
	s.t.Helper()
	var out json.RawMessage
	s.call(&out, "/o/api/v3.8/devices/detail", "--header", "Authorization: Bearer "+token, "--header", "Content-Type: application/json",
		"--data", `{"ids":["`+id+`"],"verbose":{"system_info":1,"categories":1}}`)
	return string(out)
}

// testAgent is a real agent with a folder of its own.
type testAgent struct {
	*process
	t     *testing.T
	state string
}

// status is what the agent shows of itself; empty while it has shown nothing.
func (a *testAgent) status() agent.Status {
	a.t.Helper()
	var out agent.Status
	raw, err := os.ReadFile(filepath.Join(a.state, "status.json"))
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil && !os.IsNotExist(err) {
		a.t.Fatal(err)
	}
	return out
}

// startAgent starts an agent in a network that enrols by the code, and looks and pings every second. State is "" for a new
// machine.
func startAgent(t *testing.T, in namespace, s *server, state string, more ...string) *testAgent {
	t.Helper()
	usual := []string{"--code", s.code(), "--look-every", "1s", "--report-every", "1h"}
	return startBy(t, in, s, state, append(usual, more...)...)
}

// startBy starts an agent that has nothing to enrol with but what is given.
func startBy(t *testing.T, in namespace, s *server, state string, more ...string) *testAgent {
	t.Helper()
	if state == "" {
		state = filepath.Join(t.TempDir(), "agent")
	}
	args := []string{
		"run", "--server", s.url(), "--plain-http", "--state", state, "--settings", os.DevNull,
		"--status-file", filepath.Join(state, "status.json"), "--ping-every", "1s", "--log-level", "debug",
	}
	return &testAgent{process: start(t, in, "muster-agent", append(args, more...)...), t: t, state: state}
}
