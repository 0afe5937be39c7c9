package policy

import (
	"bytes"
	"crypto/ed25519"
	"reflect"
	"strings"
	"testing"
	"time"

	"muster/internal/posture"
	"muster/internal/signature"
)

func testKey(seed byte) ed25519.PrivateKey {
	k, _ := signature.NewKey(bytes.NewReader(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	return k
}

const unsigned = `# Ours.
name: Ours   # yes
checks:
  - check: custom_check
    name: dock
    severity: warning
    scripts:
      # for people with Linux
      - os: [linux]
        interpreter: bash   # not sh
        timeout: 20s

        text: |
          # what it does
          exit 0
      - {os: [windows], interpreter: powershell, text: "exit 0"}
      - text: exit 1
        os: [mac]
        interpreter: sh
  - {check: firewall_enabled, severity: warning}
rules:
  - {name: Default, status: compliant}
`

const folder = `kind: group
name: Servers
spec: {policy: Ours}
---
kind: policy
name: Ours
spec:
  checks:
  - check: custom_check
    name: dock
    severity: warning
    scripts:
    - interpreter: sh
      text: "é 'x' \u0041"
  rules:
  - {name: Default, status: compliant}
`

func TestSignScripts(t *testing.T) {
	key, other := testKey(1), testKey(2)
	for name, file := range map[string]string{
		"a policy": unsigned, "a folder's file": folder, "with Windows' line ends": strings.ReplaceAll(unsigned, "\n", "\r\n"),
		"JSON": `{"name": "j", "checks": [{"check": "custom_check", "name": "e", "severity": "off"}, {"check": "custom_check", "name": "d", "severity": "warning", "scripts": [{"interpreter": "sh", "text": "exit 0\n"}]}], "rules": [{"name": "d", "status": "compliant"}]}`,
	} {
		signed, n, err := SignScripts([]byte(file), func(s *signature.Script) string { return s.Sign(key) })
		if err != nil || n == 0 {
			t.Errorf("%s: %d, %v", name, n, err)
			continue
		}
		again, _, err := SignScripts(signed, func(s *signature.Script) string { return s.Sign(other) })
		if err != nil {
			t.Errorf("%s again: %v", name, err)
		}
		scripts, err := ScriptsIn(signed)
		if err != nil || len(scripts) != n {
			t.Fatalf("%s: %v %v", name, scripts, err)
		}
		for _, s := range scripts {
			if err := s.Verify(s.Signature, []ed25519.PublicKey{signature.PublicOf(key)}, time.Now()); err != nil {
				t.Errorf("%s: line %d: %v", name, s.Line, err)
			}
		}
		ends := map[bool]int{true: bytes.Count(signed, []byte("\n"))} // all of those of Windows, or none
		if bytes.Count(signed, []byte("\r\n")) != ends[strings.Contains(file, "\r\n")] {
			t.Errorf("%s: lines end otherwise than they did: %q", name, signed)
		}
		// All else is as it was, and signing with the same key changes nothing more.
		back, _, err := SignScripts(again, func(s *signature.Script) string { return s.Sign(key) })
		if err != nil || !bytes.Equal(back, signed) {
			t.Errorf("%s: signed again it is another file: %v\n%s", name, err, back)
		}
		for line := range strings.Lines(file) {
			if !strings.Contains(line, "{") && !bytes.Contains(signed, []byte(line)) {
				t.Errorf("%s: lost: %q in\n%s", name, line, signed)
			}
		}
	}
}

func TestSignScriptsRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"mistakes":          {strings.Replace(unsigned, "bash", "perl", 1), `line 10`},
		"no YAML":           {"a: b: c", "not valid YAML"},
		"only a comment":    {"# nothing\n", "nothing to sign"},
		"an odd signature":  {strings.Replace(unsigned, "timeout: 20s", "signature: 'v1:x'", 1), "no signature"},
		"a long signature":  {strings.Replace(unsigned, "timeout: 20s", "signature: >\n            "+strings.Repeat("x", 10), 1), "no signature"},
		"an odd line break": {strings.Replace(unsigned, "what it does", "what \u2028 it \u2028 does", 1), ""},
	} {
		out, _, err := SignScripts([]byte(c.file), func(s *signature.Script) string { return s.Sign(testKey(1)) })
		if c.want == "" && err == nil { // either it is done right, or not at all
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestSigningChangesNothingElse: a signature that would change what a file says is not written.
func TestSigningChangesNothingElse(t *testing.T) {
	key := testKey(1)
	out, _, err := SignScripts([]byte(unsigned), func(s *signature.Script) string {
		signed := s.Sign(key)
		if s.Interpreter == "sh" {
			signed += "\n        timeout: 3s"
		}
		return signed
	})
	if err == nil || !strings.Contains(err.Error(), "without changing what it says") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What a machine is to run: by system and type, the first script that fits.
func TestScriptsOfMachines(t *testing.T) {
	check := func(name string, device posture.DeviceType, scripts ...Script) Check {
		c := Check{ID: customCheckID, Name: name, Severity: Warning, Scripts: scripts}
		if device != "" {
			c.DeviceTypes = []posture.DeviceType{device}
		}
		return c
	}
	linux := Script{OS: []posture.OSFamily{posture.Linux}, Interpreter: "sh", Text: "l", Signature: "s"}
	all := Script{Interpreter: "python", Text: "a", Timeout: Duration(1500e6)}
	off := check("off", "", all)
	off.Severity = Off
	c := newCompiled(&Policy{Name: "n", Checks: []Check{
		check("a", "", linux, all), check("b", posture.Laptop, linux), check("b", posture.Server, all), off, check("none", ""),
		{ID: "firewall_enabled", Severity: Warning},
	}}, posture.PolicyRef{})
	l := func(check string) AskedScript {
		return AskedScript{signature.Script{Check: check, Interpreter: "sh", Seconds: 30, Systems: []string{"linux"}, Text: "l"}, "s"}
	}
	a := func(check string) AskedScript {
		return AskedScript{signature.Script{Check: check, Interpreter: "python", Seconds: 2, Text: "a"}, ""}
	}
	for _, m := range []struct {
		family posture.OSFamily
		device posture.DeviceType
		want   []AskedScript
	}{
		{posture.Linux, posture.Laptop, []AskedScript{l("a"), l("b")}},
		{posture.Linux, posture.Server, []AskedScript{l("a"), a("b")}},
		{posture.Linux, posture.Desktop, []AskedScript{l("a")}},
		{posture.Windows, posture.Laptop, []AskedScript{a("a")}},
		{posture.Windows, posture.Server, []AskedScript{a("a"), a("b")}},
		{posture.Linux, "", []AskedScript{l("a"), l("b")}},
		{"", "", []AskedScript{a("a"), a("b")}},
	} {
		if got := c.Scripts(m.family, m.device); !reflect.DeepEqual(got, m.want) {
			t.Errorf("%s %s: %+v", m.family, m.device, got)
		}
	}
}

// A signature made over what a file says holds for what is stored and read again, whatever the script has in it.
func TestSignaturesOutliveStorage(t *testing.T) {
	key := testKey(1)
	for _, text := range []string{"a\r\nb\r\n", " x", "x \n\n\n", "\ttab", "é\u0085\u2028", "- a: 'b'", "#", "a\\n\"b\"", "\n\nx"} {
		p := &Policy{Name: "n", Checks: []Check{{ID: customCheckID, Name: "c", Severity: Warning, Scripts: []Script{{Interpreter: "sh", Text: text}}}},
			Rules: []Rule{{Name: "d", Status: Compliant}}}
		s := &p.Checks[0].Scripts[0]
		if p.Validate() != nil {
			continue // a character that cannot be shown
		}
		of := s.signed("c")
		s.Signature = of.Sign(key)
		document, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		c, err := Restore(document, posture.PolicyRef{})
		if err != nil {
			t.Fatal(err)
		}
		got := c.Scripts(posture.Linux, posture.Laptop)
		if len(got) != 1 || got[0].Verify(got[0].Signature, []ed25519.PublicKey{signature.PublicOf(key)}, time.Now()) != nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// FuzzSignScripts: a file is signed right, with nothing else changed, or not at all.
func FuzzSignScripts(f *testing.F) {
	f.Add([]byte(unsigned))
	f.Add([]byte(folder))
	f.Add([]byte("kind: policy\nname: x\nspec: {checks: [{check: custom_check, name: d, severity: warning, scripts: [{interpreter: sh, text: x}]}], rules: [{name: d, status: compliant}]}"))
	key := testKey(1)
	f.Fuzz(func(t *testing.T, file []byte) {
		out, n, err := SignScripts(file, func(s *signature.Script) string { return s.Sign(key) })
		if err != nil {
			return
		}
		scripts, err := ScriptsIn(out)
		if err != nil || len(scripts) != n {
			t.Fatalf("%v, %d scripts of %d", err, len(scripts), n)
		}
		for _, s := range scripts {
			if err := s.Verify(s.Signature, []ed25519.PublicKey{signature.PublicOf(key)}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
