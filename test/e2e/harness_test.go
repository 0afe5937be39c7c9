// Package e2e runs the whole program and talks to it as agents, integrators and administrators do, on every database
// engine.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/app"
	"muster/internal/testpg"
	"muster/test/openapi"
)

// engines gives the database flags of a fresh database on each engine.
var engines = map[string]func(t *testing.T) []string{
	"sqlite":   func(t *testing.T) []string { return []string{"--data", t.TempDir()} },
	"postgres": func(t *testing.T) []string { return []string{"--data", t.TempDir(), "--database", testpg.Database(t)} },
}

// onBoth runs a test on each engine.
func onBoth(t *testing.T, test func(t *testing.T, db []string)) {
	for name, fresh := range engines {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

// program is the server, running in this process.
type program struct {
	t    *testing.T
	db   []string // database flags
	url  string
	out  *buffer // standard output
	log  *buffer // standard error
	stop context.CancelFunc
	done chan int // exit code
}

// start runs `muster serve` on a free port and waits until it listens.
func start(t *testing.T, db []string, flags ...string) *program {
	t.Helper()
	return startCommand(t, "serve", db, flags...)
}

func startCommand(t *testing.T, command string, db []string, flags ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{t: t, db: db, out: &buffer{}, log: &buffer{}, stop: cancel, done: make(chan int, 1)}
	args := append([]string{command, "--listen", "127.0.0.1:0"}, append(db, flags...)...)
	go func() { p.done <- app.Main(ctx, args, p.out, p.log) }()
	t.Cleanup(func() { p.end() })
	p.url = p.awaitURL()
	return p
}

// awaitURL reads the address from the log.
func (p *program) awaitURL() string {
	p.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		for line := range strings.Lines(p.log.String()) {
			var entry struct {
				Msg, Address string
				TLS          bool
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				if entry.TLS {
					return "https://" + entry.Address
				}
				return "http://" + entry.Address
			}
		}
		select {
		case code := <-p.done:
			p.t.Fatalf("the server ended with code %d before it listened:\n%s", code, p.log)
		case <-p.log.changed():
		case <-time.After(time.Second):
		}
	}
	p.t.Fatalf("the server does not listen:\n%s", p.log)
	return ""
}

// end stops the server and fails the test unless it ended well.
func (p *program) end() {
	p.stop()
	select {
	case code := <-p.done:
		p.done <- code
		if code != 0 {
			p.t.Errorf("the server ended with code %d:\n%s", code, p.log)
		}
	case <-time.After(60 * time.Second):
		p.t.Fatal("the server does not end")
	}
}

// muster runs another command on the same database, and gives what it printed.
func (p *program) muster(args ...string) string {
	p.t.Helper()
	out, code := command(p.t, append(args, p.db...)...)
	if code != 0 {
		p.t.Fatalf("muster %s: code %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// command runs a command and gives all that it printed, and its exit code.
func command(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out, log bytes.Buffer
	code := app.Main(t.Context(), args, &out, &log)
	if code != 0 {
		return out.String() + log.String(), code
	}
	return out.String(), code
}

// decode reads JSON that must be well formed.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	err := json.Unmarshal([]byte(text), &v)
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

// object is any JSON object.
type object = map[string]any

// application makes an application.
func (p *program) application(permission string, flags ...string) (clientID, secret string) {
	p.t.Helper()
	args := append([]string{"app", "create", "--name", "test", "--permission", permission, "--json"}, flags...)
	app := decode[object](p.t, p.muster(args...))
	return app["client_id"].(string), app["client_secret"].(string)
}

// client makes an application and gives an access token for it.
func (p *program) client(permission string, flags ...string) (clientID, token string) {
	p.t.Helper()
	id, secret := p.application(permission, flags...)
	r := p.call("GET", fmt.Sprintf("/o/oauth/token?grant_type=client_credentials&client_id=%s&client_secret=%s", id, secret), nil, "")
	r.want(200)
	return id, r.object()["access_token"].(string)
}

// response is an answer that was read to its end.
type response struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string
}

// call sends a request. Headers come as name, value, name, value.
func (p *program) call(method, path string, headers []string, body string) *response {
	p.t.Helper()
	return send(p.t, http.DefaultClient, method, p.url+path, headers, body)
}

// send sees too that the answer to a call of one of the APIs is as its description says.
func send(t *testing.T, c *http.Client, method, url string, headers []string, body string) *response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(req.URL.Path, "/o/") {
		openapi.Load(t).CheckExchange(t, req, []byte(body), resp.StatusCode, resp.Header, text)
	}
	if strings.HasPrefix(req.URL.Path, "/api/v1/") {
		openapi.LoadAdmin(t).CheckExchange(t, req, []byte(body), resp.StatusCode, resp.Header, text)
	}
	return &response{t, method + " " + req.URL.Path, resp.StatusCode, resp.Header, string(text)}
}

func (r *response) want(status int) *response {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: status %d, want %d: %s", r.what, r.status, status, r.body)
	}
	return r
}

func (r *response) object() object {
	r.t.Helper()
	return decode[object](r.t, r.body)
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// account reads the newest account details.
func (p *program) account(token string) object {
	p.t.Helper()
	return p.call("POST", "/o/api/v3.2/account", bearer(token), "").want(200).object()
}

// numbers turns one of the lists of account details into a map.
func numbers(t *testing.T, list any, name string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, item := range list.([]any) {
		o := item.(object)
		out[o[name].(string)] = o["number_of_devices"].(float64)
	}
	return out
}

// agent is one enrolled device.
type agent struct {
	p                          *program
	LicenseKey, ID, Key, Token string
}

// register enrols a device.
func (p *program) register(code, body string) *agent {
	p.t.Helper()
	r := p.call("POST", "/api/v2/accounts/devices/registration_code", []string{"Gears-Auth", code}, body).want(200).object()
	return &agent{p, r["license_key"].(string), r["device_id"].(string), r["access_key"].(string), r["access_token"].(string)}
}

func (a *agent) call(method, rest, body string) *response {
	a.p.t.Helper()
	return a.p.call(method, "/api/v2/accounts/"+a.LicenseKey+"/devices/"+a.ID+rest,
		[]string{"Gears-Access-Key", a.Key, "Gears-Access-Token", a.Token}, body)
}

func (a *agent) ping() *response              { return a.call("POST", "/ping", "{}") }
func (a *agent) report(body string) *response { return a.call("PUT", "/report/health", body) }

// registration is the body of a Linux machine's registration.
func registration(mac string) string {
	return fmt.Sprintf(`{"agent_version":"0.7","device_name":"vm","device_type":"desktop","network_adapter_info":[
		{"adapter_enabled":true,"description":"eth0","ipv4":["192.0.2.2"],"ipv6":[],"mac":%q,"media_state":"connected"}],
		"os":{"family":"linux","language":"","name":"Linux"}}`, mac)
}

// healthy is a report of a Linux machine of which nothing is wrong.
func healthy(host, mac string) string {
	return fmt.Sprintf(`{"agent_type":"persistent","agent_version":"0.7","device_name":null,"hostname":%q,
		"scan_time":"2026-11-23T21:21:15Z","soh":{"collected":["anti-malware","firewall","encryption","operating_system","user_authentication",
		"public_file_sharing","remote_control","toolbars","unclassified_pua","cloud_storage","instant_messenger"],
		"applications":[{"name":"nftables","vendor":"netfilter","version":"1.0","category":"firewall","running":true,"enabled":true},
		{"name":"dm-crypt","vendor":"linux","version":"2","category":"encryption","volumes":[{"name":"/","encrypted":true,"system":true}]}],
		"updates":{"pending":0,"security":0,"checked":"2026-11-23T20:00:00Z"},
		"user_password_set":true,"screen_lock":{"enabled":true,"after_seconds":300},
		"os_info":[{"device_type":"desktop","family":"linux","name":"Linux","network_adapter_info":[
		{"mac":%q,"ipv4":["192.0.2.2"],"ipv6":[]}],"system":{}}]}}`, host, mac)
}

// buffer is a bytes.Buffer that a server may write while a test reads.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	ping chan struct{}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ping != nil {
		close(b.ping)
		b.ping = nil
	}
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// changed is closed at the next write.
func (b *buffer) changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ping == nil {
		b.ping = make(chan struct{})
	}
	return b.ping
}

// eventually waits until a condition holds, for at most the two seconds in which commands take effect.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	eventuallyWithin(t, 2*time.Second, what, holds)
}

// demoStart is how long the demo's fleet may take to enrol on a busy machine.
const demoStart = time.Minute

// eventuallyWithin asks as often as it can be asked in the time on a machine that has nothing else to do: a busy one, on which
// each answer takes long, gets longer.
func eventuallyWithin(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	const pause = 20 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range limit / pause {
		if holds() {
			return
		}
		<-tick.C
	}
	t.Errorf("not within %v: %s", limit, what)
}

func path(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }
