package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/internal/testpg"
)

// TestKill kills the real program under load at a random moment, several times, and then looks for everything it had
// answered: registrations, reports and linked users.
func TestKill(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "muster")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "muster/cmd/muster").CombinedOutput()
	if err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	t.Run("sqlite", func(t *testing.T) { killRounds(t, binary, []string{"--data", t.TempDir()}, nil) })
	t.Run("postgres", func(t *testing.T) {
		cluster := testpg.Cluster(t, testpg.Durable())
		killRounds(t, binary, []string{"--data", t.TempDir(), "--database", cluster.DSN()}, cluster)
	})
	t.Run("import", func(t *testing.T) { killImport(t, binary, engines["sqlite"](t)) })
}

// killRounds kills the server in each round. Where there is a database server, it is killed with it in the second, and by
// itself before it in the third.
func killRounds(t *testing.T, binary string, db []string, cluster *testpg.Server) {
	ledger := &ledger{devices: map[string]*answered{}}
	for round := range 4 {
		p := startBinary(t, binary, db)
		code := strings.TrimSpace(p.muster("regcode", "show"))
		_, token := p.client("write")
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for worker := range 6 {
			wg.Go(func() { load(ctx, p.url, code, token, ledger, fmt.Sprintf("%d-%d", round, worker)) })
		}
		moment := time.NewTimer(time.Duration(300+rand.IntN(900)) * time.Millisecond)
		<-moment.C
		if cluster != nil && round > 0 {
			cluster.Kill()
		}
		if cluster != nil && round == 2 {
			comeBack(t, p, cluster)
		}
		p.kill()
		cancel()
		wg.Wait()
		if cluster != nil && !cluster.Running() {
			err := cluster.Restart()
			if err != nil {
				t.Fatal(err)
			}
		}
		ledger.check(t, binary, db)
	}
	if n := ledger.events; n < 100 {
		t.Errorf("only %d answers: too few to tell", n)
	}
}

