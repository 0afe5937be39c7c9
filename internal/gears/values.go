package gears

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/posture"
)

// The types here read the values of a body. Agents differ in how they write them: a flag may be true, 1 or "1", a
// version a number, an address list a single string. What can be read without loss is; anything else is an error that
// says what was expected, and the decoder adds which member it was. null always means 'not reported'.

// text is a string, or a number taken as its digits.
type text string

var (
	errText     = problem("must be a string")
	errTextLong = problem("is longer than 512 characters")
)

// UnmarshalJSON reads a text. White space around it goes. So do NUL characters: Windows programs leave them at the end
// of names in the registry, which is no reason to refuse a whole report, and PostgreSQL cannot store them.
func (t *text) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case 'n':
		*t = ""
	case '"':
		s := tidy(raw)
		if len(s) > maxText && utf8.RuneCountInString(s) > maxText {
			return errTextLong
		}
		*t = text(s)
	case 't', 'f', '{', '[':
		return errText
	default:
		if len(raw) > maxText {
			return errTextLong
		}
		*t = text(raw)
	}
	return nil
}

// tidy gives the content of a string without what a text drops.
func tidy(raw []byte) string {
	return strings.TrimSpace(strings.ReplaceAll(unquote(raw), "\x00", ""))
}

// clipped is a text that says enough with its first characters, as the path of a file does.
type clipped text

// UnmarshalJSON reads a text and keeps as much of it as a text may have.
func (c *clipped) UnmarshalJSON(raw []byte) error {
	if raw[0] != '"' {
		return (*text)(c).UnmarshalJSON(raw)
	}
	s := tidy(raw)
	if len(s) > maxText && utf8.RuneCountInString(s) > maxText {
		s = string([]rune(s)[:maxText])
	}
	*c = clipped(s)
	return nil
}

// unquote gives the content of a string that is known to be valid JSON.
func unquote(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' {
			s, _ := jsontext.AppendUnquote(nil, raw)
			return string(s)
		}
	}
	return string(inner)
}

// first gives the first of several texts that is not empty.
func first(texts ...text) string {
	for _, t := range texts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

// loose is a text of which the form is not known for certain: what is not a text is passed over.
type loose string

// UnmarshalJSON reads a text or nothing.
func (l *loose) UnmarshalJSON(raw []byte) error {
	var t text
	if t.UnmarshalJSON(raw) == nil {
		*l = loose(t)
	}
	return nil
}

// flag is a yes or no that may be missing.
type flag posture.Fact

var errFlag = problem("must be true or false (or 1 or 0)")

// UnmarshalJSON reads true, 1, "1", "true" and their opposites; "" is 'not reported'.
func (f *flag) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case "true", "1", `"1"`, `"true"`:
		*f = flag(posture.Yes)
	case "false", "0", `"0"`, `"false"`:
		*f = flag(posture.No)
	case "null", `""`:
		*f = flag(posture.NotReported)
	default:
		return f.word(raw)
	}
	return nil
}

// word reads the rarer spellings: True, TRUE, escapes.
func (f *flag) word(raw []byte) error {
	if raw[0] != '"' {
		return errFlag
	}
	switch strings.ToLower(unquote(raw)) {
	case "true", "1":
		*f = flag(posture.Yes)
	case "false", "0":
		*f = flag(posture.No)
	default:
		return errFlag
	}
	return nil
}

// firstFact gives the first of several flags that was reported.
func firstFact(flags ...flag) posture.Fact {
	for _, f := range flags {
		if posture.Fact(f) != posture.NotReported {
			return posture.Fact(f)
		}
	}
	return posture.NotReported
}

// count is a number of things, as a number or as its digits in a string.
type count struct {
	n     int
	known bool
}

var errCount = problem("must be a whole number from 0 to 1000000000")

// UnmarshalJSON reads a count.
func (c *count) UnmarshalJSON(raw []byte) error {
	s := string(raw)
	if raw[0] == '"' {
		s = unquote(raw)
	}
	if s == "null" || s == "" {
		*c = count{}
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxCount {
		return errCount
	}
	*c = count{n: n, known: true}
	return nil
}

// element says how many of its kind a list may hold, and how one looks that stands without its list.
type element interface {
	form() (most int, single jsontext.Kind)
}

const errList problem = "must be a list"

// list is a JSON array of at most so many elements; a single element may stand without its array.
type list[T element] []T

// UnmarshalJSONFrom reads the list, and stops at the first element too many: a hostile body costs no more than a full
// one.
func (l *list[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = nil
	most, single := (*new(T)).form()
	return eachElement(dec, single, func() error {
		if len(*l) == most {
			return problem("holds more than the " + strconv.Itoa(most) + " elements allowed")
		}
		var v T
		if err := json.UnmarshalDecode(dec, &v); err != nil {
			return err
		}
		*l = append(*l, v)
		return nil
	})
}

// eachElement has read called for each element of an array, once for a single one, and not for null.
func eachElement(dec *jsontext.Decoder, single jsontext.Kind, read func() error) error {
	switch dec.PeekKind() {
	case '[':
	case single:
		return read()
	case 'n':
		_, err := dec.ReadToken()
		return err
	default:
		return errList
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if err := read(); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// address is the text of an IP address.
type address text

func (address) form() (int, jsontext.Kind) { return maxAddresses, '"' }

// UnmarshalJSON reads an address as a text.
func (a *address) UnmarshalJSON(raw []byte) error { return (*text)(a).UnmarshalJSON(raw) }

// sortAddresses tells the IPv4 from the IPv6 addresses, whatever list they came in, and drops what is none, such as the
// "N/A" of the reference, prefix lengths and zones.
func sortAddresses(lists ...list[address]) (v4, v6 []string) {
	for _, l := range lists {
		for _, a := range l {
			s, _, _ := strings.Cut(string(a), "/")
			ip, err := netip.ParseAddr(s)
			switch {
			case err != nil || ip.IsUnspecified():
			case ip.Unmap().Is4():
				v4 = append(v4, ip.Unmap().String())
			default:
				v6 = append(v6, ip.WithZone("").String())
			}
		}
	}
	return v4, v6
}
