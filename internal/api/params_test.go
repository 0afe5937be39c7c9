package api

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"muster/internal/errs"
)

func TestParseBody(t *testing.T) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}" }
	for _, c := range []struct {
		body    string
		members int // -1 for an error
	}{
		{"", 0}, {" \r\n\t", 0}, {"[]", 0}, {" [ \n ] ", 0}, {"{}", 0}, {"null", 0}, {"\ufeff", 0}, {"\ufeff{}", 0},
		{`{"a":1}`, 1}, {`{"a":1,"b":null}`, 2}, {`{"a":1,"a":2}`, 1}, {`{"":""}`, 1},
		{deep(64), 1}, {deep(65), -1},
		{`{"a":"` + strings.Repeat("[", 100) + `"}`, 1}, {`{"a":"\"` + strings.Repeat("[", 100) + `"}`, 1},
		{`{"a":"\\","b":[` + strings.Repeat("[", 70) + `}`, -1},
		{strings.Repeat("[", 100000), -1}, {strings.Repeat(`{"a":`, 100000), -1},
		{"[", -1}, {"]", -1}, {"[,]", -1}, {"[null]", -1}, {"[[]]", -1}, {"{", -1}, {`{"a"}`, -1}, {`{"a":}`, -1}, {`{a:1}`, -1},
		{`{'a':1}`, -1}, {`{"a":1,}`, -1}, {`{"a":01}`, -1}, {`{"a":NaN}`, -1}, {`{"a":+1}`, -1}, {`{}x`, -1}, {`{} {}`, -1}, {`[] []`, -1},
		{"nul", -1}, {"nullx", -1}, {"true", -1}, {"1", -1}, {`"a"`, -1}, {"\x00", -1}, {"{}\x00", -1}, {"// {}", -1},
	} {
		got, err := parseBody([]byte(c.body))
		if c.members < 0 {
			if !errs.Is(err, errs.Invalid) || got != nil {
				t.Errorf("%.40q: %v, %v; want an Invalid error", c.body, got, err)
			}
			continue
		}
		if err != nil || len(got) != c.members {
			t.Errorf("%.40q: %v, %v; want %d members", c.body, got, err, c.members)
		}
	}
}

func TestParamsKeepTheFirstMistake(t *testing.T) {
	p := params{query: "a=x&b=y"}
	p.number("a", inQuery, 0, 0, 9)
	p.number("b", inQuery, 0, 0, 9)
	e, ok := p.err.(*errs.Error)
	if !ok || e.Code != errs.Invalid || e.Field != "a" {
		t.Errorf("%v", p.err)
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		raw  string // of a member, and of the query where it is a string
		want int64
		ok   bool
	}{
		{`5`, 5, true}, {`"5"`, 5, true}, {`5.0`, 5, true}, {`"5.00"`, 5, true}, {`-3`, -3, true}, {`null`, 42, true},
		{`100`, 100, true}, {`101`, 0, false}, {`-101`, 0, false}, {`5.5`, 0, false}, {`5e0`, 0, false}, {`"5."`, 0, false}, {`""`, 0, false},
		{`" 5"`, 0, false}, {`"0x5"`, 0, false}, {`"five"`, 0, false}, {`9223372036854775808`, 0, false}, {`true`, 0, false}, {`[5]`, 0, false},
	} {
		members, err := parseBody([]byte(`{"n":` + c.raw + `}`))
		if err != nil {
			t.Fatal(err)
		}
		p := params{body: members}
		got := p.number("n", inBody, 42, -100, 100)
		if (p.err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%s: %d, %v", c.raw, got, p.err)
		}
	}
}

func TestArgument(t *testing.T) {
	for _, c := range []struct {
		query, want string
		kind        kind
	}{
		{"", "", absent}, {"&", "", absent}, {"b=1", "", absent}, {"aa=1", "", absent}, {"A=1", "", absent}, {"=1", "", absent},
		{"a=1", "1", asText}, {"a", "", asText}, {"a=", "", asText}, {"b=2&a=1", "1", asText}, {"&&a=1&", "1", asText}, {"a=1&a=2", "1", asText},
		{"%61=1", "1", asText}, {"a=b=c", "b=c", asText}, {"a=1;b=2", "1;b=2", asText}, {"a=x+y%20z", "x y z", asText}, {"%zz=2&a=1", "1", asText},
		{"a=%zz", "", asOther}, {"a=%ff", "", asOther}, {"a=%C5%BE", "ž", asText},
	} {
		p := params{query: c.query}
		if got, k := p.argument("a"); got != c.want || k != c.kind {
			t.Errorf("%q: %q, %v; want %q, %v", c.query, got, k, c.want, c.kind)
		}
	}
}

// FuzzParams reads any query and body with every getter: nothing panics, every mistake is Invalid, and what comes
// through without one keeps the promises of its getter.
func FuzzParams(f *testing.F) {
	f.Add("a=1&n=2", `{"a":"x","n":5,"c":"opswat_score"}`)
	f.Fuzz(func(t *testing.T, query, body string) {
		members, err := parseBody([]byte(body))
		if err != nil {
			if !errs.Is(err, errs.Invalid) || members != nil {
				t.Fatalf("%v, %v", members, err)
			}
			return
		}
		for _, documented := range []place{inBody, inQuery} {
			checkGetters(t, params{query: query, body: members}, documented, utf8.ValidString(body))
		}
	})
}

func checkGetters(t *testing.T, p params, documented place, valid bool) {
	text, there := p.text("a", documented, 8)
	if n := utf8.RuneCountInString(text); p.err == nil && there && (n < 1 || n > 8 || strings.ContainsFunc(text, unicode.IsControl)) {
		t.Errorf("text %q", text)
	}
	// web.ReadBody refuses bodies that are no UTF-8 before they come here.
	if valid && p.err == nil && !utf8.ValidString(text) {
		t.Errorf("text %q is no UTF-8", text)
	}
	if !there && text != "" {
		t.Errorf("text %q out of nothing", text)
	}
	if n := p.number("n", documented, 3, 1, 9); p.err == nil && (n < 1 || n > 9) {
		t.Errorf("number %d", n)
	}
	if s := choice(&p, "c", documented, scoreTypes, 99); p.err == nil && s > 2 && s != 99 {
		t.Errorf("choice %d", s)
	}
	p.mustText("b", documented, 8)
	if p.err != nil && !errs.Is(p.err, errs.Invalid) {
		t.Errorf("%v", p.err)
	}
}
