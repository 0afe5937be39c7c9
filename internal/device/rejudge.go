package device

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"muster/internal/errs"
	"muster/internal/posture"
)

// Reported is a live device that reported, with what it is judged by.
type Reported struct {
	Device Device // as Agents.Stored gives it, its name and its profile
	Body   []byte // the report as it was received; empty where there is none
	// Verdict is the last one as it is stored: see Agents.UnpackVerdict.
	Verdict string
}

// Fleet reads devices to be judged anew.
type Fleet interface {
	// Reported gives up to so many live devices of a group with an agent, in the order of their ids, after an id. It reads
	// their reports too, so limit is to be moderate.
	Reported(ctx context.Context, account posture.AccountID, group posture.GroupID, after string, limit int) ([]Reported, error)
	// ReportedOf gives those of some devices, in the order of their ids.
	ReportedOf(ctx context.Context, account posture.AccountID, ids []string) ([]Reported, error)
	// UnpackVerdict reads a verdict as it is stored.
	UnpackVerdict(text string) (posture.Verdict, error)
	// GroupCounts gives for each group of an account how many of its devices stand where.
	GroupCounts(ctx context.Context, account posture.AccountID) (map[posture.GroupID]Counts, error)
}

// Walk is a way through the devices of some groups, or through those that have something. Its position can be stored, and
// be gone on from.
type Walk struct {
	Account posture.AccountID
	Groups  []posture.GroupID // in order
	Facets  Facets            // where there are any, those that have one of them, in whatever group
	None    bool              // no device at all
	Anew    bool              // also devices that were judged by just what holds now
	// Position is behind which device it goes on; "" is the beginning.
	Position string
}

// walkPart is how many devices one part of a walk has: few enough that their reports take little memory, and that a part is
// soon done when somebody wants to cancel.
const walkPart = 256

// next reads the next part of the walk, and moves the position behind it. At the end it gives none.
func (w *Walk) next(ctx context.Context, s *Service) ([]Reported, error) {
	if w.None {
		return nil, nil
	}
	if len(w.Facets) > 0 {
		return w.nextWith(ctx, s)
	}
	group, after, err := w.at()
	if err != nil {
		return nil, err
	}
	for _, g := range w.Groups {
		if g < group {
			continue
		}
		if g > group {
			after = ""
		}
		list, err := s.store.Reported(ctx, w.Account, g, after, walkPart)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			w.Position = strconv.FormatInt(int64(g), 10) + "/" + list[len(list)-1].Device.ID
			return list, nil
		}
	}
	return nil, nil
}

// nextWith is next for those that have something. Devices without a report to judge are passed over.
func (w *Walk) nextWith(ctx context.Context, s *Service) ([]Reported, error) {
	for {
		ids, err := s.store.DevicesWith(ctx, w.Account, w.Facets, w.Position, walkPart)
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		list, err := s.store.ReportedOf(ctx, w.Account, ids)
		if err != nil {
			return nil, err
		}
		w.Position = ids[len(ids)-1]
		if len(list) > 0 {
			return list, nil
		}
	}
}

// at reads the position.
func (w *Walk) at() (posture.GroupID, string, error) {
	if w.Position == "" {
		return 0, "", nil
	}
	group, id, _ := strings.Cut(w.Position, "/")
	n, err := strconv.ParseInt(group, 10, 64)
	if err != nil {
		return 0, "", errs.Wrap(errs.Internal, err, "The position %q of a walk cannot be read", w.Position)
	}
	return posture.GroupID(n), id, nil
}

// Tally is what came of a part of a walk.
type Tally struct {
	Done    int64 // devices that were looked at
	Changed int64 // of them, those whose status changed
	Failed  int64 // of them, those that could not be judged
}

// Total says how many devices a walk is about, as of now.
func (s *Service) Total(ctx context.Context, w *Walk) (int64, error) {
	counts, err := s.store.GroupCounts(ctx, w.Account)
	var total int64
	for _, g := range w.Groups {
		c := counts[g]
		total += c.Used()
	}
	return total, err
}

