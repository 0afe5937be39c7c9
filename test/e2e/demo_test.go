package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDemo sends the reference's two examples as printed there, with only the host changed.
func TestDemo(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := startCommand(t, "demo", db)
		eventuallyWithin(t, demoStart, "the demo introduces itself", func() bool { return strings.Contains(p.out.String(), "Ctrl-C") })

		r := p.call("POST", "/o/api/v3.2/account?access_token=TEST7P9ZMJ2LBF8AMOMJLNPMMLO953AVQ4C9YFF52R61234", nil, "").want(200)
		want := object{
			"name": "OPSWAT IT", "email": "opswat_it@opswat.com", "last_login": "2017-03-09T08:00:00Z", "date_created": "2013-10-04T08:00:00Z",
			"devices_allowed": 500.0, "devices_used": 120.0, "license_key": "testcccd3e7201ee83e2c4b9f6dfc96c",
			"devices_by_status":                 list("status", "compliant", 110, "non-compliant", 5, "exempted", 5, "unknown", 25),
			"devices_by_issue_severity":         list("severity", "critical", 2, "warning", 50, "no_issue", 68),
			"devices_by_vulnerability_severity": list("severity", "critical", 20, "important", 50, "moderate", 23, "low", 17, "unknown", 10),
		}
		if diff := cmp.Diff(want, r.object()); diff != "" {
			t.Error(diff)
		}
		link := func(mac string) string {
			return p.call("POST", "/o/api/v2/devices/"+mac+"/link_user?opt=0&access_token=TEST7P9ZMJ2LBF8AMOMJLFNPMMLO953AVQ4C9YFF52R61234", nil,
				`{"username":"testinguser","group":"testinggroup"}`).want(200).body
		}
		if got := link("00:0c:29:f2:7a:29"); got != `{"result":1,"msg":"OK"}` {
			t.Errorf("link user: %s", got)
		}
		if got := link("00:0c:29:f2:7a:28"); got != `{"result":0,"msg":"Device not found"}` {
			t.Errorf("link user on a device that is not there: %s", got)
		}
		checkPrintedLines(t, p)
	})
}

// checkPrintedLines follows the address and credentials that the demo printed.
func checkPrintedLines(t *testing.T, p *program) {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^  curl .*'(http://[^']+)'`).FindAllStringSubmatch(p.out.String(), -1)
	if len(lines) != 3 {
		t.Fatalf("%d curl lines in %s", len(lines), p.out)
	}
	for i, method := range []string{"POST", "POST", "GET"} {
		if !strings.HasPrefix(lines[i][1], p.url) {
			t.Errorf("a line leads to %s, not to %s", lines[i][1], p.url)
			continue
		}
		p.call(method, strings.TrimPrefix(lines[i][1], p.url), nil, map[int]string{1: `{"username":"testinguser","group":"testinggroup"}`}[i]).want(200)
	}
}

// list makes one of the lists of account details.
func list(name string, pairs ...any) []any {
	var out []any
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, object{name: pairs[i], "number_of_devices": float64(pairs[i+1].(int))})
	}
	return out
}

// TestDemoKeepsToItself: its tokens are public.
func TestDemoKeepsToItself(t *testing.T) {
	out, code := command(t, "demo", "--listen", "0.0.0.0:0", "--data", t.TempDir())
	if code != 2 || !strings.Contains(out, "loopback") {
		t.Errorf("code %d: %s", code, out)
	}
	db := engines["sqlite"](t)
	command(t, append([]string{"account", "create", "--name", "Mine"}, db...)...)
	out, code = command(t, append([]string{"demo", "--listen", "127.0.0.1:0"}, db...)...)
	if code != 1 || !strings.Contains(out, "empty database") {
		t.Errorf("code %d: %s", code, out)
	}
}

// TestDemoData: the demo keeps to a directory that it was given, even to the usual one, and takes up its own data again;
// a server does not run on data whose tokens everybody knows.
func TestDemoData(t *testing.T) {
	t.Chdir(t.TempDir())
	db := []string{"--data", "./muster-data"}
	const wants = "POST /o/api/v3.2/account?access_token=TEST7P9ZMJ2LBF8AMOMJLNPMMLO953AVQ4C9YFF52R61234"
	var answers []string
	for range 2 {
		p := startCommand(t, "demo", db)
		eventuallyWithin(t, demoStart, "the demo introduces itself", func() bool { return strings.Contains(p.out.String(), "Ctrl-C") })
		answers = append(answers, p.call("POST", strings.TrimPrefix(wants, "POST "), nil, "").want(200).body)
		p.end()
		execute(t, db, "UPDATE tokens SET expires_at = 1000")
	}
	if answers[0] != answers[1] {
		t.Errorf("the second time the demo has other numbers: %s, %s", answers[0], answers[1])
	}
	out, code := command(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, db...)...)
	if code != 1 || !strings.Contains(out, "muster demo") {
		t.Errorf("serve on the demo's data: code %d: %s", code, out)
	}
}
