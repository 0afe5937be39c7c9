package version

import (
	"cmp"
	"slices"
	"strings"
)

// token is one part of an application's version: a number without leading zeros, or a word.
type token struct {
	rank rank
	text string
}

// rank orders parts of different kinds. A part that is missing is worth a zero: 1.2 is 1.2.0.
type rank uint8

const (
	preRelease rank = iota // beta, rc: before the release itself
	zero                   // 0, or nothing there
	word                   // 1.0.1g, 9.3p2: after the release
	number
)

// preReleases are the words that put a version before the one without them.
var preReleases = []string{"alpha", "beta", "canary", "dev", "nightly", "pre", "preview", "rc"}

// silent are the words that say nothing about the order.
var silent = []string{"esr", "final", "ga", "lts", "release", "stable", "version"}

// tokens takes a version of an application apart: "v1.10.2", "115.8.0esr", "19.00", "Version 5.17.11 (34827)",
// "5.70 beta 1", "8.0.2020.8". Text before the first digit and after the first bracket is not part of it, nor are
// words that follow a blank unless they mark a preview.
func tokens(s string) []token {
	s, _, _ = strings.Cut(strings.ToLower(s), "(")
	s = s[max(0, strings.IndexAny(s, "0123456789")):]
	out := make([]token, 0, 6)
	for i, field := range strings.Fields(s) {
		parts := split(field)
		if i > 0 && (len(parts) == 0 || !continues(out, parts[0])) {
			break
		}
		out = append(out, parts...)
	}
	return out
}

// continues reports whether a part after a blank still belongs to the version: "5.70 beta 1".
func continues(before []token, next token) bool {
	if next.rank == preRelease {
		return true
	}
	return len(before) > 0 && before[len(before)-1].rank == preRelease && next.rank != word
}

// split cuts at everything that is neither letter nor digit, and between letters and digits.
func split(s string) []token {
	var out []token
	for start := 0; start < len(s); {
		c := class(s[start])
		end := start + 1
		for end < len(s) && class(s[end]) == c {
			end++
		}
		if t, ok := newToken(c, s[start:end]); ok {
			out = append(out, t)
		}
		start = end
	}
	return out
}

// class tells digits (1) and letters (2) from separators (0). What is not ASCII counts as a letter.
func class(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return 1
	case b >= 'a' && b <= 'z' || b >= 0x80:
		return 2
	default:
		return 0
	}
}

func newToken(class int, s string) (token, bool) {
	switch {
	case class == 0 || slices.Contains(silent, s):
		return token{}, false
	case class == 2 && slices.Contains(preReleases, s):
		return token{preRelease, s}, true
	case class == 2:
		return token{word, s}, true
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return token{rank: zero}, true
	}
	return token{number, s}, true
}

// compareTokens compares part by part; the shorter version goes on with zeros.
func compareTokens(a, b []token) int {
	for i := range max(len(a), len(b)) {
		if c := compareToken(at(a, i), at(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func at(t []token, i int) token {
	if i < len(t) {
		return t[i]
	}
	return token{rank: zero}
}

func compareToken(a, b token) int {
	if a.rank != b.rank || a.rank != number {
		return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.text, b.text))
	}
	// Without leading zeros the longer number is the larger, whatever its size.
	return cmp.Or(cmp.Compare(len(a.text), len(b.text)), strings.Compare(a.text, b.text))
}
