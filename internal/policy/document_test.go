package policy

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/internal/errs"
	"muster/internal/posture"
)

const small = "name: x\nrules:\n  - name: d\n    status: compliant\n"

func TestYAMLRoundTrip(t *testing.T) {
	text, err := Default().YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"name: Default policy\n", "\n    max_age: 3d\n", "\n    os: [windows, mac]\n", "\nchecks:\n  - check: antimalware_installed\n    severity: critical\n", "    grace"} {
		if strings.Contains(string(text), part) != (part != "    grace") {
			t.Errorf("%q in\n%s", part, text)
		}
	}
	p, err := Parse(text)
	if err != nil || !reflect.DeepEqual(p, Default()) {
		t.Errorf("got %+v, %v", p, err)
	}
}

// JSON is YAML, also with escapes and tabs that parsers of YAML do not take.
func TestJSONIsRead(t *testing.T) {
	text, err := json.MarshalIndent(Default(), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(text)
	if err != nil || !reflect.DeepEqual(p, Default()) {
		t.Errorf("got %+v, %v", p, err)
	}
	p, err = Parse([]byte(`{"name": "a\/b \ud83d\ude00", "description": null,` + "\t" + `"checks": [], "rules": [{"name": "d", "status": "compliant"}]}`))
	if err != nil || p.Name != "a/b 😀" {
		t.Errorf("got %+v, %v", p, err)
	}
	_, err = Parse([]byte("{\"name\": \"x\",\n\n\"rules\": [{\"name\": \"d\",\n\"status\": 7}]}"))
	if err == nil || !strings.Contains(err.Error(), "line 4: rules[0].status: ") && !strings.Contains(err.Error(), "line 4") {
		t.Errorf("got %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, tc := range []struct{ name, text, field, says string }{
		{"nothing", "", "", "empty"},
		{"a comment", "# nothing\n", "", ""},
		{"not YAML", "name: [", "", "not valid YAML, at line 1"},
		{"no object", "- name\n", "", "a policy must be an object"},
		{"a text", "name", "", "a policy must be an object"},
		{"unknown member", strings.Replace(small, "status", "min_critcal: 1\n    status", 1), "rules[0].min_critcal", `line 4: rules[0] has no member "min_critcal"`},
		{"unknown member at the top", small + "version: 7\n", "version", `line 5: a policy has no member "version"`},
		{"twice", small + "name: y\n", "name", "line 5: name occurs twice"},
		{"two documents", small + "---\n" + small, "", "second part"},
		{"bad duration", small + "checks:\n  - check: antimalware_definitions\n    severity: off\n    max_age: 3 days\n",
			"checks[0].max_age", `line 8: "3 days" is not a duration`},
		{"bad size", small + "checks: [{check: disk_space, severity: off, min_free: 3 bananas}]\n", "checks[0].min_free", "is not a size"},
		{"a list for a text", strings.Replace(small, "name: x", "name: [x]", 1), "name", "line 1: name must be a single value"},
		{"a text for a list", small + "checks: none\n", "checks", "line 5: checks must be a list"},
		{"yes for a text", strings.Replace(small, "name: x", "name: true", 1), "name", "put it in quotes"},
		{"a text for a number", strings.Replace(small, "status", "min_critical: many\n    status", 1), "rules[0].min_critical", "line 4: rules[0].min_critical must be a whole number"},
		{"a fraction", strings.Replace(small, "status", "min_critical: 1.5\n    status", 1), "rules[0].min_critical", "whole number"},
		{"a number beyond all", strings.Replace(small, "status", "min_critical: 99999999999\n    status", 1), "rules[0].min_critical", "whole number"},
		{"a text for yes", strings.Replace(small, "status", "kev: sure\n    status", 1), "rules[0].kev", "true or false"},
		{"an anchor", strings.Replace(small, "name: x", "name: &a x", 1), "name", "anchors and aliases"},
		{"an alias", small + "checks: &a [*a]\n", "checks", "anchors and aliases"},
		{"a merge", "<<: {name: x}\n" + small, "<<", "has no member"},
		{"a strange name", "? [name]\n: x\n" + small, "", "no name"},
		{"deep", "checks: " + deep + "\n" + small, "checks[0]", "must be an object"},
		{"deep JSON", `{"checks": ` + deep + `}`, "", "nested too deeply"},
		{"JSON as deep as it may be", `{"checks": ` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, "checks[0]", "must be an object"},
		{"JSON one deeper", `{"checks": ` + strings.Repeat("[", maxDepth) + "0" + strings.Repeat("]", maxDepth) + `}`, "", "nested too deeply"},
		{"too long", small + strings.Repeat("# x\n", maxPolicyBytes/4), "", "is not longer than"},
		{"not valid", strings.Replace(small, "compliant", "fine", 1), "rules[0].status", `line 4: "fine" is not one of compliant, non-compliant`},
		{"a member is missing", strings.Replace(small, "name: d", "kev: true", 1), "rules[0].name", "line 3: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Parse([]byte(tc.text))
			if p != nil || err == nil || !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.TooLarge) {
				t.Fatalf("got %v, %v; want an invalid error", p, err)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want %q in it", err, tc.says)
			}
			if tc.field != "" && !slices.Contains(fields(t, err), tc.field) {
				t.Errorf("mistakes in %v, want one in %s", fields(t, err), tc.field)
			}
		})
	}
}

