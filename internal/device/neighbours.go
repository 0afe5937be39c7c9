package device

import (
	"context"
	"net/netip"
	"time"

	"muster/internal/event"
	"muster/internal/posture"
)

// Neighbour is another machine that an agent saw on its network.
type Neighbour struct {
	MAC     posture.MAC
	IP      netip.Addr // the zero Addr where the agent did not say
	Adapter string     // of the machine that saw it
}

// Around is what a report says of other machines. It is no part of what the report says of its own.
type Around struct {
	// Set tells one list from another.
	Set uint64
	// Decode reads the list.
	Decode func() ([]Neighbour, error)
}

// The bounds of what agents can do by naming neighbours. An agent may invent as many as it likes.
const (
	// neighbourLife is for how long a machine that was noted is not looked up again, whoever sees it.
	neighbourLife = 50 * time.Minute
	// neighbourSetLife is for how long a list that stays the same is not looked at again.
	neighbourSetLife = 6 * time.Hour
	// witnessLife is how old it may be by whom a device was last seen: to store it anew writes a row.
	witnessLife = 24 * time.Hour
	// maxNeighbourLooks is how many machines one report has looked up, maxNewNeighbours how many it may add.
	maxNeighbourLooks = 256
	maxNewNeighbours  = 50
	// minDailyNeighbours is how many an account may be given in a day, however few devices it has; dailyNeighbourShare is the
	// part of those in service that counts where that is more.
	minDailyNeighbours  = 1000
	dailyNeighbourShare = 10
)

