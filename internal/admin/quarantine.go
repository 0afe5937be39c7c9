package admin

import (
	"net/http"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// quarantine says that a device is held back whatever its policy says.
type quarantine struct {
	DeviceID string    `json:"device_id"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	By       string    `json:"by,omitempty"`
}

// newQuarantine is what PUT takes.
type newQuarantine struct {
	Reason string `json:"reason"`
}

func renderQuarantine(d *device.Device) quarantine {
	q := &d.Quarantine
	return quarantine{DeviceID: d.ID, Reason: q.Reason, Since: q.Since, By: q.By}
}

// listQuarantines gives devices that are held back, in the order of their enrolment.
func (d *door) listQuarantines(c *call) error {
	return listByStatus(d, c, func(x *device.Device) bool { return x.Quarantined }, renderQuarantine, posture.StatusQuarantined)
}

func (d *door) showQuarantine(c *call) error {
	found, err := d.device(c)
	if err != nil {
		return err
	}
	if !found.Quarantined {
		return errs.New(errs.NotFound, "The device is not quarantined")
	}
	return c.answer(http.StatusOK, renderQuarantine(&found))
}

// hold quarantines a device, and replaces the reason of the quarantine that there is.
func (d *door) hold(c *call) error {
	var in newQuarantine
	found, err := d.device(c)
	if err == nil {
		err = c.read(&in)
	}
	if err == nil {
		in.Reason, err = needed("reason", in.Reason)
	}
	if err == nil {
		err = d.Devices.Quarantine(c.ctx, c.account.ID, found.ID, in.Reason)
	}
	if err != nil {
		return err
	}
	return d.showQuarantine(c)
}

// release ends a quarantine; a device that is not held is left as it is.
func (d *door) release(c *call) error {
	reason, _ := c.query.text("reason")
	found, err := d.device(c)
	if err == nil {
		err = c.noBody()
	}
	if err == nil {
		err = d.Devices.Release(c.ctx, c.account.ID, found.ID, reason)
	}
	if err != nil {
		return err
	}
	return c.nothing()
}
