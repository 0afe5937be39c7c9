package app

import (
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
)

type deviceConflicts struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// clashView is a conflict or a duplicate as the command line prints it. The names of its members stay.
type clashView struct {
	Kind    device.ClashKind `json:"kind"`
	Value   string           `json:"value"`
	Devices []deviceView     `json:"devices"`
	More    bool             `json:"more,omitempty"`
}

var clashNames = map[device.ClashKind]string{
	device.SameHardware: "conflict: hardware id", device.SameSerial: "duplicate: serial number", device.SameAdapters: "duplicate: adapters",
}

// clashPage is how many conflicts are read at once.
const clashPage = 100

// Run lists the conflicts and the duplicates.
func (c *deviceConflicts) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		views := []clashView{}
		t := newTable("WHAT", "VALUE", "DEVICE ID", "NAME", "STATUS", "LAST SEEN")
		for w := (page.Window{Limit: clashPage}); ; {
			list, next, err := s.devices.Conflicts(env.ctx, a.ID, w)
			if err != nil {
				return err
			}
			for i := range list {
				v := clashView{Kind: list[i].Kind, Value: list[i].Value, More: list[i].More}
				for k := range list[i].Devices {
					d := viewDevice(&list[i].Devices[k])
					v.Devices = append(v.Devices, d)
					t.row(clashNames[v.Kind], v.Value, d.ID, d.label(), d.Status, stamp(d.SeenAt))
				}
				views = append(views, v)
			}
			if next == "" {
				break
			}
			w.After = next
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

type deviceMerge struct {
	accountFlag `embed:""`
	Survivor    string `arg:"" help:"Device id, hardware id or MAC address of the device that stays."`
	Other       string `arg:"" help:"That of the one that goes up in it."`
}

// Run merges the two.
func (c *deviceMerge) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		var id [2]string
		for i, name := range []string{c.Survivor, c.Other} {
			d, err := s.devices.Find(env.ctx, a.ID, device.SelectorOf(name))
			if err != nil {
				return err
			}
			id[i] = d.ID
		}
		err := s.devices.Merge(env.ctx, a.ID, id[0], id[1], byAdministrator)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "merged", id[1], "into", id[0])
	})
}

type deviceSplit struct {
	accountFlag `embed:""`
	Hardware    string `arg:"" name:"hardware-id" help:"The hardware id, or the id of a device that has it."`
}

// Run says that the hardware id is nobody's.
func (c *deviceSplit) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		shared, err := c.hardware(env, s, a.ID)
		if err != nil {
			return err
		}
		n, err := s.devices.Split(env.ctx, a.ID, shared, byAdministrator)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "hardware id", shared, "identifies no machine any more;", n, "devices had it")
	})
}

// hardware gives the hardware id that is meant.
func (c *deviceSplit) hardware(env *environment, s *services, account posture.AccountID) (string, error) {
	d, err := s.devices.Find(env.ctx, account, device.Selector{ID: c.Hardware})
	switch {
	case errs.Is(err, errs.NotFound):
		return c.Hardware, nil
	case err != nil:
		return "", err
	case d.ID != c.Hardware:
		return c.Hardware, nil
	case d.HardwareID == "":
		return "", errs.New(errs.Conflict, "The device has no hardware id")
	}
	return d.HardwareID, nil
}
