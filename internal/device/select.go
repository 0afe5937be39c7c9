package device

import (
	"context"

	"muster/internal/errs"
	"muster/internal/posture"
)

// Select gives a part of the live devices that match, and the position behind it, "" at the end. A walk from position to
// position misses no device that matches throughout, and repeats none; by an order that moves, none that does not move.
// Judge, Digest and Credentials are left out. Invalid: the window or the filter cannot be used.
func (s *Service) Select(ctx context.Context, account posture.AccountID, q Query) (list []Device, next string, err error) {
	switch {
	case q.Limit < 1:
		return nil, "", errs.InvalidField("limit", "A list has at least one entry")
	case q.Skip < 0:
		return nil, "", errs.InvalidField("page", "There is no page before the first")
	}
	q.Now = s.clock()
	list, next, err = s.store.Select(ctx, account, q)
	for i := range list {
		s.seen.overlay(&list[i])
	}
	return list, next, err
}

// CountMatching says how many live devices match. Invalid: the filter cannot be used.
func (s *Service) CountMatching(ctx context.Context, account posture.AccountID, f Filter) (int64, error) {
	f.Now = s.clock()
	return s.store.CountMatching(ctx, account, f)
}

// FindMany gives what Find gives for each selector, as Select gives it; nil where there is no such device. Device ids
// cost one query together, other selectors one each.
func (s *Service) FindMany(ctx context.Context, account posture.AccountID, sels []Selector) ([]*Device, error) {
	ids := make([]string, len(sels))
	for i := range sels {
		var err error
		ids[i], err = s.resolve(ctx, account, sels[i])
		if err != nil && !errs.Is(err, errs.NotFound) {
			return nil, err
		}
	}
	out, err := s.fetch(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	left := make([]string, len(sels))
	for i := range sels {
		if out[i] != nil || sels[i].ByMAC || sels[i].Linked != "" {
			continue
		}
		left[i], err = s.byHardwareID(ctx, account, sels[i].ID)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return nil, err
		}
	}
	rest, err := s.fetch(ctx, account, left)
	for i := range rest {
		if rest[i] != nil {
			out[i] = rest[i]
		}
	}
	return out, err
}

// fetch gives the live devices with these ids, nil where there is none.
func (s *Service) fetch(ctx context.Context, account posture.AccountID, ids []string) ([]*Device, error) {
	wanted := make([]string, 0, len(ids))
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		if posture.IsID(id) && !asked[id] {
			asked[id] = true
			wanted = append(wanted, id)
		}
	}
	out := make([]*Device, len(ids))
	if len(wanted) == 0 {
		return out, nil
	}
	list, err := s.store.DevicesByID(ctx, account, wanted)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*Device, len(list))
	for i := range list {
		s.seen.overlay(&list[i])
		byID[list[i].ID] = &list[i]
	}
	for i, id := range ids {
		out[i] = byID[id]
	}
	return out, nil
}
