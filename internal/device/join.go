package device

import (
	"context"
	"strconv"
	"time"

	"muster/internal/errs"
	"muster/internal/posture"
)

// admit puts a device that is new or was gone into a group: the one that its agent names, where devices may join it; else
// that of the registration code; else the one it was in, where that still is; else the default one. One that was named
// was chosen by whoever installed the agent, and rules leave it alone. A device that finds no room uses no code.
func (s *Service) admit(ctx context.Context, tx Tx, d *Device, account posture.AccountID, r *Registration, full bool, at time.Time) error {
	var byCode posture.GroupID
	if r.Code != "" && !full {
		var err error
		byCode, err = tx.UseCode(ctx, account, r.Code, at)
		if err != nil {
			return err
		}
	}
	named, err := namedGroup(ctx, tx, account, r.GroupID)
	if err != nil {
		return err
	}
	for _, choice := range []struct {
		group  posture.GroupID
		pinned bool
	}{{named, true}, {byCode, true}, {d.Cell.Group, d.Pinned}} {
		there, err := hasGroup(ctx, tx, account, choice.group)
		if err != nil {
			return err
		}
		if there {
			d.Cell.Group, d.Pinned = choice.group, choice.pinned
			return nil
		}
	}
	d.Cell.Group, d.Pinned = posture.DefaultGroup, false
	return nil
}

// namedGroup gives the group that an agent names, 0 where it names none that devices may join.
func namedGroup(ctx context.Context, tx Tx, account posture.AccountID, name string) (posture.GroupID, error) {
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return 0, nil //nolint:nilerr // what is no number names none
	}
	g, err := tx.GroupForUpdate(ctx, account, posture.GroupID(id))
	if errs.Is(err, errs.NotFound) || err == nil && !g.AutoJoin {
		return 0, nil
	}
	return g.ID, err
}

// hasGroup reports whether a group is there, and keeps it from being deleted meanwhile. The default one always is.
func hasGroup(ctx context.Context, tx Tx, account posture.AccountID, id posture.GroupID) (bool, error) {
	switch id {
	case 0:
		return false, nil
	case posture.DefaultGroup:
		return true, nil
	}
	_, err := tx.GroupForUpdate(ctx, account, id)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}
