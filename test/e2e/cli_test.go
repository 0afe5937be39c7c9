package e2e

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNoDatabaseIsMadeByMistake: a mistyped --data or --database is an error, not a new and empty database.
func TestNoDatabaseIsMadeByMistake(t *testing.T) {
	file := path(t, "devices.csv")
	write(t, file, "00:0c:29:00:00:01\n")
	commands := [][]string{
		{"account", "list"}, {"account", "show"}, {"account", "set", "--name", "x"}, {"account", "settings", "show"}, {"app", "create", "--name", "x"}, {"app", "list"},
		{"app", "revoke", "x"}, {"device", "list"}, {"device", "show", "x"}, {"device", "import", file}, {"device", "delete", "x"},
		{"regcode", "show"}, {"regcode", "rotate"}, {"backup", path(t, "b")}, {"group", "list"}, {"group", "add", "x"},
		{"group", "edit", "x", "--name", "y"}, {"group", "delete", "x"},
	}
	for _, args := range commands {
		dir := filepath.Join(t.TempDir(), "nope")
		out, code := command(t, append(args, "--data", dir)...)
		if code != 1 || !strings.Contains(out, "There is no Muster database in "+dir) {
			t.Errorf("muster %v: code %d: %s", args, code, out)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("muster %v made %s", args, dir)
		}
	}
	for _, args := range commands {
		out, code := command(t, append(args, engines["postgres"](t)...)...)
		if code != 1 || !strings.Contains(out, "muster migrate") && !strings.Contains(out, "database schema") {
			t.Errorf("muster %v on an empty PostgreSQL database: code %d: %s", args, code, out)
		}
	}
	if out, code := command(t, "account", "create", "--name", "x", "--data", filepath.Join(t.TempDir(), "new")); code != 0 {
		t.Errorf("account create: code %d: %s", code, out)
	}
}

// TestEmptyBackup: a backup without an account is a mistake, whichever way it goes.
func TestEmptyBackup(t *testing.T) {
	db := engines["sqlite"](t)
	command(t, append([]string{"migrate"}, db...)...)
	file := path(t, "b")
	out, code := command(t, append([]string{"backup", file}, db...)...)
	if code != 1 || !strings.Contains(out, "no account") {
		t.Errorf("backup: code %d: %s", code, out)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("a refused backup left its file")
	}
}

// TestBackupAndRestore moves a database.
func TestBackupAndRestore(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		file := path(t, "b")
		command(t, append([]string{"account", "create", "--name", "Moved"}, db...)...)
		if out, code := command(t, append([]string{"backup", file}, db...)...); code != 0 {
			t.Fatalf("backup: code %d: %s", code, out)
		}
		fresh := engines["sqlite"](t)
		if out, code := command(t, append([]string{"restore", file}, fresh...)...); code != 0 {
			t.Fatalf("restore: code %d: %s", code, out)
		}
		if out, _ := command(t, append([]string{"account", "list"}, fresh...)...); !strings.Contains(out, "Moved") {
			t.Errorf("after restoring: %s", out)
		}
	})
}

// TestNewerSchema: an older program leaves the database of a newer one alone.
func TestNewerSchema(t *testing.T) {
	db := engines["sqlite"](t)
	file := path(t, "b")
	command(t, append([]string{"account", "create", "--name", "x"}, db...)...)
	command(t, append([]string{"backup", file}, db...)...)
	execute(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
	for _, args := range [][]string{
		{"serve", "--listen", "127.0.0.1:0"}, {"demo", "--listen", "127.0.0.1:0"}, {"migrate"}, {"restore", file},
		{"account", "create", "--name", "y"}, {"account", "list"}, {"backup", path(t, "c")},
	} {
		out, code := command(t, append(args, db...)...)
		if code != 1 || !strings.Contains(out, "newer") {
			t.Errorf("muster %v: code %d: %s", args, code, out)
		}
	}
}

// execute changes an embedded database behind the program's back.
func execute(t *testing.T, db []string, statement string) {
	t.Helper()
	conn, err := sql.Open("sqlite", filepath.Join(db[1], "muster.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
}

// TestSecondSignal: the first asks the program to finish, the second ends it at once.
func TestSecondSignal(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "muster")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "muster/cmd/muster").CombinedOutput()
	if err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	p := startBinary(t, binary, engines["sqlite"](t))
	// A request that does not end keeps the server from leaving by itself.
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /api/v2/accounts/devices/registration_code HTTP/1.1\r\nHost: x\r\nGears-Auth: XXXXXXXX\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	_, err = bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		err = p.cmd.Process.Signal(sig)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server says that it stops", func() bool { return strings.Contains(p.log.String(), "stopping") })
	}
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case <-ended:
		status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
			t.Errorf("the program ended with %v", p.cmd.ProcessState)
		}
	case <-time.After(15 * time.Second): // to finish would take it stopWithin, twenty seconds
		t.Error("the second signal was ignored")
		p.cmd.Process.Kill()
		<-ended
	}
}

