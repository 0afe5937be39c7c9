package device

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"muster/internal/errs"
	"muster/internal/posture"
)

// Trial is what judging by something else would do to a fleet: nothing of it has happened. It is stored as JSON: members
// may be added, never renamed.
type Trial struct {
	Devices int64 `json:"devices"` // that were judged
	Changed int64 `json:"changed"` // of them, those that would have another status
	Failed  int64 `json:"failed"`  // those that could not be judged, on top
	// Changes counts devices by the status they have and the one they would have, where those differ.
	Changes []TrialChange `json:"changes"`
	Groups  []TrialGroup  `json:"groups"`
	// Checks counts devices by check, where it makes an issue now or then.
	Checks []TrialCheck `json:"checks"`
	// Examples are some of the devices that would have another status.
	Examples []TrialExample `json:"examples"`
}

// TrialChange is one way in which a status would change.
type TrialChange struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Devices int64  `json:"devices"`
}

// TrialGroup is what would happen to a group.
type TrialGroup struct {
	Group   posture.GroupID `json:"group_id,string"`
	Devices int64           `json:"devices"`
	Changes []TrialChange   `json:"changes"`
}

// TrialCheck is what would happen to the issues of one check: how many devices have one now, and how many would.
type TrialCheck struct {
	Check string `json:"check"`
	Now   int64  `json:"now"`
	Then  int64  `json:"then"`
}

// TrialExample is a device that would have another status.
type TrialExample struct {
	DeviceID string `json:"device_id"`
	Name     string `json:"name"`
	From     string `json:"from"`
	To       string `json:"to"`
	Rule     string `json:"rule"` // that would decide
}

// maxExamples is how many devices a trial names.
const maxExamples = 100

// Try judges the next devices of a walk by a judge, adds to a trial what would come of it, and moves the position of the
// walk. It changes nothing. It says how many devices it looked at; end: there are no more.
func (s *Service) Try(ctx context.Context, w *Walk, judge Judge, t *Trial) (looked int64, end bool, err error) {
	list, err := w.next(ctx, s)
	if err != nil || len(list) == 0 {
		return 0, err == nil, err
	}
	at := s.clock()
	results := make([]tried, len(list))
	var working sync.WaitGroup
	for part := range slices.Chunk(indices(len(list)), (len(list)+1)/2) { // two cores are kept busy, and the rest idle
		working.Go(func() {
			for _, i := range part {
				results[i] = s.tryOne(ctx, &list[i], judge, at)
			}
		})
	}
	working.Wait()
	for i := range results {
		if results[i].err != nil && (ctx.Err() != nil || errs.Is(results[i].err, errs.Unavailable)) {
			return 0, false, results[i].err
		}
		t.add(&list[i].Device, &results[i])
	}
	return int64(len(list)), false, nil
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// tried is what came of one device.
type tried struct {
	judged  bool
	to      posture.Status
	rule    string
	was, is []posture.Issue
	err     error
}

func (s *Service) tryOne(ctx context.Context, r *Reported, judge Judge, at time.Time) tried {
	if !r.judgeable() {
		return tried{}
	}
	s.seen.overlay(&r.Device)
	_, before, verdict, err := s.judgeReported(ctx, r, judge, at)
	if err != nil {
		return tried{err: err}
	}
	then := r.Device
	then.takeVerdict(verdict, "", at)
	return tried{judged: true, to: then.Cell.Status, rule: verdict.Rule, was: before.Issues, is: verdict.Issues}
}

// add counts one device.
func (t *Trial) add(d *Device, r *tried) {
	if r.err != nil {
		t.Failed++
		return
	}
	if !r.judged {
		return
	}
	t.Devices++
	group := place(&t.Groups, func(g *TrialGroup) bool { return g.Group == d.Cell.Group }, TrialGroup{Group: d.Cell.Group})
	group.Devices++
	for check := range checksWith(r.was) {
		place(&t.Checks, func(c *TrialCheck) bool { return c.Check == check }, TrialCheck{Check: check}).Now++
	}
	for check := range checksWith(r.is) {
		place(&t.Checks, func(c *TrialCheck) bool { return c.Check == check }, TrialCheck{Check: check}).Then++
	}
	from, to := d.Cell.Status, r.to
	if from == to {
		return
	}
	t.Changed++
	countChange(&t.Changes, from, to)
	countChange(&group.Changes, from, to)
	if len(t.Examples) < maxExamples {
		t.Examples = append(t.Examples, TrialExample{
			DeviceID: d.ID, Name: cmp.Or(d.Name, d.HostName), From: from.String(), To: to.String(), Rule: r.rule,
		})
	}
}

func checksWith(issues []posture.Issue) map[string]bool {
	out := make(map[string]bool, len(issues))
	for i := range issues {
		out[issues[i].Check] = true
	}
	return out
}

func countChange(in *[]TrialChange, from, to posture.Status) {
	place(in, func(c *TrialChange) bool { return c.From == from.String() && c.To == to.String() },
		TrialChange{From: from.String(), To: to.String()}).Devices++
}

// place gives the entry of a list that is meant, which is added where it is not there. It looks from the end: devices
// come group by group.
func place[T any](list *[]T, meant func(*T) bool, otherwise T) *T {
	for i := len(*list) - 1; i >= 0; i-- {
		if meant(&(*list)[i]) {
			return &(*list)[i]
		}
	}
	*list = append(*list, otherwise)
	return &(*list)[len(*list)-1]
}

// Sort puts a trial in the order in which people read it: what concerns most devices first.
func (t *Trial) Sort() {
	byDevices := func(a, b TrialChange) int {
		return cmp.Or(cmp.Compare(b.Devices, a.Devices), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	}
	slices.SortFunc(t.Changes, byDevices)
	for i := range t.Groups {
		slices.SortFunc(t.Groups[i].Changes, byDevices)
	}
	slices.SortFunc(t.Groups, func(a, b TrialGroup) int { return cmp.Compare(a.Group, b.Group) })
	slices.SortFunc(t.Checks, func(a, b TrialCheck) int {
		return cmp.Or(cmp.Compare(difference(b), difference(a)), cmp.Compare(a.Check, b.Check))
	})
}

func difference(c TrialCheck) int64 { return max(c.Then-c.Now, c.Now-c.Then) }
