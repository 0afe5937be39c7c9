package device

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/posture"
)

const (
	// maxWord is how many bytes of a word are kept and compared.
	maxWord = 64
	// maxSearched is how many bytes of one field are searched.
	maxSearched = 512
	// maxFieldWords is how many words the fields of one device have at the most.
	maxFieldWords = 64
)

// Words are those by which a device is searched for, but for its addresses: each of its names, users and numbers as a
// whole, its parts between blanks, and the runs of letters and digits in it. They are in lower case, and sorted.
func Words(d *Device) []string {
	var out []string
	for _, field := range []string{d.HostName, d.Name, d.Serial, d.HardwareID, d.UserIdentity, d.Link.Username, d.LinkedID} {
		field = strings.ToLower(clipBytes(strings.TrimSpace(field), maxSearched))
		out = appendWord(out, field)
		for _, part := range strings.FieldsFunc(field, blank) {
			out = appendWord(out, part)
		}
		for _, part := range strings.FieldsFunc(field, separates) {
			out = appendWord(out, part)
		}
	}
	slices.Sort(out)
	return out
}

// SameWords reports whether two states of a device have the same words, without making them.
func SameWords(a, b *Device) bool {
	return a.HostName == b.HostName && a.Name == b.Name && a.Serial == b.Serial && a.HardwareID == b.HardwareID &&
		a.UserIdentity == b.UserIdentity && a.Link.Username == b.Link.Username && a.LinkedID == b.LinkedID
}

// AddressWords are those by which an address is searched for.
func AddressWords(m posture.MAC) [2]string {
	text := m.String()
	return [2]string{text, strings.ReplaceAll(text, ":", "")}
}

// SearchWords are the words of a search as they are compared, without repeats. Invalid: there are too many.
func SearchWords(search string) ([]string, error) {
	var out []string
	for _, part := range strings.FieldsFunc(strings.ToLower(search), blank) {
		if mac, ok := posture.ParseMAC(part); ok {
			part = AddressWords(mac)[1]
		}
		out = appendWord(out, part)
	}
	if len(out) > MaxSearchWords {
		return nil, errs.InvalidField("search", "A search has at most %d words", MaxSearchWords)
	}
	return out, nil
}

func appendWord(words []string, word string) []string {
	word = clipBytes(word, maxWord)
	if word == "" || len(words) >= maxFieldWords || slices.Contains(words, word) {
		return words
	}
	return append(words, word)
}

// clipBytes gives the first bytes of a text as whole characters, without what cannot be stored everywhere.
func clipBytes(s string, limit int) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	s = strings.ReplaceAll(s, "\x00", " ")
	if len(s) <= limit {
		return s
	}
	for !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func blank(r rune) bool     { return unicode.IsSpace(r) || unicode.IsControl(r) }
func separates(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
