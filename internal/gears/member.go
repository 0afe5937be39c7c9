package gears

import (
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/errs"
)

// problem says what is wrong with a value, as the end of a sentence that begins with the member's name.
type problem string

// Error gives the text.
func (p problem) Error() string { return string(p) }

// memberName writes the place of a value as people do: soh.applications[3].version.
func memberName(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		switch {
		case isIndex(token):
			b.WriteString("[" + token + "]")
		case b.Len() == 0:
			b.WriteString(token)
		default:
			b.WriteString("." + token)
		}
	}
	return shorten(b.String())
}

// isIndex takes every name of digits for the index of an element: in a text for people the difference is small.
func isIndex(token string) bool {
	return token != "" && strings.Trim(token, "0123456789") == ""
}

// shorten keeps a name that an agent chose from filling the answer and the log.
func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxMemberShown {
		return s
	}
	return string([]rune(s)[:maxMemberShown]) + "…"
}

// where continues a sentence with the place of a value, if it is not the whole body.
func where(p jsontext.Pointer) string {
	if p == "" {
		return ""
	}
	return ", in member " + memberName(p)
}

// invalidMember says what is wrong with the member at a place.
func invalidMember(p jsontext.Pointer, problem string) error {
	if p == "" {
		return errs.New(errs.Invalid, "The body %s", problem)
	}
	name := memberName(p)
	return errs.InvalidField(name, "Member %s %s", name, problem)
}

// pointerToken writes a quoted name as a part of a JSON pointer.
func pointerToken(quoted []byte) jsontext.Pointer {
	// It cannot fail: the name has been read as valid JSON.
	name, _ := jsontext.AppendUnquote(nil, quoted)
	return jsontext.Pointer("").AppendToken(string(name))[1:]
}
