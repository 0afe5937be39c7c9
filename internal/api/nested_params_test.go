package api

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"muster/internal/errs"
	"muster/internal/posture"
)

// bodyOf makes parameters of a body.
func bodyOf(t *testing.T, body string) *params {
	t.Helper()
	members, err := parseBody([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &params{body: members}
}

// wantMistake checks what was found to be wrong with a parameter: field "" is for nothing.
func wantMistake(t *testing.T, body string, p *params, field string) {
	t.Helper()
	var e *errs.Error
	switch {
	case p.err == nil && field == "":
	case !errors.As(p.err, &e) || e.Code != errs.Invalid || e.Field != field || field == "":
		t.Errorf("%s: %v; want a mistake of %q", body, p.err, field)
	case !strings.HasPrefix(e.Message, field+" must "):
		t.Errorf("%s: %q", body, e.Message)
	}
}

func TestObject(t *testing.T) {
	for _, c := range []struct {
		body, text string
		field      string
	}{
		{`{}`, "", ""}, {`{"f":null}`, "", ""}, {`{"f":{}}`, "", ""}, {`{"f":[]}`, "", ""}, {`{"f":[ ]}`, "", ""},
		{`{"f":{"a":null}}`, "", ""}, {`{"f":{"a":"x"}}`, "x", ""}, {`{"f":{"a":"x","a":"y","b":[null]}}`, "y", ""},
		{`{"a":"outer","f":{"b":"x"}}`, "", ""},
		{`{"f":[1]}`, "", "f"}, {`{"f":[{}]}`, "", "f"}, {`{"f":"{}"}`, "", "f"}, {`{"f":0}`, "", "f"}, {`{"f":false}`, "", "f"},
		{`{"f":{"a":true}}`, "", "f.a"}, {`{"f":{"a":"toolong"}}`, "toolong", "f.a"},
	} {
		p := bodyOf(t, c.body)
		in := p.object("f")
		if text, _ := in.text("a", inBody, 5); c.field == "" && text != c.text {
			t.Errorf("%s: %q, want %q", c.body, text, c.text)
		}
		wantMistake(t, c.body, p, c.field)
		if in.err != nil {
			t.Errorf("%s: the mistake is kept in the wrong place", c.body)
		}
	}
	// The query is not searched for members of an object.
	p := &params{query: "a=x"}
	if text, there := p.object("f").text("a", inBody, 5); there {
		t.Errorf("%q", text)
	}
	// Of two mistakes the first is told, inside or out.
	p = bodyOf(t, `{"f":{"a":true},"b":true}`)
	p.object("f").text("a", inBody, 5)
	p.text("b", inBody, 5)
	wantMistake(t, "two mistakes", p, "f.a")
	// A sign in a name that a format would take for its own stays as it is.
	p = bodyOf(t, `{"100%d":true}`)
	p.text("100%d", inBody, 5)
	wantMistake(t, "a percent sign", p, "100%d")
}

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		body  string
		want  []string
		there bool
		wrong bool
	}{
		{`{}`, nil, false, false}, {`{"l":null}`, nil, false, false}, {`{"l":[]}`, nil, true, false},
		{`{"l":["a","b"]}`, []string{"a", "b"}, true, false}, {`{"l":"a"}`, []string{"a"}, true, false}, {`{"l":7}`, []string{"7"}, true, false},
		{`{"l":[1.50,-2,"x"]}`, []string{"1.50", "-2", "x"}, true, false}, {`{"l":["žluť "]}`, []string{"žluť "}, true, false},
		{`{"l":["a","b","c"]}`, nil, true, true}, {`{"l":["123456"]}`, nil, true, true}, {`{"l":[""]}`, nil, true, true}, {`{"l":""}`, nil, true, true},
		{`{"l":[null]}`, nil, true, true}, {`{"l":[true]}`, nil, true, true}, {`{"l":[["a"]]}`, nil, true, true}, {`{"l":{}}`, nil, true, true},
		{`{"l":false}`, nil, true, true}, {`{"l":["\u0000"]}`, nil, true, true}, {`{"l":["\udc00"]}`, nil, true, true},
	} {
		p := bodyOf(t, c.body)
		got, there := p.texts("l", 2, 5)
		if c.body == `{"l":[1.50,-2,"x"]}` { // three entries
			p = bodyOf(t, c.body)
			got, there = p.texts("l", 3, 5)
		}
		if !slices.Equal(got, c.want) || there != c.there {
			t.Errorf("%s: %q, %v", c.body, got, there)
		}
		wantMistake(t, c.body, p, map[bool]string{true: "l"}[c.wrong])
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		body  string
		want  []int64
		wrong bool
	}{
		{`{}`, nil, false}, {`{"l":null}`, nil, false}, {`{"l":[]}`, nil, false}, {`{"l":[1,"2",3.0]}`, []int64{1, 2, 3}, false},
		{`{"l":9}`, []int64{9}, false}, {`{"l":"9"}`, []int64{9}, false}, {`{"l":[0]}`, nil, true}, {`{"l":[10]}`, nil, true},
		{`{"l":[1.5]}`, nil, true}, {`{"l":["x"]}`, nil, true}, {`{"l":[""]}`, nil, true}, {`{"l":[null]}`, nil, true}, {`{"l":[true]}`, nil, true},
		{`{"l":true}`, nil, true}, {`{"l":{}}`, nil, true}, {`{"l":[1,1,1,1]}`, nil, true}, {`{"l":[99999999999999999999]}`, nil, true},
	} {
		p := bodyOf(t, c.body)
		if got := p.numbers("l", 3, 1, 9); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.body, got)
		}
		wantMistake(t, c.body, p, map[bool]string{true: "l"}[c.wrong])
	}
}

