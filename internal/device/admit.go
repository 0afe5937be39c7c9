package device

import (
	"context"
	"strconv"

	"muster/internal/errs"
	"muster/internal/posture"
)

// admit puts a device that is new or was gone into a group. The first of these that there is decides: the group that its
// agent names, where devices may join it; that of the registration code; the one it was in, where somebody had chosen it;
// the first that wants it by rule, or by domain; the one it was in; the default one. What was named or came with the code
// was chosen by whoever installed the agent: rules leave it alone. A device that finds no room uses no code.
func admit(ctx context.Context, tx Tx, d *Device, account posture.AccountID, e *entry, full bool) error {
	var byCode posture.GroupID
	if e.Code != "" && !full {
		var err error
		byCode, err = tx.UseCode(ctx, account, e.Code, e.at)
		if err != nil {
			return err
		}
	}
	named, err := namedGroup(ctx, tx, account, e.GroupID)
	if err != nil {
		return err
	}
	var chosen posture.GroupID
	if d.Pinned {
		chosen = d.Cell.Group
	}
	for _, choice := range []struct {
		group  posture.GroupID
		pinned bool
	}{{named, true}, {byCode, true}, {chosen, true}, {e.wanted, false}, {d.Cell.Group, false}} {
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
