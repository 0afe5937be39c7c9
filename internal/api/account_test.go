package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/posture"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares an answer with a file of testdata, laid out for reading. The order of members is part of it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	var laid bytes.Buffer
	if err := json.Indent(&laid, []byte(got), "", "  "); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	laid.WriteByte('\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, laid.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(laid.Bytes(), want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, laid.Bytes(), want)
	}
}

// fleet puts a different number of devices into each cell, so that no two counters of an answer are alike by chance.
func fleet(l *lab) {
	n := int64(1)
	for _, status := range posture.Statuses {
		for severity := posture.NoIssue; severity <= posture.Critical; severity++ {
			opswat := posture.Level(n % posture.NumLevels)
			l.devices.counts.Add(posture.Cell{
				Group: posture.DefaultGroup, Status: status, Severity: severity,
				Levels: posture.Levels{opswat, min(posture.LevelHigh, (opswat+1)%posture.NumLevels), (opswat + 2) % posture.NumLevels},
			}, n)
			n++
		}
	}
}

func TestAccountGolden(t *testing.T) {
	for _, c := range []struct{ golden, method, target, body string }{
		{"account_v2", "GET", "/o/api/v2/account", ""},
		{"account_v2", "GET", "/o/api/v2.0/account", ""},
		{"account_v2", "GET", "/o/api/v2/account.json", ""},
		{"account_v2", "POST", "/o/api/v2/account", "[]"},
		{"account_v2", "GET", "/o/api/v2/account?verify=True", ""},
		{"account_v3", "GET", "/o/api/v3/account", ""},
		{"account_v3", "GET", "/o/api/v3.0/account", ""},
		{"account_v3", "POST", "/o/api/v3/account", ""},
		{"account_v31", "GET", "/o/api/v3.1/account", ""},
		{"account_v31", "POST", "/o/api/v3.1/account", "{}"},
		{"account_v31", "GET", "/o/api/v3.1/account?score_type=cvss2_score", ""},
		{"account_v31", "POST", "/o/api/v3.1/account", `{"score_type":"cvss3_score"}`},
		{"account_v32_opswat", "POST", "/o/api/v3.2/account", ""},
		{"account_v32_opswat", "POST", "/o/api/v3.2/account", "{}"},
		{"account_v32_opswat", "POST", "/o/api/v3.2/account", "[]"},
		{"account_v32_opswat", "POST", "/o/api/v3.2/account", "null"},
		{"account_v32_opswat", "POST", "/o/api/v3.2/account", `{"score_type":null}`},
		{"account_v32_opswat", "POST", "/o/api/v3.2/account", `{"access_token":"stray","filter":{"a":[null]}}`},
		{"account_v32_opswat", "POST", "/o/api/v3.2/account", `{"score_type":"opswat_score"}`},
		{"account_v32_cvss2", "POST", "/o/api/v3.2/account", `{"score_type":"cvss2_score"}`},
		{"account_v32_cvss2", "POST", "/o/api/v3.2/account", `{"score_type":"cvss2_ score"}`},
		{"account_v32_cvss2", "POST", "/o/api/v3.2/account?score_type=cvss2_score", ``},
		{"account_v32_cvss2", "POST", "/o/api/v3.2/account?score_type=cvss2_+score", `[]`},
		{"account_v32_cvss2", "POST", "/o/api/v3.2/account?score_type=cvss2_%20score", `{"score_type":null}`},
		{"account_v32_cvss3", "POST", "/o/api/v3.2/account", `{"score_type":"cvss3_score"}`},
		{"account_v32_cvss3", "POST", "/o/api/v3.2/account", `{"score_type":"opswat_score","score_type":"cvss3_score"}`},
		{"account_v32_cvss3", "POST", "/o/api/v3.2/account?score_type=cvss2_score", `{"score_type":"cvss3_score"}`},
	} {
		t.Run(c.method+" "+c.target+" "+c.body, func(t *testing.T) {
			l := newLab()
			fleet(l)
			a := l.do(request{method: c.method, target: c.target, token: readToken, body: c.body})
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			a.members(t)
			golden(t, c.golden, a.body)
		})
	}
}