// Witness is by whom a device without an agent was seen on the network. It is stored within the profile.
type Witness struct {
	Device  string    `json:"device"`
	Adapter string    `json:"adapter,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// neighboursOf gives the neighbours of a report, and whether they are to be noted: not where the account does not want to
// know, or where the list is as it was lately. One that is not known is read in any case, so that a bad one is refused
// wherever it comes.
func (s *Service) neighboursOf(ref Ref, sub *Submission, rules *Rules, at time.Time) ([]Neighbour, bool, error) {
	if sub.Around == nil || s.around.sameSet(ref, sub.Around.Set, rules.Discover, at) {
		return nil, false, nil
	}
	list, err := sub.Around.Decode()
	if err == nil && !rules.Discover {
		s.around.keepSet(ref, sub.Around.Set, false, at)
	}
	return list, err == nil && rules.Discover, err
}

// meet notes the neighbours that a device reported. It never fails the report, which is stored: what is missed is seen again.
func (s *Service) meet(ctx context.Context, ref Ref, set uint64, list []Neighbour, at time.Time) {
	var fresh []Neighbour
	all := true
	for _, n := range list {
		if !n.MAC.Identifies() || isRouterRole(n.MAC) {
			continue
		}
		if len(fresh) == maxNeighbourLooks {
			all = false
			break
		}
		if s.around.take(ref.Account, n.MAC, at) {
			fresh = append(fresh, n)
		}
	}
	err := s.meetFresh(ctx, ref, fresh, at)
	if err != nil {
		for _, n := range fresh {
			s.around.giveBack(ref.Account, n.MAC)
		}
		if ctx.Err() != nil {
			return // the agent does not wait for the answer any more
		}
		s.log.Error("neighbours that a device saw could not be noted; they are when they are seen again", "device", ref.ID, "error", err)
		return
	}
	if all {
		s.around.keepSet(ref, set, true, at)
	}
}

// isRouterRole reports whether the address is that of a role which routers take by turns (VRRP): it names no machine.
func isRouterRole(m posture.MAC) bool {
	return m[0] == 0 && m[1] == 0 && m[2] == 0x5e && m[3] == 0 && (m[4] == 1 || m[4] == 2)
}

// meetFresh notes that known devices without an agent were seen, and adds those that nobody knows. Nearly always all are
// known, and then nothing is written but the times of contact, with those of all others.
func (s *Service) meetFresh(ctx context.Context, ref Ref, fresh []Neighbour, at time.Time) error {
	owners, ids := make(map[posture.MAC][]string, len(fresh)), []string(nil)
	for _, n := range fresh {
		claims, err := s.store.Claims(ctx, ref.Account, n.MAC)
		if err != nil {
			return err
		}
		for _, c := range claims {
			owners[n.MAC], ids = append(owners[n.MAC], c.DeviceID), append(ids, c.DeviceID)
		}
	}
	known := make(map[string]*Device, len(ids))
	if len(ids) > 0 {
		list, err := s.store.DevicesByID(ctx, ref.Account, ids)
		if err != nil {
			return err
		}
		for i := range list {
			known[list[i].ID] = &list[i]
		}
	}
	var unknown []Neighbour
	for _, n := range fresh {
		switch who := owners[n.MAC]; {
		case len(who) == 0:
			unknown = append(unknown, n)
		case len(who) == 1 && known[who[0]] != nil: // an address that several share names none of them
			err := s.seenAround(ctx, ref, known[who[0]], n, at)
			if err != nil {
				return err
			}
		}
	}
	return s.addNeighbours(ctx, ref, unknown, at)
}

// seenAround notes that a device without an agent was seen. One with an agent speaks for itself.
func (s *Service) seenAround(ctx context.Context, ref Ref, d *Device, n Neighbour, at time.Time) error {
	if d.Managed {
		return nil
	}
	s.seen.note(Ref{Account: d.Account, ID: d.ID}, at)
	p, err := d.Profile()
	if err == nil && at.Sub(p.Witness.At) < witnessLife {
		return nil
	}
	err = s.changeLive(ctx, Ref{Account: d.Account, ID: d.ID}, func(tx Tx, old, d *Device) error {
		if old.Managed {
			return nil
		}
		s.describe(d, func(p *Profile) { p.sighted(ref, n, at) })
		return tx.Update(ctx, old, d)
	})
	return unlessGone(err)
}

// sighted fills a profile from what another machine saw.
func (p *Profile) sighted(by Ref, n Neighbour, at time.Time) {
	p.Witness = Witness{Device: by.ID, Adapter: shorten(n.Adapter), At: at}
	for i := range p.Adapters {
		a := &p.Adapters[i]
		switch {
		case a.MAC != n.MAC.String():
		case n.IP.Is4():
			a.IPv4 = []string{n.IP.String()}
		case n.IP.Is6():
			a.IPv6 = []string{n.IP.String()}
		}
	}
}

// NeighbourTx is the part of a step that is about machines which agents saw.
type NeighbourTx interface {
	// NeighboursAdded gives how many devices agents had added to an account on a day, numbered since 1970. It is asked behind
	// Licence, so that no other step adds any meanwhile.
	NeighboursAdded(ctx context.Context, account posture.AccountID, day int64) (int64, error)
	// PutNeighboursAdded stores it; of the days before nothing is kept.
	PutNeighboursAdded(ctx context.Context, account posture.AccountID, day, n int64) error
}

// addNeighbours adds devices that nobody knows, as many as one report and one day may add.
func (s *Service) addNeighbours(ctx context.Context, ref Ref, unknown []Neighbour, at time.Time) error {
	if len(unknown) == 0 {
		return nil
	}
	unknown = unknown[:min(len(unknown), maxNewNeighbours)]
	var added []string
	var limit int64
	var full bool
	err := s.store.Change(ctx, Change{Do: func(tx Tx) error {
		added, full = nil, false // the step may run again
		// First, as in Enrol: so no two servers add one machine twice.
		_, used, err := tx.Licence(ctx, ref.Account)
		if err != nil {
			return err
		}
		removeAt, err := firstLook(ctx, tx, ref.Account, at)
		if err != nil {
			return err
		}
		today, err := tx.NeighboursAdded(ctx, ref.Account, dayOf(at))
		if err != nil {
			return err
		}
		limit = max(minDailyNeighbours, used/dailyNeighbourShare)
		for _, n := range unknown {
			full = today+int64(len(added)) >= limit
			if full {
				break
			}
			id, err := s.addNeighbour(ctx, tx, ref, n, at, removeAt)
			if err != nil {
				return err
			}
			if id != "" {
				added = append(added, id)
			}
		}
		if len(added) == 0 {
			return nil
		}
		return tx.PutNeighboursAdded(ctx, ref.Account, dayOf(at), today+int64(len(added)))
	}})
	if err != nil {
		return err
	}
	for _, id := range added {
		s.seen.note(Ref{Account: ref.Account, ID: id}, at)
	}
	if full && s.around.warn(ref.Account, at) {
		s.log.Warn("agents see more new machines than are added in a day; the others wait until tomorrow", "account", ref.Account, "limit", limit, "device", ref.ID)
	}
	return nil
}

// addNeighbour adds a device unless one that is there has the address, or one that comes back with its agent. It gives its
// id, or "".
func (s *Service) addNeighbour(ctx context.Context, tx Tx, by Ref, n Neighbour, at, removeAt time.Time) (string, error) {
	claims, err := tx.ClaimsAll(ctx, by.Account, n.MAC)
	if err != nil || len(claims) >= MaxClaims {
		return "", err
	}
	for _, c := range claims {
		if c.Lifecycle == Live || c.Lifecycle == Lapsed {
			return "", nil
		}
	}
	d := s.unknownDevice(by.Account, n.MAC, at, removeAt)
	s.describe(&d, func(p *Profile) { p.sighted(by, n, at) })
	return d.ID, s.insertUnknown(ctx, tx, &d, n.MAC, note{at: at, kind: event.Imported, detail: "seen on the network by " + by.ID})
}

// unknownDevice makes a device without an agent.
func (s *Service) unknownDevice(account posture.AccountID, mac posture.MAC, at, removeAt time.Time) Device {
	d := Device{
		Account: account, ID: posture.NewID(at, s.random), EnrolledAt: at, RemoveAt: removeAt,
		Cell: posture.Cell{Group: posture.DefaultGroup, Status: posture.StatusUnknown},
	}
	s.describe(&d, func(p *Profile) { p.Adapters = []Interface{{MAC: mac.String()}} })
	return d
}

// insertUnknown stores a device without an agent, and records it.
func (s *Service) insertUnknown(ctx context.Context, tx Tx, d *Device, mac posture.MAC, n note) error {
	err := tx.Insert(ctx, d)
	if err != nil {
		return err
	}
	err = tx.PutAdapters(ctx, d.Account, d.ID, []posture.MAC{mac}, n.at)
	if err != nil {
		return err
	}
	return s.record(ctx, tx, d, d.Cell.Status, n)
}
