package feed

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"muster/internal/errs"
	"muster/internal/signature"
	"muster/internal/vuln"
	"muster/internal/vuln/version"
)

// small keeps each run short.
var small = Limits{Item: 1 << 20, Total: 4 << 20, Window: 1 << 20, Entries: 100}

// holds reads whatever it is given, and wants what all readings have in common: an error that says what it is, as many
// items as are counted, and entries that can be told apart.
func holds(t *testing.T, data []byte) {
	t.Helper()
	items := 0
	head, err := Read("f", bytes.NewReader(data), Options{Limits: small}, func(i Item) error {
		items++
		if (i.Entry == nil) == (i.Statement == nil) {
			t.Fatal("an item is to be one thing")
		}
		if i.Entry != nil {
			entryHolds(t, i.Entry)
		} else if i.Statement.Vulnerability == "" || len(i.Statement.Products) == 0 {
			t.Fatalf("a statement about nothing: %+v", i.Statement)
		}
		return nil
	})
	if err != nil && errs.CodeOf(err) == errs.Internal {
		t.Fatalf("an error without a code: %v", err)
	}
	if head.Items != items || err == nil && head.Format == "" {
		t.Fatalf("%d items, and the head is %+v", items, head)
	}
}

func entryHolds(t *testing.T, e *vuln.Entry) {
	t.Helper()
	if e.ID == "" {
		t.Fatal("an entry has no id")
	}
	for i := range e.Affected {
		if a := &e.Affected[i]; ownSpace(a.Package.Ecosystem) {
			rangesHold(t, a)
		}
	}
	vuln.Prepare(e)
}

// rangesHold wants the ranges that were translated to go up, each with a beginning and not empty.
func rangesHold(t *testing.T, a *vuln.Affected) {
	t.Helper()
	for _, r := range a.Ranges {
		last := ""
		for _, e := range r.Events {
			v := e.Introduced + e.Fixed + e.LastAffected
			if v == "" {
				t.Fatalf("an event without a version: %+v", a)
			}
			n, err := version.Compare(a.Package.Ecosystem, last, v)
			if last != "" && last != "0" && (err == nil && n > 0 || n == 0 && err == nil && e.LastAffected == "") {
				t.Fatalf("%q comes after %q: %+v", v, last, a)
			}
			last = v
		}
	}
}

func fuzzText(f *testing.F, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { holds(t, data) })
}

func FuzzOSV(f *testing.F) {
	fuzzText(f, osvA, "["+osvA+","+osvA+"]", osvA+"\n"+osvA, `{"id":"A","affected":[{"versions":["1"],"database_specific":7}],"severity":[{"type":"CVSS_V3","score":"x"}]}`)
}

func FuzzCVE5(f *testing.F) {
	for _, v := range []string{
		`{"version":"1.0","status":"affected","lessThan":"*","changes":[{"at":"1.5","status":"unaffected"},{"at":"1.7","status":"affected"}]}`,
		`{"version":"unspecified","status":"affected","lessThan":"14.7"},{"version":"unspecified","status":"affected","lessThan":"13.7"}`,
		`{"version":">= 1.0, < 2.0","status":"affected"},{"version":"1.5","status":"unaffected"},{"version":"5.x","status":"unknown"}`,
	} {
		f.Add([]byte(cveRecordWith(versionsOf(v), productWith(`"cpes":["cpe:2.3:a:v:p:1:*:*:*:*:*:*:*"],"platforms":["Windows"]`))))
		f.Add([]byte(cveRecordWith(`{"vendor":"Microsoft","product":"Windows 10 Version 1809","defaultStatus":"affected","versions":[`+v+`]}`, "")))
	}
	fuzzText(f)
}

func FuzzNVD(f *testing.F) {
	const p = "cpe:2.3:a:v_inc:p:*:*:*:*:*:*:*:*"
	fuzzText(f, nvdWith(node(match(p, `,"versionStartExcluding":"1.0","versionEndIncluding":"2.0"`), match(p, `,"versionEndExcluding":"2.0"`))),
		nvdWith(both(match(p, ""), platform("cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"))),
		nvdWith(node(match("cpe:2.3:o:microsoft:windows_10_1809:*:*:*:*:*:*:x64:*", `,"versionEndExcluding":"10.0.17763.6414"`))))
}

func FuzzDebianTracker(f *testing.F) {
	fuzzText(f, `{"xz-utils":{"CVE-2026-0001":{"description":"d","releases":{"trixie":{"status":"open","urgency":"low"},"bookworm":{"status":"resolved","fixed_version":"1-1"}}}}}`,
		`{"a":{"TEMP-1":{"releases":{"sid":{"status":"undetermined"}}}},"b":{}}`)
}

func FuzzKEV(f *testing.F) {
	fuzzText(f, `{"catalogVersion":"1","dateReleased":"2026-01-01","count":1,"vulnerabilities":[{"cveID":"CVE-2026-0001","cwes":["CWE-1"]}]}`,
		"cveID,vulnerabilityName,dateAdded,shortDescription,cwes\nCVE-2026-0001,\"a \"\"b\"\"\",2026-01-01,c,CWE-1\n")
}

func FuzzEPSS(f *testing.F) { fuzzText(f, epssText, "cve,epss,percentile\nCVE-2026-0001,1e-5,0.1\n") }

func FuzzOpenVEX(f *testing.F) {
	fuzzText(f, `{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"vulnerability":{"name":"CVE-2026-0001"},"products":[{"@id":"pkg:npm/a","subcomponents":["x"]}],"status":"fixed"}]}`,
		`{"@context":"https://openvex.dev/ns","statements":[{"vulnerability":"V","products":["p"],"status":"not_affected","impact_statement":"i"}]}`)
}

func FuzzContainer(f *testing.F) {
	for _, data := range containers() {
		f.Add(data)
	}
	f.Fuzz(holds)
}

func FuzzBundle(f *testing.F) {
	mine := keyOf(1)
	data := bundled(f, mine, part("a.json", osvA))
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := VerifyBundle("b", bytes.NewReader(data), []ed25519.PublicKey{signature.PublicOf(mine)})
		switch {
		case err != nil && errs.CodeOf(err) == errs.Internal:
			t.Fatalf("an error without a code: %v", err)
		case err == nil && (len(m.Members) != 1 || m.Members[0].Size != int64(len(osvA))):
			t.Fatalf("a bundle that nobody signed: %+v", m)
		}
	})
}

func FuzzWording(f *testing.F) {
	for _, s := range []string{"< 1.77.2", ">= 1, < 2, >= 3, < 4 || = 7", "v6.1.4 and earlier", "10.5.x.x: 10.5.1.0 and below", "Android 12.0, 13.0", "12.0-14.0", "9999999999999999999.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, ok := understand(s)
		if !ok {
			return
		}
		if len(w.spans) == 0 && len(w.single) == 0 {
			t.Fatalf("%q was understood, and says nothing", s)
		}
		for _, v := range w.single {
			if !plainVersion.MatchString(v) {
				t.Fatalf("%q gives the version %q", s, v)
			}
		}
	})
}
