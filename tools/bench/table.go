package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// write puts the figures where they were asked for.
func (b *bench) write() error {
	return errors.Join(b.writeJSON(), b.writeTable())
}

func (b *bench) writeJSON() error {
	if b.json == "" {
		return nil
	}
	out, err := json.MarshalIndent(struct {
		Machine machine  `json:"machine"`
		Results []result `json:"results"`
	}{b.machine, b.results}, "", "  ")
	if err != nil {
		return err
	}
	out = append(out, '\n')
	if b.json == "-" {
		_, err = os.Stdout.Write(out)
		return err
	}
	return os.WriteFile(b.json, out, 0o644)
}

// writeTable replaces what stands between the markers in the file. A run with the large fleet has markers of its own,
// so that the usual run leaves its figures alone.
func (b *bench) writeTable() error {
	if b.out == "" {
		return nil
	}
	name := "bench"
	if slices.Max(b.sizes) >= 1_000_000 {
		name = "bench-million"
	}
	path := b.out
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.root, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := []byte("<!-- "+name+": written by tools/bench -->\n"), []byte("<!-- end of "+name+" -->")
	before, rest, ok := bytes.Cut(text, begin)
	_, after, ok2 := bytes.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the lines %q and %q", b.out, begin, end)
	}
	return os.WriteFile(path, slices.Concat(before, begin, []byte(b.markdown()), end, after), 0o644)
}

// markdown describes the machine, and has a table for each engine with a column for each size.
func (b *bench) markdown() string {
	var out strings.Builder
	m := b.machine
	fmt.Fprintf(&out, "\nMeasured %s at commit %s: %s, %d cores, %s, %s; %d connections.\n", m.Date, m.Commit, m.CPU, m.Cores, m.Kernel, m.Go, b.connections)
	for _, r := range b.results {
		if r.Engine == "" {
			fmt.Fprintf(&out, "The floor in the same run, %s: %s ms.\n", r.Row, figure(r.Millis))
		}
	}
	for _, engine := range b.engines {
		b.engineTable(&out, engine)
	}
	out.WriteByte('\n')
	return out.String()
}

func (b *bench) engineTable(out *strings.Builder, engine string) {
	title := map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL (of it the server)"}[engine]
	fmt.Fprintf(out, "\n| %s, ms of processor time for one request | budget |", title)
	for _, size := range b.sizes {
		fmt.Fprintf(out, " %s devices |", grouped(size))
	}
	last := b.sizes[len(b.sizes)-1]
	fmt.Fprintf(out, " of the budget | largest / smallest | p50 / p99, ms, at %s |\n|---|---|%s---|---|---|\n", grouped(last), strings.Repeat("---|", len(b.sizes)))
	var seen []string
	for _, r := range b.results {
		if r.Engine == engine && !slices.Contains(seen, r.Row) {
			seen = append(seen, r.Row)
			b.tableRow(out, engine, r.Row)
		}
	}
}

func (b *bench) tableRow(out *strings.Builder, engine, name string) {
	var first, last *result
	cells := ""
	for _, size := range b.sizes {
		i := slices.IndexFunc(b.results, func(r result) bool { return r.Engine == engine && r.Row == name && r.Devices == size })
		if i < 0 {
			cells += " |"
			continue
		}
		last = &b.results[i]
		if first == nil {
			first = last
		}
		cells += " " + last.cell() + " |"
	}
	budget, verdict, ratio, latency := "", "", "", ""
	if last.Budget > 0 {
		budget = strconv.FormatFloat(last.Budget, 'f', -1, 64)
		verdict = fmt.Sprintf("kept, × %.2f", last.Millis/last.Budget)
		if last.Millis > last.Budget {
			verdict = fmt.Sprintf("**missed**, × %.2f", last.Millis/last.Budget)
		}
	}
	if first.Devices != last.Devices {
		ratio = fmt.Sprintf("%.2f", last.Millis/first.Millis)
	}
	if last.P99 > 0 {
		latency = fmt.Sprintf("%.1f / %.1f", last.P50, last.P99)
	}
	fmt.Fprintf(out, "| %s | %s |%s %s | %s | %s |\n", name, budget, cells, verdict, ratio, latency)
}

// cell shows the server's part where there is another.
func (r *result) cell() string {
	if r.Engine == "postgres" {
		return figure(r.Millis) + " (" + figure(r.Server) + ")"
	}
	return figure(r.Millis)
}

// figure writes as many digits as the measuring is good for.
func figure(ms float64) string {
	digits := 3
	if ms >= 0.1 {
		digits = 2
	}
	return strconv.FormatFloat(ms, 'f', digits, 64)
}

// grouped sets blanks between thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}
