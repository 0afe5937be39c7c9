package admin

import (
	"net/http"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
)

// clash is several devices that look like one machine.
type clash struct {
	Kind    device.ClashKind `json:"kind"`
	Value   string           `json:"value,omitempty"`
	Devices []clashing       `json:"devices"`
	More    bool             `json:"more,omitempty"`
}

// clashing is one of them.
type clashing struct {
	ID     string    `json:"id"`
	Status string    `json:"status"`
	SeenAt time.Time `json:"seen_at,omitzero"`
}

// merge is what merging takes.
type merge struct {
	Other string `json:"other"`
}

// split is how many devices had the hardware id.
type split struct {
	Devices int `json:"devices"`
}

// private reports whether what devices of a clash have in common is not to be seen. Many agents make the hardware id of
// the serial number.
func private(p identity.Privacy, kind device.ClashKind) bool {
	if kind == device.SameAdapters {
		return p.MACAddress
	}
	return p.SerialNumber
}

func (d *door) listConflicts(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	settings, _, err := d.Accounts.StoredSettings(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	list, next, err := d.Devices.Conflicts(c.ctx, c.account.ID, w)
	if errs.Is(err, errs.Invalid) {
		return errs.InvalidField("after", "after is not one that this list gave as next")
	}
	if err != nil {
		return err
	}
	return answerList(c, rendered(list, func(x *device.Clash) clash {
		out := clash{Kind: x.Kind, Value: x.Value, More: x.More, Devices: []clashing{}}
		if private(settings.Privacy, x.Kind) {
			out.Value = ""
		}
		for i := range x.Devices {
			one := &x.Devices[i]
			out.Devices = append(out.Devices, clashing{one.ID, one.Cell.Status.String(), one.SeenAt})
		}
		return out
	}), next)
}

// mergeDevices makes one of two devices that are one machine.
func (d *door) mergeDevices(c *call) error {
	var in merge
	survivor, err := d.device(c)
	if err == nil {
		err = c.read(&in)
	}
	if err == nil {
		in.Other, err = needed("other", in.Other)
	}
	if err != nil {
		return err
	}
	other, err := d.Devices.Find(c.ctx, c.account.ID, device.SelectorOf(in.Other))
	if errs.Is(err, errs.NotFound) {
		return errs.InvalidField("other", "other: there is no such device")
	}
	if err == nil {
		err = d.Devices.Merge(c.ctx, c.account.ID, survivor.ID, other.ID, c.actor)
	}
	if err != nil {
		return err
	}
	return c.nothing()
}

// splitDevices says that the hardware id of a device identifies no machine.
func (d *door) splitDevices(c *call) error {
	found, err := d.device(c)
	if err == nil {
		err = c.noBody()
	}
	if err != nil {
		return err
	}
	if found.HardwareID == "" {
		return errs.New(errs.Conflict, "The device has no hardware id")
	}
	n, err := d.Devices.Split(c.ctx, c.account.ID, found.HardwareID, c.actor)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, split{n})
}
