package app

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printLine(w io.Writer, args ...any) error {
	_, err := fmt.Fprintln(w, args...)
	return err
}

// table prints aligned columns.
type table struct{ lines []string }

func newTable(heads ...any) *table {
	t := &table{}
	if len(heads) > 0 {
		t.row(heads...)
	}
	return t
}

// row adds a line. Control characters are taken out: names come from agents, and must not steer the terminal.
func (t *table) row(cells ...any) {
	parts := make([]string, len(cells))
	for i, c := range cells {
		parts[i] = printable(fmt.Sprint(c))
	}
	t.lines = append(t.lines, strings.Join(parts, "\t"))
}

// printable takes out of a text that others chose what controls a terminal, or the direction and look of what follows.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

func (t *table) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, line := range t.lines {
		_, err := fmt.Fprintln(tw, line)
		if err != nil {
			return err
		}
	}
	return tw.Flush()
}

// stamp writes a time for people; the zero time is "never".
func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