// Every mistake of the form comes at once, and so does every mistake of the sense.
func TestParseReportsAllAtOnce(t *testing.T) {
	_, err := Parse([]byte("name: [x]\nchecks: no\nrules: [{nmae: d}]\n"))
	if got, want := fields(t, err), []string{"name", "checks", "rules[0].nmae"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	_, err = Parse([]byte("checks: [{check: nonsense}]\nrules: [{name: d, status: fine}]\n"))
	if got, want := fields(t, err), []string{"name", "checks[0].check", "rules[0].status"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if want := "name is missing\nline 1: there is no check"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %q, want %q first: what is not there has no line", err, want)
	}
}

// A document may be as long as it says.
func TestLengthOfDocuments(t *testing.T) {
	for n, ok := range map[int]bool{maxPolicyBytes: true, maxPolicyBytes + 1: false} {
		text := small + "#" + strings.Repeat("x", n-len(small)-1)
		if _, err := Parse([]byte(text)); (err == nil) != ok || len(text) != n {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}

// A version that looks like a number is taken as it is written; what YAML takes for nothing counts as missing.
func TestNumbersAreTextsToo(t *testing.T) {
	p, err := Parse([]byte("name: 2026-01-01\ndescription: ~\nrules: [{name: 1, status: compliant}]\n" +
		"checks: [{check: os_version, severity: off, min_version: 10.10}]\n"))
	if err != nil || p.Name != "2026-01-01" || p.Rules[0].Name != "1" || p.Checks[0].MinVersion != "10.10" {
		t.Errorf("got %+v, %v", p, err)
	}
}

var anyText = rapid.OneOf(
	rapid.SampledFrom([]string{"x", "off", "no", "~", "10.0", "0x1f", "2026-01-01", "- a", "a: b", "#", "<<", "*a", "'", "\"", " x ", "é😀", "=", "\u2028", "\u0085"}),
	rapid.StringMatching(`[ -~é]{1,20}`))

// randomPolicy makes a policy out of all members, which Validate accepts or not.
var randomPolicy = rapid.Custom(func(t *rapid.T) *Policy {
	p := &Policy{}
	fill(t, "policy", reflect.ValueOf(p).Elem())
	return p
})

// fill gives a plain value any content.
func fill(t *rapid.T, path string, v reflect.Value) {
	words, few := memberWords[path]
	pick := func() string {
		if few && rapid.IntRange(0, 20).Draw(t, "wild") > 0 {
			list := reflect.ValueOf(words)
			return list.Index(rapid.IntRange(0, list.Len()-1).Draw(t, path)).String()
		}
		return anyText.Draw(t, path)
	}
	switch {
	case v.Type() == reflect.TypeFor[Duration]():
		v.SetInt(rapid.Int64Range(0, int64(maxDays*day)).Draw(t, path) / int64(time.Second) * int64(time.Second))
	case v.Type() == reflect.TypeFor[Size]():
		v.SetInt(rapid.Int64Range(0, int64(maxSize)).Draw(t, path))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if options == "" || rapid.IntRange(0, 4).Draw(t, "has "+name) == 0 {
				fill(t, strings.ToLower(v.Type().Name())+"."+name, v.Field(i))
			}
		}
	case v.Kind() == reflect.Slice:
		if n := rapid.IntRange(0, 3).Draw(t, path); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, path, v.Index(i))
			}
		}
	case v.Kind() == reflect.String:
		v.SetString(pick())
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(int64(rapid.IntRange(0, 100).Draw(t, path)))
	}
}