// TestOddPaths: no path leads elsewhere. Following a redirect, a client would tell its token once more.
func TestOddPaths(t *testing.T) {
	p := start(t, engines["sqlite"](t))
	for _, target := range []string{
		"/o//api/v3.1/account?access_token=S", "//o/api/v3.1/account?access_token=S", "/o/../o/api/v3.1/account?access_token=S",
		"/o/./api/v3.1/account?access_token=S", "/o/%2e%2e/o/api/v3.1/account?access_token=S", "/o/%2E/api/v3.1/account?access_token=S",
		"/o%2F%2Fapi/v3.1/account?access_token=S", "/o/api/v3.1/account/?access_token=S", "/o/api/v3.1/account//?access_token=S",
		"//", "///", "//healthz", "/healthz/", "/x/../healthz", "/%2e/metrics", "/nothing",
	} {
		checkNotFound(t, p, "GET", target)
		checkNotFound(t, p, "POST", target)
	}
	checkNotFound(t, p, "OPTIONS", "*")
	for _, target := range []string{"/healthz", "/readyz", "/metrics"} {
		r := p.call("POST", target, nil, "").want(405)
		if allow := r.header.Get("Allow"); !strings.Contains(allow, "GET") {
			t.Errorf("POST %s: Allow is %q", target, allow)
		}
		p.call("HEAD", target, nil, "").want(200)
	}
}

// checkNotFound sends a request line as it is, which a client library would not.
func checkNotFound(t *testing.T, p *program, method, target string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: muster.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method, target)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%s %s: %v", method, target, err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != 404 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Location") != "" || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: %s, %v", method, target, resp.Status, resp.Header)
	}
}

// TestEmptyFlags: a variable of the shell that was not set must not choose another database, or plain HTTP, in silence.
func TestEmptyFlags(t *testing.T) {
	serve := []string{"serve", "--listen", "127.0.0.1:0"}
	for _, flag := range []string{"database", "tls-cert", "tls-key", "behind-proxy", "data", "base-url", "metrics-listen"} {
		for _, args := range [][]string{{"--" + flag, ""}, {"--" + flag + "="}, {"--" + flag}, {"--" + flag, "--log-text"}} {
			checkUsage(t, "--"+flag, append(append(serve[:len(serve):len(serve)], "--data", t.TempDir()), args...)...)
		}
	}
	for _, args := range [][]string{{"--rate-limit", "-1"}, {"--rate-limit=-1"}, {"--rate-limit", "x"}, {"--rate-limit"}, {"--behind-proxy", " , "}} {
		checkUsage(t, strings.TrimSuffix(args[0], "=-1"), append(append(serve[:len(serve):len(serve)], "--data", t.TempDir()), args...)...)
	}
	checkUsage(t, "--rate-limit: must not be negative", append(serve[:len(serve):len(serve)], "--data", t.TempDir(), "--rate-limit", "-1")...)
	checkUsage(t, "--account", "device", "list", "--data", t.TempDir(), "--account", "")
	checkUsage(t, "--name", "account", "set", "--data", t.TempDir())
	t.Setenv("MUSTER_DATABASE", "")
	checkUsage(t, "--database", append(serve[:len(serve):len(serve)], "--data", t.TempDir())...)
}

func checkUsage(t *testing.T, says string, args ...string) {
	t.Helper()
	out, code := command(t, args...)
	if code != 2 || !strings.Contains(out, says) {
		t.Errorf("muster %q: code %d, want 2: %s does not speak of %s", args, code, out, says)
	}
}

