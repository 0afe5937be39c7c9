package latency

import (
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPercentiles compares with what sorting says.
func TestPercentiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(-5, 1<<rapid.IntRange(1, 38).Draw(t, "size")), 1, 300).Draw(t, "micros")
		var h Histogram
		for i, m := range all {
			h.Add(time.Duration(m) * time.Microsecond)
			all[i] = max(0, m)
		}
		slices.Sort(all)
		for _, thousandths := range []int64{1, 500, 900, 990, 999, 1000} {
			want := all[(int64(len(all))*thousandths+999)/1000-1]
			got := h.Within(thousandths).Microseconds()
			if got < want || got > want+want/32 {
				t.Fatalf("%d of a thousand within %d, want %d: %v", thousandths, got, want, all)
			}
		}
		if s := h.Summary(); s.Count != int64(len(all)) || s.Max != float64(all[len(all)-1])/1000 {
			t.Fatalf("%+v of %v", s, all)
		}
	})
}

func TestBucketsHaveNoGaps(t *testing.T) {
	last := int64(-1)
	for b := range buckets {
		if got := bucketOf(uint64(last + 1)); got != b {
			t.Fatalf("%d microseconds are in bucket %d, want %d", last+1, got, b)
		}
		last = end(b)
		if got := bucketOf(uint64(last)); got != b {
			t.Fatalf("%d microseconds are in bucket %d, want %d", last, got, b)
		}
	}
	var h Histogram
	if h.Within(500) != 0 || h.Count() != 0 {
		t.Error("an empty histogram has a median")
	}
	h.Add(1 << 62)
	if h.Count() != 1 {
		t.Error("what is longer than any bucket is not counted")
	}
}

func TestManyAdd(t *testing.T) {
	var h Histogram
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				h.Add(time.Duration(k*1000+i) * time.Microsecond)
			}
		})
	}
	wg.Wait()
	if s := h.Summary(); s.Count != 8000 || s.Max != 7.999 {
		t.Errorf("%+v", s)
	}
}
