package app

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// apiServer answers as a server does whose account has two devices.
func apiServer(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	calls := map[string]string{
		"/o/api/v3.7/devices": `{"next_token":"","devices":[
			{"device_id":"d1","device_name":"Lab seven","host_name":"pc","device_type":"laptop","status":"non_compliant","severity":"critical",
			"enrolled_at":"2024-01-01T00:00:00Z","last_seen":"2024-03-02T10:15:00Z","agent_version":"7.6","os_info":{"family":"macOS","name":"macOS","version":"15"},
			"link_user":{"username":"kari","group":"staff"}},
			{"device_id":"d2","device_name":"printer","status":"out_of_license_usage","severity":"no_issues"},
			{"device_id":"d3","device_name":"camera","status":"unknown","severity":"no_issues"}]}`,
		"/o/api/v3.8/devices/detail": `[{"device_id":"d1","device_name":"Lab seven","device_type":"laptop","status":"non_compliant","severity":"critical",
			"enrolled_at":"2024-01-01T00:00:00Z","last_seen":"2024-03-02T10:15:00Z","network_info":[{"mac":"02:42:ac:11:00:07","ipv4":"N/A"},{"mac":""}]}]`,
		"/o/api/v3.2/get_cves": `[{"cve_id":"CVE-2099-0001","severity":"important","opswat_score":"61","cvss3_score":7.8,"kev":1}]`,
	}
	for path, text := range calls {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "nobody") {
				text = `[]`
			}
			io.WriteString(w, text)
		})
	}
	mux.HandleFunc("GET /o/api/v2.2/devices/d1/policy_check", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("verbose") != "1" || r.FormValue("opt") != "1" {
			w.WriteHeader(400)
			return
		}
		io.WriteString(w, `{"status":1,"issues":[
			{"category":"Firewall","critical":1,"desc":"nft is off","check":"enabled","outcome":"fail","product":"nft","remediation":"Turn it on"},
			{"category":"3rd Party Patch Mgmt.","critical":0,"desc":"not told","check":"installed","outcome":"unknown"},
			{"category":"Operating System","critical":0,"desc":"no news","check":"updates","outcome":"stale"}]}`)
	})
	mux.HandleFunc("POST /o/api/v2.2/devices/{id}/delete", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "d1" {
			io.WriteString(w, `{"result":0,"msg":"Device not found"}`)
			return
		}
		io.WriteString(w, `{"result":1,"msg":"Device has been deleted"}`)
	})
	mux.HandleFunc("POST /o/oauth/token", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("client_secret") != "right" {
			w.WriteHeader(401)
			io.WriteString(w, `{"error":"invalid_client"}`)
			return
		}
		io.WriteString(w, `{"access_token":"t"}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// muster runs a command and gives what it printed.
func muster(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(t.Context(), args, &stdout, &stderr)
	return stdout.String() + stderr.String(), code
}

func at(url string, args ...string) []string {
	return append(args, "--server", url, "--client-id", "id", "--client-secret", "right")
}

func TestDevicesOfAServer(t *testing.T) {
	url := apiServer(t)
	out, code := muster(t, at(url, "device", "list")...)
	want := "DEVICE ID  NAME       TYPE    OS   STATUS                SEVERITY  LAST SEEN\n" +
		"d1         Lab seven  laptop  mac  non-compliant         critical  2024-03-02T10:15:00Z\n" +
		"d2         printer                 out-of-license-usage  no_issue  never\n" +
		"d3         camera                  unknown               no_issue  never\n"
	if code != 0 || out != want {
		t.Errorf("code %d:\n%s", code, cmp.Diff(want, out))
	}
	out, _ = muster(t, at(url, "device", "list", "--json", "--limit", "1")...)
	var list []map[string]any
	if json.Unmarshal([]byte(out), &list) != nil || len(list) != 1 {
		t.Fatal(out)
	}
	wantDevice := map[string]any{"device_id": "d1", "name": "Lab seven", "host_name": "pc", "type": "laptop", "os_family": "mac", "os_name": "macOS", "os_version": "15",
		"status": "non-compliant", "severity": "critical", "managed": true, "agent_version": "7.6", "enrolled_at": "2024-01-01T00:00:00Z", "last_seen": "2024-03-02T10:15:00Z",
		"link_user": map[string]any{"username": "kari", "group": "staff"}}
	if diff := cmp.Diff(wantDevice, list[0]); diff != "" {
		t.Error(diff)
	}
	out, code = muster(t, at(url, "device", "show", "d1")...)
	for _, text := range []string{
		"critical firewall/enabled (fail): nft is off\n", "Turn it on\n", "warning patch_management/installed (unknown): not told\n", "warning operating_system/updates (stale): no news\n", "adapter           02:42:ac:11:00:07\n", "vulnerability     CVE-2099-0001\n"} {
		if code != 0 || !strings.Contains(out, text) {
			t.Errorf("code %d: there is no %q in\n%s", code, text, out)
		}
	}
	if strings.Contains(out, "last report") {
		t.Errorf("what is not told is shown:\n%s", out)
	}
	out, _ = muster(t, at(url, "device", "show", "d1", "--json")...)
	for _, text := range []string{`"mac": "02:42:ac:11:00:07"`, `"id": "CVE-2099-0001"`, `"kev": true`, `-1`, `7.8`} {
		if !strings.Contains(out, text) {
			t.Errorf("there is no %s in\n%s", text, out)
		}
	}
	if strings.Contains(out, "0001-01-01") {
		t.Errorf("a time that is not told is shown:\n%s", out)
	}
	out, code = muster(t, at(url, "device", "delete", "d1")...)
	if code != 0 || out != "deleted d1\n" {
		t.Errorf("code %d: %s", code, out)
	}
}

func TestServerFailures(t *testing.T) {
	url := apiServer(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{at(url, "device", "show", "nobody"), 1, "muster: Device not found\n"},
		{at(url, "device", "delete", "d9"), 1, "muster: Device not found\n"},
		{[]string{"device", "list", "--server", url, "--client-id", "id", "--client-secret", "wrong"}, 1, "does not accept the client id"},
		{at("http://127.0.0.1:1", "device", "list"), 1, "connection refused"},
		{at("ftp://x", "device", "list"), 2, "must begin with https://"},
		{[]string{"device", "list", "--server", url}, 2, "--client-id: --server, --client-id and --client-secret come together"},
		{[]string{"device", "list", "--server", url, "--client-id", "x"}, 2, "--client-secret:"},
		{[]string{"device", "show", "d1", "--client-secret", "x"}, 2, "--server:"},
		{at(url, "device", "list", "--data", t.TempDir()), 2, "leave out --server or --data"},
		{at(url, "device", "delete", "d1", "--database", "postgres://x"), 2, "leave out --server or --data"},
		{at(url, "device", "list", "--account", "x"), 2, "--account:"},
		{at("", "device", "list"), 2, "--server"},
	} {
		out, code := muster(t, c.args...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("muster %v: code %d, want %d: %s", c.args, code, c.code, out)
		}
	}
}

// TestServerFromElsewhere: the secret need not stand on the command line.
func TestServerFromElsewhere(t *testing.T) {
	url := apiServer(t)
	file := filepath.Join(t.TempDir(), "c.yaml")
	err := os.WriteFile(file, []byte("server: "+url+"\nclient_id: id\nclient_secret: right\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if out, code := muster(t, "device", "list", "--config", file); code != 0 || !strings.Contains(out, "camera") {
		t.Errorf("from a file: code %d: %s", code, out)
	}
	t.Setenv("MUSTER_SERVER", url)
	t.Setenv("MUSTER_CLIENT_ID", "id")
	t.Setenv("MUSTER_CLIENT_SECRET", "right")
	if out, code := muster(t, "device", "list"); code != 0 || !strings.Contains(out, "camera") {
		t.Errorf("from the environment: code %d: %s", code, out)
	}
	if out, code := muster(t, "device", "list", "--data", t.TempDir()); code != 2 || !strings.Contains(out, "environment") {
		t.Errorf("with a database: code %d: %s", code, out)
	}
}