// killImport kills an import half-way. Nothing of it is seen, and the same command goes on with it.
func killImport(t *testing.T, binary string, db []string) {
	command(t, append([]string{"migrate"}, db...)...)
	file := path(t, "all.zip")
	write(t, file, string(osvZip(t, 6000, "2026-03-01T00:00:00Z")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	st, err := sql.Open("sqlite", filepath.Join(db[1], "muster.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	cmd := exec.CommandContext(ctx, binary, append([]string{"feed", "import", file}, db...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventuallyWithin(t, 30*time.Second, "something is staged", func() bool {
		var n int
		err := st.QueryRowContext(ctx, "SELECT COUNT(*) FROM catalogue_entries").Scan(&n)
		return err == nil && n > 500
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the import came to its end before it was killed")
	}
	if out, code := command(t, append([]string{"feed", "list", "--json"}, db...)...); code != 0 || strings.TrimSpace(out) != "[]" {
		t.Errorf("half an import is seen: %s", out)
	}
	out, code := command(t, append([]string{"feed", "import", file, "--json"}, db...)...)
	if code != 0 || !strings.Contains(out, `"resumed": true`) || !strings.Contains(out, `"added": 6000`) || !strings.Contains(out, `"entries": 6000`) {
		t.Errorf("code %d: %s", code, out)
	}
}

// comeBack starts the database again and waits until the server, which went on, can work with it.
func comeBack(t *testing.T, p *child, cluster *testpg.Server) {
	t.Helper()
	p.call("GET", "/healthz", nil, "").want(200)
	err := cluster.Restart()
	if err != nil {
		t.Fatal(err)
	}
	eventuallyWithin(t, 30*time.Second, "the server is ready again", func() bool { return p.call("GET", "/readyz", nil, "").status == 200 })
	a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
	a.report(healthy("after", "00:0c:29:00:00:01")).want(200)
}

// answered is what the server acknowledged about one device, in the order in which it was sent.
type answered struct {
	agent
	host, user string
	// sentHost and sentUser were sent and not answered: they may have been stored, or not.
	sentHost, sentUser string
}

// ledger remembers every answer.
type ledger struct {
	mu      sync.Mutex
	devices map[string]*answered
	events  int
}

func (l *ledger) note(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events++
	fn()
}

// load enrols devices, reports for them with ever new host names and links ever new users, until the server is gone.
func load(ctx context.Context, url, code, token string, l *ledger, name string) {
	rnd := rand.New(rand.NewPCG(uint64(len(name)), uint64(name[0])))
	var mine []*answered
	for n := 0; ctx.Err() == nil; n++ {
		if len(mine) == 0 || n%5 == 0 {
			body := fmt.Sprintf(`{"agent_version":"1","device_type":"server","hardware_id":"HW-%s-%d","os":{"family":"linux","name":"Linux"}}`, name, n)
			var r map[string]string
			if !post(ctx, "POST", url+"/api/v2/accounts/devices/registration_code", http.Header{"Gears-Auth": {code}}, body, &r) {
				return
			}
			d := &answered{agent: agent{LicenseKey: r["license_key"], ID: r["device_id"], Key: r["access_key"], Token: r["access_token"]}}
			l.note(func() { l.devices[d.ID] = d })
			mine = append(mine, d)
		}
		d := mine[rnd.IntN(len(mine))]
		value := fmt.Sprintf("%s-%d", name, n)
		if n%2 == 0 {
			d.sentHost = value
			header := http.Header{"Gears-Access-Key": {d.Key}, "Gears-Access-Token": {d.Token}}
			if !post(ctx, "PUT", url+"/api/v2/accounts/"+d.LicenseKey+"/devices/"+d.ID+"/report/health", header, healthy(value, "02:00:00:00:00:01"), nil) {
				return
			}
			l.note(func() { d.host = value })
			continue
		}
		d.sentUser = value
		var r struct{ Result int }
		if !post(ctx, "POST", url+"/o/api/v2/devices/"+d.ID+"/link_user", http.Header{"Authorization": {"Bearer " + token}}, fmt.Sprintf(`{"username":%q}`, value), &r) || r.Result != 1 {
			return
		}
		l.note(func() { d.user = value })
	}
}

// post sends a request and reports whether it was answered with 200 to the last byte.
func post(ctx context.Context, method, url string, header http.Header, body string, into any) bool {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	return into == nil || json.Unmarshal(text, into) == nil
}

// check starts the server again and compares every device with its ledger.
func (l *ledger) check(t *testing.T, binary string, db []string) {
	t.Helper()
	p := startBinary(t, binary, db)
	defer p.kill()
	var list []struct {
		ID   string `json:"device_id"`
		Host string `json:"host_name"`
		Link struct {
			Username string `json:"username"`
		} `json:"link_user"`
	}
	err := json.Unmarshal([]byte(p.muster("device", "list", "--json")), &list)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]int{}
	for i := range list {
		stored[list[i].ID] = i
	}
	for id, d := range l.devices {
		i, ok := stored[id]
		if !ok {
			t.Errorf("device %s was answered and is not there", id)
			continue
		}
		if got := list[i].Host; got != d.host && got != d.sentHost {
			t.Errorf("device %s: report %q was answered, stored is %q", id, d.host, got)
		}
		if got := list[i].Link.Username; got != d.user && got != d.sentUser {
			t.Errorf("device %s: user %q was answered, stored is %q", id, d.user, got)
		}
		probe := d.agent
		probe.p = &p.program
		probe.ping().want(200)
		// What is stored now is where the next round starts from.
		d.host, d.user = list[i].Host, list[i].Link.Username
		d.sentHost, d.sentUser = d.host, d.user
	}
	account := decode[object](t, p.muster("account", "show", "--json"))
	if account["devices_used"] != float64(len(list)) {
		t.Errorf("counts say %v devices, the list has %d", account["devices_used"], len(list))
	}
}

// child is the real program in a process of its own.
type child struct {
	program
	cmd *exec.Cmd
}

func startBinary(t *testing.T, binary string, db []string) *child {
	t.Helper()
	c := &child{program: program{t: t, db: db, out: &buffer{}, log: &buffer{}, done: make(chan int, 1)}}
	c.cmd = exec.Command(binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--rate-limit", "0"}, db...)...)
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.log
	c.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	err := c.cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	c.url = c.awaitURL()
	return c
}

// kill ends the process without giving it a chance to tidy up.
func (c *child) kill() {
	if c.cmd.ProcessState != nil {
		return
	}
	err := c.cmd.Process.Signal(syscall.SIGKILL)
	if err != nil {
		c.t.Error(err)
	}
	err = c.cmd.Wait()
	if err == nil {
		c.t.Error("the server ended by itself")
	}
	if bytes.Contains([]byte(c.log.String()), []byte("panic")) {
		c.t.Errorf("the server panicked:\n%s", c.log)
	}
}