// What YAML writes, and what JSON writes, is read as the same policy, or refused for the same mistakes.
func TestAnyPolicyIsWrittenAndRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := randomPolicy.Draw(t, "policy")
		if rapid.Bool().Draw(t, "valid") {
			p = mend(p)
		}
		if len(p.Checks) == 0 {
			p.Checks = nil
		}
		text, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		want := p.Validate()
		for _, doc := range [][]byte{text, asJSON} {
			got, err := Parse(doc)
			switch {
			case want == nil && (err != nil || !reflect.DeepEqual(got, p)):
				t.Fatalf("%v\n%s\ngot  %+v\nwant %+v", err, doc, got, p)
			case want != nil && !slices.Equal(mistaken(err), mistaken(want)):
				t.Fatalf("%s\n%v\n%v", doc, err, want)
			}
		}
	})
}

// mistaken lists the members that are at fault.
func mistaken(err error) []string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var out []string
	for _, e := range joined.Unwrap() {
		if m, ok := errors.AsType[*errs.Error](e); ok {
			out = append(out, m.Field)
		}
	}
	return out
}

func FuzzParse(f *testing.F) {
	text, _ := Default().YAML()
	f.Add(text)
	asJSON, _ := json.Marshal(Default())
	f.Add(asJSON)
	f.Add([]byte(small))
	f.Add([]byte("name: &a [*a, *a]\n"))
	f.Add([]byte("name: x\nrules: [{name: d, expression: 'group == \"a\"', status: compliant}, {name: e, status: compliant}]\n"))
	f.Add([]byte(`{"name":"\ud800","rules":[{"name":1e3,"status":"compliant"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := Parse(document)
		if err != nil {
			if !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.TooLarge) {
				t.Fatalf("%v is not an invalid error", err)
			}
			return
		}
		text, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(text)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%v\n%s\ngot  %+v\nwant %+v", err, text, again, p)
		}
		if c, err := Compile(p, posture.PolicyRef{}); err != nil {
			t.Fatal(err)
		} else {
			c.Evaluate(&Subject{Report: windowsLaptop(), Group: "g"}, now)
		}
	})
}

// What was accepted once keeps judging, whatever is refused by now; the rule that cannot be asked lets nothing pass.
func TestRestoreDoesNotValidate(t *testing.T) {
	document := []byte("name: Old\nchecks: []\nrules:\n  - {name: Never, status: compliant, expression: no.such.thing == 1}\n  - {name: Bad, status: non-compliant, expression: no.such.thing == 1}\n  - {name: Default, status: compliant}\n")
	if _, err := Parse(document); err == nil {
		t.Fatal("the document is valid: it shows nothing")
	}
	c, err := Restore(document, posture.PolicyRef{ID: 3, Version: 4})
	if err != nil {
		t.Fatal(err)
	}
	if v := c.Evaluate(&Subject{Report: windowsLaptop()}, now); v.Status != posture.StatusNonCompliant || v.Rule != "Bad" || v.Policy != "3.4" {
		t.Errorf("%s by %q of %s", v.Status, v.Rule, v.Policy)
	}
	if _, err := Restore([]byte("name: ["), posture.PolicyRef{}); err == nil {
		t.Error("what is no YAML is restored")
	}
}