// Rejudge judges the next devices of a walk by what they reported, where they were judged by something else than what
// holds now, and moves the position of the walk. end: there are no more. Devices that report meanwhile are not kept waiting.
// A verdict that comes out as it was is not stored again.
func (s *Service) Rejudge(ctx context.Context, w *Walk) (t Tally, end bool, err error) {
	list, err := w.next(ctx, s)
	if err != nil || len(list) == 0 {
		return t, err == nil, err
	}
	var changed, failed atomic.Int64
	err = allAtOnce(list, func(r Reported) error {
		one := s.rejudge(ctx, &r, w.Anew)
		if errs.Is(one.err, errs.Invalid) {
			s.log.Error("a stored report cannot be read; its verdict stays until the next one", "error", one.err)
			failed.Add(1)
			return nil
		}
		if one.changed {
			changed.Add(1)
		}
		return one.err
	})
	if err != nil {
		return Tally{}, false, err
	}
	return Tally{Done: int64(len(list)), Changed: changed.Load(), Failed: failed.Load()}, false, nil
}

// JudgeNow judges one live device anew by what it last reported. NotFound is no error: a device that is gone needs no
// verdict. Unavailable: it cannot be judged now.
func (s *Service) JudgeNow(ctx context.Context, account posture.AccountID, id string) error {
	return s.judgeAgain(ctx, Ref{Account: account, ID: id})
}

type rejudged struct {
	changed bool
	err     error
}

// judgeable reports whether a device that was read has something to be judged by.
func (r *Reported) judgeable() bool {
	return len(r.Device.Digest) > 0 && r.Device.Monitored()
}

// judgedBy reports whether the stored verdict was made by what is known now. It reads only the member that says so.
func (r *Reported) judgedBy(known posture.Knowledge) bool {
	return strings.Contains(r.Verdict, `"catalogue":"`+known.String()+`"`)
}

func (s *Service) rejudge(ctx context.Context, r *Reported, anew bool) rejudged {
	d := &r.Device
	version := s.judge.Version(d.Policy, d.Cell.Group)
	if !r.judgeable() || !anew && d.Judge == version && r.judgedBy(d.Known) {
		return rejudged{}
	}
	at := s.clock()
	s.seen.overlay(d)
	report, before, verdict, err := s.judgeReported(ctx, r, s.judge, at)
	if err != nil {
		return rejudged{err: err}
	}
	if d.Judge == version && before.SaysSame(verdict) {
		return rejudged{}
	}
	ref := Ref{Account: d.Account, ID: d.ID}
	packed, err := s.pack(ctx, ref, nil, report, verdict)
	if err != nil {
		return rejudged{err: err}
	}
	status := d.Cell.Status
	changed, err := s.storeVerdict(ctx, ref, d, verdict, &packed, at)
	if errors.Is(err, errJudgedMeanwhile) {
		changed, err = s.judgedSince(ctx, ref, status)
	}
	return rejudged{changed, unlessGone(err)}
}

// judgedSince judges a device from the start, and says whether it has another status than before.
func (s *Service) judgedSince(ctx context.Context, ref Ref, before posture.Status) (changed bool, err error) {
	err = s.judgeAgain(ctx, ref)
	if err != nil {
		return false, err
	}
	d, err := s.store.Stored(ctx, ref.Account, ref.ID)
	return d.Cell.Status != before, err
}

// judgeReported judges what a device reported, and gives that as it was judged, and the last verdict besides. Invalid: what is stored cannot be read.
func (s *Service) judgeReported(ctx context.Context, r *Reported, judge Judge, at time.Time) (report *posture.Report, before, now *posture.Verdict, err error) {
	report, err = s.storedReport(&r.Device, r.Body)
	if err != nil {
		return nil, nil, nil, errs.Wrap(errs.Invalid, err, "The stored report of device %s cannot be read", r.Device.ID)
	}
	last, err := s.store.UnpackVerdict(r.Verdict)
	if err != nil {
		return nil, nil, nil, errs.Wrap(errs.Invalid, err, "The stored verdict on device %s cannot be read", r.Device.ID)
	}
	subject := SubjectOf(&r.Device, report)
	subject.SameReport, subject.Before = true, &last
	verdict, err := judge.Judge(ctx, subject, at)
	return subject.Report, &last, &verdict, err
}