// A new account has nothing to count and an owner who never signed in.
func TestAccountOfANewAccount(t *testing.T) {
	fresh := acme
	fresh.LastLogin = time.Time{}
	for _, c := range []struct {
		golden  string
		version version
	}{{"account_new_v2", v2}, {"account_new_v3", v3}, {"account_new_v31", v31}, {"account_new_v32", v32}} {
		body, err := json.Marshal(renderAccount(c.version, &fresh, &newLab().devices.counts, posture.ScoreOpswat))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, c.golden, string(body))
		if strings.Contains(string(body), "null") || strings.Contains(string(body), "last_login") {
			t.Errorf("%s", body)
		}
	}
}

// The sums that the design promises hold under every score type.
func TestAccountSums(t *testing.T) {
	l := newLab()
	fleet(l)
	for _, scoreType := range []string{"opswat_score", "cvss2_score", "cvss3_score"} {
		a := l.do(request{method: "POST", target: "/o/api/v3.2/account", token: readToken, body: `{"score_type":"` + scoreType + `"}`})
		m := a.members(t)
		for _, list := range []string{"devices_by_issue_severity", "devices_by_vulnerability_severity"} {
			sum := 0.0
			for _, entry := range m[list].([]any) {
				sum += entry.(map[string]any)["number_of_devices"].(float64)
			}
			if sum != m["devices_used"] {
				t.Errorf("%s: %s adds up to %v, devices_used is %v", scoreType, list, sum, m["devices_used"])
			}
		}
	}
}

func TestScoreTypeRefused(t *testing.T) {
	for _, c := range []struct{ query, body string }{
		{"", `{"score_type":"cvss4_score"}`},
		{"", `{"score_type":"CVSS2_SCORE"}`},
		{"", `{"score_type":""}`},
		{"", `{"score_type":" opswat_score"}`},
		{"", `{"score_type":"opswat_score "}`},
		{"", `{"score_type":3}`},
		{"", `{"score_type":true}`},
		{"", `{"score_type":["opswat_score"]}`},
		{"", `{"score_type":{}}`},
		{"?score_type=cvss4_score", ``},
		{"?score_type=", `[]`},
		{"?score_type=%ff", ``},
		{"?score_type=%zz", ``},
	} {
		a := newLab().do(request{method: "POST", target: "/o/api/v3.2/account" + c.query, token: readToken, body: c.body})
		a.wantError(t, 400, "invalid_request", "score_type must be one of opswat_score, cvss2_score, cvss3_score", false)
	}
}

func TestAccountBodyRefused(t *testing.T) {
	for _, body := range []string{"{", "nope", `"text"`, `[1]`, `{}{}`, "{\"a\":\"\xff\"}", strings.Repeat("[", 65) + strings.Repeat("]", 65)} {
		for _, target := range []string{"/o/api/v2/account", "/o/api/v3.2/account"} {
			a := newLab().do(request{method: "POST", target: target, token: readToken, body: body})
			a.wantError(t, 400, "invalid_request", "body", false)
		}
	}
}

func TestTimestamp(t *testing.T) {
	for _, c := range []struct {
		in   time.Time
		want string
	}{
		{time.Time{}, ""},
		{time.Date(2024, 2, 1, 9, 15, 0, 0, time.UTC), "2024-02-01T09:15:00Z"},
		{time.Date(2024, 2, 1, 9, 15, 0, 999999999, time.UTC), "2024-02-01T09:15:00Z"},
		{time.Date(2024, 1, 1, 0, 30, 0, 0, time.FixedZone("", 3600)), "2023-12-31T23:30:00Z"},
	} {
		if got := timestamp(c.in); got != c.want {
			t.Errorf("%v: %q, want %q", c.in, got, c.want)
		}
	}
}
