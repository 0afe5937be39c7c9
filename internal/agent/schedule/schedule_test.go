package schedule

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.IntRange(1, 7200).Draw(t, "every")) * time.Second
		asked := time.Duration(rapid.IntRange(0, 3600).Draw(t, "asked")) * time.Second
		failures := rapid.IntRange(1, 1000).Draw(t, "failures")
		random := func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "random") }
		if d := First(every, random); d < 0 || d >= every {
			t.Fatalf("First(%v) = %v", every, d)
		}
		if d := Next(every, random); d < every*9/10-time.Millisecond || d > every*11/10+time.Millisecond {
			t.Fatalf("Next(%v) = %v", every, d)
		}
		d := Retry(failures, every, asked, random)
		if d < every-time.Millisecond || d < asked {
			t.Fatalf("Retry(%d, %v, %v) = %v: too soon", failures, every, asked, d)
		}
		if most := max(MaxBackoff, every*3/2, asked+every); d > most {
			t.Fatalf("Retry(%d, %v, %v) = %v: later than %v", failures, every, asked, d, most)
		}
	})
}

// TestRetryGrows: an agent that goes on failing calls less and less often.
func TestRetryGrows(t *testing.T) {
	middle := func() float64 { return 0.5 }
	before := time.Duration(0)
	for n := 1; n <= 6; n++ {
		d := Retry(n, time.Minute, 0, middle)
		if d <= before && before < MaxBackoff*5/6 {
			t.Errorf("after %d failures %v, after one less %v", n, d, before)
		}
		before = d
	}
	if want := MaxBackoff * 5 / 6; before != want {
		t.Errorf("after 6 failures %v, want %v", before, want)
	}
}

// call is the next call of one agent.
type call struct {
	at       time.Duration
	failures int
}

// simulate runs so many agents through an outage and gives the number of calls in each second, answered or not.
func simulate(agents int, every, from, to, end time.Duration) []int {
	random := rand.New(rand.NewPCG(1, 2)).Float64
	next := make([][]call, end/time.Second) // by the second in which they are due
	plan := func(c call) {
		if c.at < end {
			next[c.at/time.Second] = append(next[c.at/time.Second], c)
		}
	}
	for range agents {
		plan(call{at: First(every, random)})
	}
	perSecond := make([]int, len(next))
	for second, due := range next {
		perSecond[second] = len(due)
		for _, c := range due {
			if c.at >= from && c.at < to {
				c.failures++
				c.at += Retry(c.failures, every, 0, random)
			} else {
				c.failures = 0
				c.at += Next(every, random)
			}
			plan(c)
		}
		next[second] = nil
	}
	return perSecond
}

// TestNoStampede: 100 000 agents that ping every minute start at the same moment, and lose their server later, for a
// minute, ten, or an hour. While it is away and after it is back, no second sees more calls than 1.2 times the quiet
// average; and within the longest back-off all are back.
func TestNoStampede(t *testing.T) {
	const agents, quiet = 100_000, 100_000.0 / 60
	for _, outage := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour} {
		from := 10 * time.Minute
		to := from + outage
		perSecond := simulate(agents, time.Minute, from, to, to+MaxBackoff+10*time.Minute)
		start, peak := slices.Max(perSecond[:from/time.Second-60]), slices.Max(perSecond[from/time.Second-60:])
		last := total(perSecond[len(perSecond)-60:])
		t.Logf("an outage of %v: quiet %.0f/s; at most %d/s after all started at once, %d/s from the outage on; calls in the first minute after it: %d, in the tenth after the longest back-off: %d",
			outage, quiet, start, peak, total(perSecond[to/time.Second:][:60]), last)
		if float64(start) > 1.5*quiet {
			t.Errorf("%d calls in one second after a start; quiet is %.0f", start, quiet)
		}
		if float64(peak) > 1.2*quiet {
			t.Errorf("an outage of %v: %d calls in one second; quiet is %.0f", outage, peak, quiet)
		}
		if float64(last) < 0.97*60*quiet {
			t.Errorf("an outage of %v: only %d calls in the last minute, of %d agents", outage, last, agents)
		}
	}
}

func total(counts []int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