func TestFlag(t *testing.T) {
	for _, c := range []struct {
		body  string
		want  bool // where otherwise is false
		wrong bool
	}{
		{`{}`, false, false}, {`{"f":null}`, false, false}, {`{"f":1}`, true, false}, {`{"f":0}`, false, false}, {`{"f":"1"}`, true, false},
		{`{"f":"0"}`, false, false}, {`{"f":true}`, true, false}, {`{"f":false}`, false, false}, {`{"f":"true"}`, true, false},
		{`{"f":1.0}`, true, false}, {`{"f":0.0}`, false, false},
		{`{"f":2}`, false, true}, {`{"f":-1}`, false, true}, {`{"f":""}`, false, true}, {`{"f":"yes"}`, false, true}, {`{"f":[]}`, false, true},
		{`{"f":[1]}`, false, true}, {`{"f":{}}`, false, true}, {`{"f":0.5}`, false, true}, {`{"f":"True"}`, false, true},
	} {
		p := bodyOf(t, c.body)
		if got := p.flag("f", inBody, false); got != c.want {
			t.Errorf("%s: %v", c.body, got)
		}
		wantMistake(t, c.body, p, map[bool]string{true: "f"}[c.wrong])
	}
	p := &params{query: "f=1&g=0&h="}
	if !p.flag("f", inQuery, false) || p.flag("g", inQuery, true) || !p.flag("absent", inQuery, true) || p.err != nil {
		t.Error(p.err)
	}
	if p.flag("h", inQuery, true); p.err == nil {
		t.Error("an empty flag is taken")
	}
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		body  string
		want  float64
		there bool
		wrong bool
	}{
		{`{}`, 0, false, false}, {`{"d":null}`, 0, false, false}, {`{"d":0}`, 0, true, false}, {`{"d":7.5}`, 7.5, true, false}, {`{"d":"7.5"}`, 7.5, true, false},
		{`{"d":10}`, 10, true, false}, {`{"d":1e1}`, 10, true, false}, {`{"d":10.01}`, 0, true, true}, {`{"d":-0.1}`, 0, true, true}, {`{"d":"x"}`, 0, true, true},
		{`{"d":""}`, 0, true, true}, {`{"d":"NaN"}`, 0, true, true}, {`{"d":"Inf"}`, 0, true, true}, {`{"d":"0x1p2"}`, 0, true, true}, {`{"d":"1_0"}`, 0, true, true},
		{`{"d":"+5"}`, 0, true, true}, {`{"d":".5"}`, 0, true, true}, {`{"d":1e999}`, 0, true, true}, {`{"d":true}`, 0, true, true}, {`{"d":[5]}`, 0, true, true},
	} {
		p := bodyOf(t, c.body)
		got, there := p.decimal("d", inBody, 0, 10)
		if there != c.there || !c.wrong && (got != c.want || math.IsNaN(got)) {
			t.Errorf("%s: %v, %v", c.body, got, there)
		}
		wantMistake(t, c.body, p, map[bool]string{true: "d"}[c.wrong])
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		body  string
		want  []posture.Status
		wrong bool
	}{
		{`{}`, nil, false}, {`{"w":null}`, nil, false}, {`{"w":[]}`, nil, false}, {`{"w":"compliant"}`, []posture.Status{posture.StatusCompliant}, false},
		{`{"w":["non_compliant","non-compliant"]}`, []posture.Status{posture.StatusNonCompliant, posture.StatusNonCompliant}, false},
		{`{"w":["pending"]}`, []posture.Status{posture.StatusPending, posture.StatusInGrace}, false},
		{`{"w":["Compliant"]}`, nil, true}, {`{"w":["in_grace"]}`, nil, true}, {`{"w":[""]}`, nil, true}, {`{"w":""}`, nil, true}, {`{"w":[1]}`, nil, true},
		{`{"w":[null]}`, nil, true}, {`{"w":{}}`, nil, true}, {`{"w":true}`, nil, true}, {`{"w":["compliant","nonsense"]}`, nil, true},
	} {
		p := bodyOf(t, c.body)
		if got := words(p, "w", listStatuses); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.body, got)
		}
		wantMistake(t, c.body, p, map[bool]string{true: "w"}[c.wrong])
	}
	p := bodyOf(t, `{"w":["nonsense"]}`)
	words(p, "w", listStatuses)
	if want := "compliant, non_compliant, exempted, out_of_license_usage, unknown, ignored, installed, pending, quarantined"; !strings.HasSuffix(p.err.Error(), want) {
		t.Errorf("%v: does not end in the words there are, each once", p.err)
	}
}

