// Package latency counts how long calls took, and says within which time which part of them was answered.
package latency

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"
)

// A duration is counted in microseconds. Below fine each has a bucket of its own; from there on every power of two has
// half as many, so that a bucket is at most a 32nd as wide as what is in it is long.
const (
	fine    = 64
	perStep = fine / 2
	steps   = 34 // the last begins after four days
	buckets = fine + steps*perStep
)

// Histogram counts durations. Its zero value has none; many may add at the same time.
type Histogram struct {
	counts  [buckets]atomic.Int64
	longest atomic.Int64
}

// Add counts a duration; one below zero counts as zero.
func (h *Histogram) Add(d time.Duration) {
	micros := max(0, d.Microseconds())
	h.counts[bucketOf(uint64(micros))].Add(1)
	for {
		before := h.longest.Load()
		if micros <= before || h.longest.CompareAndSwap(before, micros) {
			return
		}
	}
}

func bucketOf(micros uint64) int {
	step := max(0, bits.Len64(micros/fine))
	return min(buckets-1, step*perStep+int(micros>>step))
}

// end is the longest duration of a bucket in microseconds.
func end(bucket int) int64 {
	step := max(0, bucket/perStep-1)
	return int64(bucket-step*perStep+1)<<step - 1
}

// Count is how many durations were added.
func (h *Histogram) Count() (n int64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Within gives the time within which so many of a thousand were answered: at most a 32nd more than the true one, and never
// more than the longest. It is 0 where nothing was added.
func (h *Histogram) Within(thousandths int64) time.Duration {
	wanted := (h.Count()*thousandths + 999) / 1000
	longest := h.longest.Load()
	for i, seen := 0, int64(0); i < buckets && wanted > 0; i++ {
		seen += h.counts[i].Load()
		if seen >= wanted {
			return time.Duration(min(end(i), longest)) * time.Microsecond
		}
	}
	return 0
}

// Summary is what people want to know of a histogram, in milliseconds.
type Summary struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
}

// Summary sums up what was added so far.
func (h *Histogram) Summary() Summary {
	in := func(thousandths int64) float64 { return float64(h.Within(thousandths).Microseconds()) / 1000 }
	return Summary{Count: h.Count(), P50: in(500), P90: in(900), P99: in(990), P999: in(999), Max: in(1000)}
}

// String gives the percentiles in the order of the table in docs/performance.md.
func (s Summary) String() string {
	return fmt.Sprintf("p50 %.2f, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f ms", s.P50, s.P90, s.P99, s.P999, s.Max)
}