// TestConfigurationOfEveryCommand: each flag has its variable and its key, also below the second word of a command.
func TestConfigurationOfEveryCommand(t *testing.T) {
	db := engines["sqlite"](t)
	for _, c := range []struct{ name, text, permission string }{
		{"flat.yaml", "permission: write\ndata: DIR\n", "write"},
		{"flat.toml", "permission = \"write\"\ndata = \"DIR\"\n", "write"},
		{"nested.yaml", "permission: read\napp:\n  create:\n    permission: write\n    calls_per_minute: 7\n    json: true\ndata: DIR\n", "write"},
		{"nested.toml", "permission = \"read\"\ndata = \"DIR\"\n[app.create]\npermission = \"write\"\ncalls-per-minute = 7\njson = true\n", "write"},
		{"half.yaml", "permission: write\napp: {permission: read}\ndata: DIR\n", "read"},
		{"of another.yaml", "serve: {listen: 127.0.0.1:1, data: /nowhere}\ndevice: {list: {json: true}}\ndata: DIR\n", "read"},
	} {
		file := path(t, c.name)
		write(t, file, strings.ReplaceAll(c.text, "DIR", db[1]))
		command(t, append([]string{"account", "create", "--name", c.name}, db...)...)
		made, code := command(t, "app", "create", "--name", "x", "--account", c.name, "--json", "--config", file)
		if code != 0 || decode[object](t, made)["permission"] != c.permission {
			t.Errorf("%s: code %d: %s", c.name, code, made)
		}
		if !strings.HasPrefix(c.name, "nested") {
			continue
		}
		list, _ := command(t, append([]string{"app", "list", "--json", "--account", c.name}, db...)...)
		if got := decode[[]object](t, list)[0]["calls_per_minute"]; got != 7.0 {
			t.Errorf("%s: calls a minute: %v", c.name, got)
		}
	}
	t.Setenv("MUSTER_PERMISSION", "write")
	made, _ := command(t, append([]string{"app", "create", "--name", "x", "--account", "flat.yaml", "--json"}, db...)...)
	if decode[object](t, made)["permission"] != "write" {
		t.Errorf("MUSTER_PERMISSION is ignored: %s", made)
	}
}

// TestConfigurationMistakes: what cannot be a setting is refused with its place.
func TestConfigurationMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"a.yaml", "serve: {listn: x}\n", "serve.listn"},
		{"b.toml", "[app.create]\nlisten = \"x\"\n", "app.create.listen"},
		{"c.yaml", "listen: {a: 1}\n", "listen"},
		{"d.yaml", "database:\n", "database"},
		{"e.yaml", "database: ''\n", "database"},
		{"f.yaml", "rate_limit: 1\nrate-limit: 2\n", "twice"},
		{"g.yaml", "sreve: {listen: x}\n", "sreve"},
		{"h.yaml", "serve: 5\n", "serve"},
		{"i.yaml", "config: other.yaml\n", "config"},
		{"j.toml", "listen = \n", "configuration file"},
	} {
		file := path(t, c.name)
		write(t, file, c.text)
		checkUsage(t, c.says, "serve", "--config", file, "--data", t.TempDir(), "--listen", "127.0.0.1:0")
	}
}

// TestErrorsSpeakPlainly: what is wrong comes first, and its cause once.
func TestErrorsSpeakPlainly(t *testing.T) {
	out, code := command(t, "serve", "--listen", "127.0.0.1:0", "--database", "postgres://x@127.0.0.1:1/x")
	if code != 1 || !strings.HasPrefix(out, "muster: The database cannot be opened\n") || strings.Count(out, "connection refused") != 1 {
		t.Errorf("code %d: %s", code, out)
	}
	if strings.Contains(out, "Another") || strings.Count(out, "because:") != 1 {
		t.Errorf("%s", out)
	}
}

// TestMetricsListener: it has no TLS and no credentials.
func TestMetricsListener(t *testing.T) {
	checkUsage(t, "--metrics-listen", "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--metrics-listen", "0.0.0.0:0")
	addr := freeAddress(t)
	p := start(t, engines["sqlite"](t), "--metrics-listen", addr)
	p.url = "http://" + addr
	for _, target := range []string{"/healthz", "/readyz", "/metrics"} {
		p.call("GET", target, nil, "").want(200)
	}
	checkNotFound(t, p, "GET", "//metrics")
	checkNotFound(t, p, "GET", "/o/api/v3.1/account")
	checkNotFound(t, p, "OPTIONS", "*")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
