package webhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSchedule(t *testing.T) {
	var retries, pauses []time.Duration
	for n := range 12 {
		retries, pauses = append(retries, retryAfter(n+1, 0)), append(pauses, pauseAfter(n+1, 0))
	}
	want := []time.Duration{
		4 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, 64 * time.Minute,
		2 * time.Hour, 2 * time.Hour, 2 * time.Hour, 2 * time.Hour,
	}
	if diff := cmp.Diff(want, retries); diff != "" {
		t.Error(diff)
	}
	want = []time.Duration{0, 0, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second, 128 * time.Second,
		256 * time.Second, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Error(diff)
	}
	rapid.Check(t, func(t *rapid.T) {
		n, chance := rapid.IntRange(1, 1_000_000).Draw(t, "n"), rapid.Float64Range(0, 0.999).Draw(t, "chance")
		if d := retryAfter(n, chance); d < firstRetry || d > mostRetry {
			t.Errorf("%v", d)
		}
		if d := pauseAfter(n, chance); d < 0 || d > mostPause {
			t.Errorf("%v", d)
		}
	})
}

// TestParcels: how changes go together in requests.
func TestParcels(t *testing.T) {
	var heads []Pending
	for i := range 40 {
		heads = append(heads, Pending{EventID: fmt.Sprint(i), Attempts: i % 4 / 3}) // each fourth failed once
	}
	sizes := func(w Webhook) (out []int) {
		for _, list := range parcels(&w, heads) {
			out = append(out, len(list))
		}
		return out
	}
	for _, c := range []struct {
		w    Webhook
		want []int
	}{
		{Webhook{Form: Opswat}, []int{30, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
		{Webhook{Form: Opswat, Failures: troubled}, []int{30}},
		{Webhook{Form: Standard}, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
		{Webhook{Form: Standard, Failures: troubled}, []int{1}},
	} {
		if diff := cmp.Diff(c.want, sizes(c.w)); diff != "" {
			t.Errorf("%+v: %s", c.w, diff)
		}
	}
	if got := parcels(&Webhook{Form: Standard, Failures: troubled}, heads[3:5]); got[0][0].EventID != "4" {
		t.Errorf("a receiver in trouble is tried with %v", got)
	}
	if got := parcels(&Webhook{Form: Opswat}, nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