// FuzzNestedParams reads any body with the getters of lists and objects.
func FuzzNestedParams(f *testing.F) {
	for _, seed := range []string{
		`{"l":["a",1],"n":[1,"2"],"f":1,"d":2.5,"w":["compliant"],"o":{"l":[1],"w":"pending"}}`, `{"l":[null],"o":[]}`, `{"o":{"o":{"o":1}}}`,
		`{"l":"\ud800","n":1e5,"f":"true","d":"NaN","w":[[]]}`, `{"token":"AAAA"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		members, err := parseBody([]byte(body))
		if err != nil {
			return
		}
		outer := params{body: members}
		for _, p := range []*params{&outer, outer.object("o")} {
			list, _ := p.texts("l", 3, 5)
			numbers := p.numbers("n", 3, 1, 9)
			score, _ := p.decimal("d", inBody, 0, 10)
			p.flag("f", inBody, true)
			statuses := words(p, "w", listStatuses)
			p.readCursor("list", nil)
			if outer.err != nil {
				if !errs.Is(outer.err, errs.Invalid) {
					t.Errorf("%v", outer.err)
				}
				return
			}
			bad := slices.ContainsFunc(list, func(s string) bool { return s == "" || len([]rune(s)) > 5 })
			bad = bad || slices.ContainsFunc(numbers, func(n int64) bool { return n < 1 || n > 9 })
			if bad || len(list) > 3 || len(numbers) > 3 || !(score >= 0 && score <= 10) || len(statuses) > 2*maxWords {
				t.Errorf("%q, %v, %v, %v", list, numbers, score, statuses)
			}
		}
	})
}
