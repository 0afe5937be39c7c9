package admin

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"muster/internal/errs"
)

// query is what stands behind the question mark. A handler reads everything it knows of and then asks err: what it did not
// read is a mistake too, since a filter with a slip of the pen would let everything pass.
type query struct {
	values   url.Values
	known    map[string]bool
	mistakes []*errs.Error
}

func readQuery(raw string) (*query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errs.New(errs.Invalid, "The query is not well formed")
	}
	return &query{values: values, known: map[string]bool{}}, nil
}

func (q *query) wrong(name, format string, args ...any) {
	q.mistakes = append(q.mistakes, errs.InvalidField(name, strings.ReplaceAll(name, "%", "%%")+" "+format, args...))
}

// err gives every mistake.
func (q *query) err() error {
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		switch {
		case !utf8.ValidString(name):
			q.mistakes = append(q.mistakes, errs.New(errs.Invalid, "The query is not valid UTF-8"))
		case !q.known[name]:
			q.mistakes = append(q.mistakes, errs.InvalidField(name, "There is no parameter %q", name))
		}
	}
	return errs.Several(q.mistakes)
}

// maxArgument is the longest argument of a query, in characters.
const maxArgument = 1024

// text gives a parameter, and whether it is there.
func (q *query) text(name string) (string, bool) {
	q.known[name] = true
	list := q.values[name]
	switch {
	case len(list) == 0:
		return "", false
	case len(list) > 1:
		q.wrong(name, "is given more than once")
	case list[0] == "" || utf8.RuneCountInString(list[0]) > maxArgument:
		q.wrong(name, "must have 1 to %d characters", maxArgument)
	case !utf8.ValidString(list[0]) || strings.ContainsFunc(list[0], unicode.IsControl):
		q.wrong(name, "must be text without control characters")
	}
	return list[0], true
}

// number gives a whole number from least to most, or otherwise where the parameter is absent.
func (q *query) number(name string, otherwise, least, most int64) int64 {
	text, ok := q.text(name)
	if !ok {
		return otherwise
	}
	n, ok := wholeNumber(text)
	if !ok || n < least || n > most {
		q.wrong(name, "must be a whole number from %d to %d", least, most)
	}
	return n
}

// wholeNumber reads a number in its one spelling: no sign but minus, no zeros in front.
func wholeNumber(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == text
}

// time gives a point in time, zero where the parameter is absent.
func (q *query) time(name string) time.Time {
	text, ok := q.text(name)
	if !ok {
		return time.Time{}
	}
	t, ok := parseMoment(text)
	if !ok {
		q.wrong(name, "must be a time such as 2026-01-31T09:00:00Z")
	}
	return t
}

// parseMoment reads a time that a database can keep.
func parseMoment(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, text)
	return t.UTC(), err == nil && t.Year() >= 1970 && t.Year() <= 9999
}

// words gives the words of a list that is separated by commas, each of which has to be one of those known.
func (q *query) words(name string, known []string) []string {
	text, ok := q.text(name)
	if !ok {
		return nil
	}
	list := strings.Split(text, ",")
	for _, word := range list {
		if !slices.Contains(known, word) {
			q.wrong(name, "must be one or several of %s, with commas between", strings.Join(known, ", "))
			return nil
		}
	}
	return list
}
