package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/internal/errs"
)

// maxDepth is how deep arrays and objects of a body may nest.
const maxDepth = 64

// place is where the reference puts a parameter. Clients mix them up, so both are read; the right one comes first.
type place uint8

const (
	inBody place = iota
	inQuery
)

// params are the parameters of one call. Its getters keep the first mistake in err, so that a handler reads everything
// it wants and asks once. Members that no getter asks for are never looked at.
type params struct {
	query string                     // as it came: most calls have none but the token
	body  map[string]json.RawMessage // of a repeated member, the last
	err   error

	// Of an object within the body: what its members are called in messages, and where mistakes are kept.
	prefix string
	outer  *params
}

// readParams reads the parameters of a request.
func readParams(w http.ResponseWriter, r *http.Request) (params, error) {
	body, err := readBody(w, r)
	if err != nil {
		return params{}, err
	}
	members, err := parseBody(body)
	return params{query: r.URL.RawQuery, body: members}, err
}

// parseBody splits a body into its members. Nothing, null, {} and [] all mean that there are none: some clients write
// an empty list of parameters as an array.
func parseBody(body []byte) (map[string]json.RawMessage, error) {
	body = bytes.Trim(bytes.TrimPrefix(body, []byte("\uFEFF")), " \t\r\n")
	switch {
	case len(body) == 0:
		return nil, nil
	case tooDeep(body):
		return nil, errs.New(errs.Invalid, "The body nests deeper than %d levels", maxDepth)
	}
	var members map[string]json.RawMessage
	var list []json.RawMessage
	switch {
	case json.Unmarshal(body, &members) == nil:
		return members, nil
	case json.Unmarshal(body, &list) == nil && len(list) == 0:
		return nil, nil
	case json.Valid(body):
		return nil, errs.New(errs.Invalid, "The body must be a JSON object")
	default:
		return nil, errs.New(errs.Invalid, "The body is not valid JSON")
	}
}

// tooDeep counts brackets outside strings; it need not know whether the body is JSON.
func tooDeep(body []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// kind is what a parameter was written as.
type kind uint8

const (
	absent kind = iota
	asText
	asNumber
	asOther // true, false, an array, an object, or text that cannot be read
)

// find gives a parameter as it was written: text decoded, a number as its digits.
func (p *params) find(name string, documented place) (string, kind) {
	first, second := p.member, p.argument
	if documented == inQuery {
		first, second = second, first
	}
	if text, k := first(name); k != absent {
		return text, k
	}
	return second(name)
}

// member looks in the body. A member that is null is as good as none.
func (p *params) member(name string) (string, kind) {
	return valueOf(p.body[name])
}

// valueOf reads a JSON value.
func valueOf(raw json.RawMessage) (string, kind) {
	switch {
	case len(raw) == 0 || raw[0] == 'n':
		return "", absent
	case string(raw) == "true", string(raw) == "false":
		return string(raw), asOther
	case raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9':
		return string(raw), asNumber
	case raw[0] != '"':
		return "", asOther
	}
	var text string
	err := json.Unmarshal(raw, &text)
	// Half a surrogate pair is no character. The decoder puts U+FFFD in its place, and what was meant is lost.
	if err != nil || strings.Count(text, "\uFFFD") > bytes.Count(raw, []byte("\uFFFD")) {
		return "", asOther
	}
	return text, asText
}

// argument looks in the query. Only the one asked for has to be well formed; of a repeated one, the first counts.
func (p *params) argument(name string) (string, kind) {
	for rest := p.query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, escaped, _ := strings.Cut(pair, "=")
		if key, err := url.QueryUnescape(key); err != nil || key != name {
			continue
		}
		text, err := url.QueryUnescape(escaped)
		if err != nil || !utf8.ValidString(text) {
			return "", asOther
		}
		return text, asText
	}
	return "", absent
}

// wrong keeps the first mistake.
func (p *params) wrong(name, format string, args ...any) {
	if p.outer != nil {
		p.outer.wrong(p.prefix+name, format, args...)
		return
	}
	if p.err == nil {
		p.err = errs.InvalidField(name, strings.ReplaceAll(name, "%", "%%")+" "+format, args...)
	}
}

// object gives the members of an object in the body. Absent, null and [] are an object without members.
func (p *params) object(name string) *params {
	in := &params{prefix: name + ".", outer: p}
	raw := p.body[name]
	switch {
	case len(raw) == 0 || raw[0] == 'n':
	case raw[0] == '{':
		if json.Unmarshal(raw, &in.body) != nil {
			p.wrong(name, "must be an object")
		}
	case raw[0] == '[' && emptyArray(raw): // some languages write an empty object so
	default:
		p.wrong(name, "must be an object")
	}
	return in
}

func emptyArray(raw json.RawMessage) bool {
	var list []json.RawMessage
	return json.Unmarshal(raw, &list) == nil && len(list) == 0
}

// elements gives the entries of an array in the body as find gives a parameter, and whether it is there. A single value
// is taken for an array of one.
func (p *params) elements(name string, most int) ([]element, bool) {
	raw := p.body[name]
	if len(raw) == 0 || raw[0] == 'n' {
		return nil, false
	}
	list := []json.RawMessage{raw}
	if raw[0] == '[' {
		list = nil
		if json.Unmarshal(raw, &list) != nil {
			p.wrong(name, "must be an array")
			return nil, true
		}
	}
	if len(list) > most {
		p.wrong(name, "must have at most %d entries", most)
		return nil, true
	}
	out := make([]element, len(list))
	for i, one := range list {
		out[i].text, out[i].kind = valueOf(one)
	}
	return out, true
}

