// Package collect is the vocabulary of what an agent finds on its machine: facts that know whether they are known, the
// snapshot that they make up, and the collectors that fill it, which are run here one after the other.
package collect

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Collector looks at one subject of the machine.
type Collector struct {
	// Subject names it in logs and in what could not be read: "firewall".
	Subject string
	// Light collectors cost next to nothing and see what changes from one minute to the next; the others are run once in
	// a report's interval.
	Light bool
	// Collect writes into the facts that are its own, and leaves the others alone. What it cannot read it notes in the
	// fact; an error is for what concerns the whole subject.
	Collect func(ctx context.Context, s *Snapshot) error
}

// limit is how long one collector may take. Programs that it starts have limits of their own, well below this.
const limit = 2 * time.Minute

// Gather runs the collectors in their order and gives what they found. What is not looked at anew keeps its value from
// before, which may be nil. One collector that fails, or even panics, takes nothing from the others.
func Gather(ctx context.Context, collectors []Collector, before *Snapshot, now time.Time, log *slog.Logger) *Snapshot {
	s := &Snapshot{}
	if before != nil {
		*s = *before
	}
	s.Taken = now
	failed := make(map[string]string, len(before.failures()))
	for subject, why := range before.failures() {
		failed[subject] = why
	}
	for _, c := range collectors {
		if ctx.Err() != nil {
			return s
		}
		delete(failed, c.Subject)
		if err := run(ctx, c, s); err != nil {
			failed[c.Subject] = reason(err)
			log.Warn("a subject could not be collected", "subject", c.Subject, "error", err)
		}
	}
	s.Failed = failed
	return s
}

// run keeps a mistake in one collector from ending the agent: on a million machines there is always one on which a
// program prints what nobody foresaw.
func run(ctx context.Context, c Collector, s *Snapshot) (err error) {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the collector broke down: %v", p)
		}
	}()
	return c.Collect(ctx, s)
}

// LightOnes are the collectors that cost next to nothing.
func LightOnes(all []Collector) []Collector {
	var out []Collector
	for _, c := range all {
		if c.Light {
			out = append(out, c)
		}
	}
	return out
}
