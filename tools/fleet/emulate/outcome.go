package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"muster/tools/fleet/latency"
)

// outcome is what there is to tell in the end.
type outcome struct {
	Devices int     `json:"devices"`
	Seed    uint64  `json:"seed"`
	Seconds float64 `json:"seconds"`
	Kills   int     `json:"kills"`
	// Calls are those of registering too, which come before the seconds begin; rates are without them.
	Calls     map[string]latency.Summary `json:"calls"`
	PerSecond float64                    `json:"calls_per_second"`
	// Errors are those of well-behaved calls, by call and kind; Excused happened while the server was killed and away.
	Errors  map[string]int       `json:"errors"`
	Excused map[string]int       `json:"excused"`
	Faults  map[string]*misdeeds `json:"misbehaviour"`
	Checked checked              `json:"checked"`
	Wrong   []string             `json:"wrong"`
}

// checked is what was compared in the end.
type checked struct {
	Devices    int `json:"devices"`
	Bodies     int `json:"stored_reports"`
	Unanswered int `json:"stored_though_unanswered"` // reports whose answer a kill took
}

func (e *emulation) outcome() *outcome {
	r := &e.record
	out := &outcome{
		Devices: len(e.devices), Seed: e.seed, Seconds: r.ended.Sub(e.began).Seconds(), Kills: e.kills,
		Calls:  map[string]latency.Summary{"ping": r.ping.Summary(), "report": r.report.Summary(), "registration": r.registration.Summary()},
		Errors: r.errors, Excused: r.excused, Faults: r.faults, Wrong: r.problems,
	}
	calls := r.ping.Count() + max(0, r.report.Count()-int64(len(e.devices)))
	out.PerSecond = float64(calls) / out.Seconds
	return out
}

func (o *outcome) wrong(format string, args ...any) {
	o.Wrong = append(o.Wrong, fmt.Sprintf(format, args...))
}

// verdict is an error if anything was not as it should be.
func (o *outcome) verdict() error {
	if len(o.Wrong) > 0 {
		return fmt.Errorf("%d things are wrong, such as: %s", len(o.Wrong), o.Wrong[0])
	}
	return nil
}

func (o *outcome) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) } //nolint:errcheck // Flush says it
	line("%d devices of seed %d for %.0f s, %.0f calls a second; the server was killed %d times", o.Devices, o.Seed, o.Seconds, o.PerSecond, o.Kills)
	line("ms\tcalls\tp50\tp90\tp99\tp99.9\tmax")
	for _, name := range slices.Sorted(maps.Keys(o.Calls)) {
		s := o.Calls[name]
		line("%s\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f", name, s.Count, s.P50, s.P90, s.P99, s.P999, s.Max)
	}
	line("misbehaviour\ttimes\tserver away\tnot as documented\t")
	for i := range faults {
		if m := o.Faults[faults[i].name]; m != nil {
			line("%s\t%d\t%d\t%d\t%s", faults[i].name, m.Done, m.Excused, m.Otherwise, faults[i].what)
		}
	}
	line("errors\t%s", counted(o.Errors))
	line("errors while the server was away\t%s", counted(o.Excused))
	line("compared with what was answered\t%d devices, %d stored reports, of which the answer of %d was lost", o.Checked.Devices, o.Checked.Bodies, o.Checked.Unanswered)
	for _, text := range o.Wrong {
		line("WRONG: %s", text)
	}
	t.Flush() //nolint:errcheck // to standard output
}

func counted(kinds map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, fmt.Sprintf("%s: %d", name, kinds[name]))
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