// element is one entry of an array.
type element struct {
	text string
	kind kind
}

// texts gives an array of strings of 1 to longest characters each, and whether it is there. Numbers are taken for their digits.
func (p *params) texts(name string, most, longest int) ([]string, bool) {
	list, ok := p.elements(name, most)
	out := make([]string, 0, len(list))
	for _, e := range list {
		n := utf8.RuneCountInString(e.text)
		if e.kind != asText && e.kind != asNumber || n < 1 || n > longest || strings.ContainsFunc(e.text, unicode.IsControl) {
			p.wrong(name, "must be an array of strings of 1 to %d characters", longest)
			return nil, true
		}
		out = append(out, e.text)
	}
	return out, ok
}

// numbers gives an array of whole numbers from least to most, at most so many.
func (p *params) numbers(name string, count int, least, most int64) []int64 {
	list, _ := p.elements(name, count)
	out := make([]int64, 0, len(list))
	for _, e := range list {
		n, ok := wholeNumber(e.text)
		if e.kind == asOther || e.kind == absent || !ok || n < least || n > most {
			p.wrong(name, "must be an array of whole numbers from %d to %d", least, most)
			return nil
		}
		out = append(out, n)
	}
	return out
}

// flag gives a 0 or 1, or otherwise where the parameter is absent. true and false will do, and so will their names.
func (p *params) flag(name string, documented place, otherwise bool) bool {
	text, k := p.find(name, documented)
	n, whole := wholeNumber(text)
	switch {
	case k == absent:
		return otherwise
	case text == "true", whole && n == 1:
		return true
	case text == "false", whole && n == 0:
		return false
	}
	p.wrong(name, "must be 0 or 1")
	return otherwise
}

// decimal gives a number from least to most, and whether it is there.
func (p *params) decimal(name string, documented place, least, most float64) (float64, bool) {
	text, k := p.find(name, documented)
	if k == absent {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	// The parser knows numbers that JSON does not have.
	if err != nil || !json.Valid([]byte(text)) || !(n >= least && n <= most) {
		p.wrong(name, "must be a number from %g to %g", least, most)
	}
	return n, true
}

// text gives a parameter of 1 to most characters, none of them a control character, and whether it is there. A number is
// taken for its digits.
func (p *params) text(name string, documented place, most int) (string, bool) {
	text, k := p.find(name, documented)
	n := utf8.RuneCountInString(text)
	switch {
	case k == absent:
		return "", false
	case k == asOther:
		p.wrong(name, "must be a string")
	case n < 1 || n > most:
		p.wrong(name, "must have 1 to %d characters", most)
	case strings.ContainsFunc(text, unicode.IsControl):
		p.wrong(name, "must not hold control characters")
	}
	return text, true
}

// mustText is text for a parameter that has to be there.
func (p *params) mustText(name string, documented place, most int) string {
	text, ok := p.text(name, documented, most)
	if !ok {
		p.wrong(name, "is required")
	}
	return text
}

// number gives a whole number from least to most, or otherwise where the parameter is absent. A string is taken for
// the number it spells.
func (p *params) number(name string, documented place, otherwise, least, most int64) int64 {
	text, k := p.find(name, documented)
	if k == absent {
		return otherwise
	}
	n, ok := wholeNumber(text)
	if !ok || n < least || n > most {
		p.wrong(name, "must be a whole number from %d to %d", least, most)
	}
	return n
}

// wholeNumber reads digits; some languages write a whole number as 1.0.
func wholeNumber(text string) (int64, bool) {
	if whole, fraction, cut := strings.Cut(text, "."); cut && fraction != "" && strings.Trim(fraction, "0") == "" {
		text = whole
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// words gives what the words of an array mean: those of a filter, where spellings of neighbouring calls will do. A word may
// stand for several things.
func words[T any](p *params, name string, table []spelling[T]) []T {
	list, _ := p.elements(name, maxWords)
	out := make([]T, 0, len(list))
	for _, e := range list {
		before := len(out)
		for _, s := range table {
			if e.kind == asText && alike(s.word) == alike(e.text) {
				out = append(out, s.means)
			}
		}
		if len(out) == before {
			p.wrong(name, "must be an array of %s", strings.Join(knownWords(table), ", "))
			return nil
		}
	}
	return out
}

// maxWords is how many words a filter may list.
const maxWords = 100

// alike makes the same of what the calls of the reference spell differently: non-compliant and non_compliant, no_issue
// and no_issues.
func alike(word string) string {
	return strings.TrimSuffix(strings.ReplaceAll(word, "-", "_"), "s")
}

// knownWords lists the words of a table without slips.
func knownWords[T any](table []spelling[T]) []string {
	var out []string
	for _, s := range table {
		if !s.slip && !slices.Contains(out, s.word) {
			out = append(out, s.word)
		}
	}
	return out
}

// choice gives what a word of a table means, or otherwise where the parameter is absent.
func choice[T any](p *params, name string, documented place, table []spelling[T], otherwise T) T {
	text, k := p.find(name, documented)
	if k == absent {
		return otherwise
	}
	for _, s := range table {
		if k == asText && s.word == text {
			return s.means
		}
	}
	p.wrong(name, "must be one of %s", strings.Join(knownWords(table), ", "))
	return otherwise
}
