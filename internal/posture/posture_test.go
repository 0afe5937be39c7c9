package posture_test

import (
	"bytes"
	"crypto/rand"
	"regexp"
	"strings"
	"testing"
	"time"

	"muster/internal/posture"
)

func TestParseMAC(t *testing.T) {
	for _, text := range []string{
		"00:0c:29:f2:7a:29", "00:0C:29:F2:7A:29", "00-0c-29-f2-7a-29", "000c.29f2.7a29", "000c29f27a29", "000C29F27A29",
	} {
		mac, ok := posture.ParseMAC(text)
		if !ok || mac.String() != "00:0c:29:f2:7a:29" {
			t.Errorf("%q: %v, %v", text, mac, ok)
		}
	}
	for _, text := range []string{
		"", "00", "00:0c:29:f2:7a", "00:0c:29:f2:7a:2g", "00:0c-29:f2:7a:29", "00:0c:29:f2:7a:29:00:01", "000c29f27a290001", "000c29f27a2 ",
		"5f0c2a9d7be14c33a1d2e4f607182930", "00 0c 29 f2 7a 29", "0:c:29:f2:7a:29", "०००c29f27a29",
	} {
		mac, ok := posture.ParseMAC(text)
		if ok {
			t.Errorf("%q is read as %v", text, mac)
		}
	}
}

func TestMACKinds(t *testing.T) {
	for text, want := range map[string][2]bool{ // made up, identifies
		"00:0c:29:00:00:01": {false, true}, "02:00:00:00:00:01": {true, false}, "01:00:5e:00:00:01": {false, false},
		"00:00:00:00:00:00": {false, false}, "ff:ff:ff:ff:ff:ff": {true, false},
	} {
		mac, _ := posture.ParseMAC(text)
		if got := [2]bool{mac.LocallyAdministered(), mac.Identifies()}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestIdentifyingNumber(t *testing.T) {
	for text, want := range map[string]string{
		" PF-2ABCD ": "pf-2abcd", "Default string": "", "To be filled by O.E.M.": "", "0000000000": "", "00000000-0000-0000-0000-000000000000": "",
		"FFFFFFFF": "", "": "", "abc": "", "None": "", "123456789": "", "VMware-56 4d": "vmware-56 4d",
	} {
		if got := posture.IdentifyingNumber(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNewID(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	form := regexp.MustCompile(`^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$`)
	before := ""
	for i := range 50 {
		id := posture.NewID(at.Add(time.Duration(i)*time.Millisecond), rand.Reader)
		if !form.MatchString(id) || id <= before {
			t.Fatalf("%q after %q", id, before)
		}
		if _, ok := posture.ParseMAC(id); ok {
			t.Fatalf("%q looks like a MAC address", id)
		}
		before = id
	}
	defer func() {
		if recover() == nil {
			t.Error("a source of randomness that fails was not noticed")
		}
	}()
	posture.NewID(at, bytes.NewReader(nil))
}

func TestMonitored(t *testing.T) {
	for _, s := range posture.Statuses {
		want := s != posture.StatusUnknown && s != posture.StatusOutOfLicence && s != posture.StatusIgnored
		if s.Monitored() != want {
			t.Errorf("%v: monitored %v", s, s.Monitored())
		}
		if s.String() == "invalid" || strings.Contains(s.String(), "_") {
			t.Errorf("status %d is spelt %q", s, s)
		}
	}
}

func TestCountIssues(t *testing.T) {
	v := posture.Verdict{Issues: []posture.Issue{{Severity: posture.Critical}, {Severity: posture.Warning}, {Severity: posture.Warning}}}
	total, critical, warning := v.CountIssues()
	if total != 3 || critical != 1 || warning != 2 {
		t.Errorf("%d, %d, %d", total, critical, warning)
	}
}

func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"00:0c:29:f2:7a:29", "00-0C-29-F2-7A-29", "000c.29f2.7a29", "000c29f27a29", "", "::::::", "00:0c:29:f2:7a:29:00:01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mac, ok := posture.ParseMAC(s)
		if !ok {
			return
		}
		again, ok := posture.ParseMAC(mac.String())
		if !ok || again != mac {
			t.Errorf("%q is %v, which is read back as %v", s, mac, again)
		}
		digits := strings.NewReplacer(":", "", "-", "", ".", "").Replace(strings.ToLower(s))
		if digits != strings.ReplaceAll(mac.String(), ":", "") {
			t.Errorf("%q is read as %v", s, mac)
		}
	})
}

func TestPolicyRefText(t *testing.T) {
	for _, r := range []posture.PolicyRef{{}, {ID: 1}, {ID: 17, Version: 4}} {
		got, ok := posture.ParsePolicyRef(r.String())
		if !ok || got != r {
			t.Errorf("%v is read as %v, %v", r, got, ok)
		}
	}
	for _, odd := range []string{"", "1", ".", "1.", ".1", "a.b", "builtin", "1.2.3"} {
		if got, ok := posture.ParsePolicyRef(odd); ok {
			t.Errorf("%q is read as %v", odd, got)
		}
	}
}
