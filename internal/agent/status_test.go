package agent

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/agent/protocol"
	"muster/internal/agent/state"
	"muster/internal/atomicfile"
)

// status runs the command and gives what it says and its exit status.
func status(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out, complaint bytes.Buffer
	code := Main(t.Context(), append([]string{"status", "--settings", "/dev/null"}, args...), &out, &complaint)
	return out.String() + complaint.String(), code
}

func TestStatusOfTheRunningAgent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "status.json")
	for verdict, want := range map[string]int{
		"compliant": 0, "in-grace": 0, "exempted": 0, "non-compliant": exitUnfit, "quarantined": exitUnfit, "": exitUnknown, "pending": exitUnknown,
	} {
		raw, err := json.Marshal(Status{DeviceID: "D1", Verdict: verdict, Issues: 2, Remediation: "https://muster.example.net/d", Contact: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if err := atomicfile.Write(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		text, code := status(t, "--status-file", file)
		if code != want || !strings.Contains(text, "https://muster.example.net/d") || verdict != "" && !strings.Contains(text, verdict) {
			t.Errorf("%q: exit status %d, want %d:\n%s", verdict, code, want, text)
		}
	}
}

// TestStaleStatus: what the server thought before it was lost is shown, and counts for nothing.
func TestStaleStatus(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for age, want := range map[time.Duration]int{time.Minute: 0, 59 * time.Minute: 0, 61 * time.Minute: exitUnknown, 1000 * time.Hour: exitUnknown, -1000 * time.Hour: exitUnknown} {
		if got := verdictExit(&Status{Verdict: "compliant", Contact: now.Add(-age)}, now); got != want {
			t.Errorf("after %v: exit status %d, want %d", age, got, want)
		}
	}
}

// TestStatusFromTheServer: where no agent shows anything, whoever may read the credentials asks the server.
func TestStatusFromTheServer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Gears-Access-Key") != "K" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, `{"status":"non-compliant","total_issue":3,"total_critical_issue":1,"remediation_link":"https://muster.example.net/d"}`)
	}))
	t.Cleanup(srv.Close)
	dir := filepath.Join(t.TempDir(), "state")
	args := []string{"--status-file", filepath.Join(t.TempDir(), "none"), "--state", dir}
	if text, code := status(t, args...); code != exitUnknown || !strings.Contains(text, "not enrolled") {
		t.Errorf("before it is enrolled: exit status %d:\n%s", code, text)
	}
	held, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	held.Server, held.Credentials = srv.URL, protocol.Credentials{LicenseKey: "L", DeviceID: "D1", Key: "K", Token: "T"}
	if err := held.Save(); err != nil {
		t.Fatal(err)
	}
	text, code := status(t, args...)
	if code != exitUnfit || !strings.Contains(text, "non-compliant, 3 issues, 1 of them critical") || !strings.Contains(text, "D1") ||
		!strings.Contains(text, "the agent does not run here") {
		t.Errorf("exit status %d:\n%s", code, text)
	}
	if strings.Contains(text, "K") && strings.Contains(text, `"T"`) {
		t.Errorf("it shows the credentials:\n%s", text)
	}
	srv.Close()
	if text, code := status(t, args...); code != 1 || !strings.Contains(text, "policy check") {
		t.Errorf("without its server: exit status %d:\n%s", code, text)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestIdentify: an answer is kept for the agent alone, unless it is not of the form that was asked for.
func TestIdentify(t *testing.T) {
	dir, file := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "status.json")
	identify := func(answer ...string) int {
		args := append([]string{"identify", "--settings", "/dev/null", "--state", dir, "--status-file", file}, answer...)
		return Main(t.Context(), args, io.Discard, io.Discard)
	}
	if code := identify("kari"); code != 0 || userIdentity(dir) != "kari" {
		t.Errorf("without a form: exit status %d, %q is kept", code, userIdentity(dir))
	}
	raw, err := json.Marshal(Status{Question: "Your address?", Pattern: `^[^@ ]+@example\.net$`})
	if err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	for answer, want := range map[string]int{"anna": 1, "anna@example.net": 0, "": 2, strings.Repeat("x", maxIdentity+1): 2} {
		if code := identify(answer); code != want {
			t.Errorf("%.20q: exit status %d, want %d", answer, code, want)
		}
	}
	if got := userIdentity(dir); got != "anna@example.net" {
		t.Errorf("%q is kept", got)
	}
}
