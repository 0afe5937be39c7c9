package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// exemption says that a device passes whatever its policy says.
type exemption struct {
	DeviceID string    `json:"device_id"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"` // absent for good
	By       string    `json:"by,omitempty"`
}

// newExemption is what PUT takes.
type newExemption struct {
	Reason string     `json:"reason"`
	Until  *time.Time `json:"until"`
}

func renderExemption(d *device.Device) exemption {
	e := &d.Exemption
	return exemption{DeviceID: d.ID, Reason: e.Reason, Since: e.Since, Until: e.Until, By: e.By}
}

// listExemptions gives devices that are exempted, in the order of their enrolment. A quarantine hides the status, and not
// the exemption: those that are held are looked through too, so a part may have fewer entries than there is room for.
func (d *door) listExemptions(c *call) error {
	return listByStatus(d, c, func(x *device.Device) bool { return x.Exempted }, renderExemption, posture.StatusExempted, posture.StatusQuarantined)
}

// listByStatus lists what there is to say of those devices with one of some statuses that are meant.
func listByStatus[R any](d *door, c *call, meant func(*device.Device) bool, render func(*device.Device) R, statuses ...posture.Status) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	list, next, err := d.Devices.Select(c.ctx, c.account.ID, device.Query{
		Filter: device.Filter{Statuses: statuses}, Window: w,
	})
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(x device.Device) bool { return !meant(&x) })
	return answerList(c, rendered(list, render), next)
}

// device finds the live device that the path names, by its id, a hardware id or a MAC address.
func (d *door) device(c *call) (device.Device, error) {
	err := c.query.err()
	if err != nil {
		return device.Device{}, err
	}
	id := c.id()
	if !utf8.ValidString(id) || utf8.RuneCountInString(id) > maxArgument || strings.ContainsRune(id, 0) {
		return device.Device{}, errs.New(errs.NotFound, "Device not found")
	}
	return d.Devices.Find(c.ctx, c.account.ID, device.SelectorOf(id))
}

func (d *door) showExemption(c *call) error {
	found, err := d.device(c)
	if err != nil {
		return err
	}
	if !found.Exempted {
		return errs.New(errs.NotFound, "The device is not exempted")
	}
	return c.answer(http.StatusOK, renderExemption(&found))
}

// needed refuses a text that is not there. How long it may be is for the domain to say.
func needed(name, text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", errs.InvalidField(name, "%s is needed", name)
	}
	return text, nil
}

// exempt lets a device pass, and replaces the exemption that there is.
func (d *door) exempt(c *call) error {
	var in newExemption
	found, err := d.device(c)
	if err == nil {
		err = c.read(&in)
	}
	if err == nil {
		in.Reason, err = needed("reason", in.Reason)
	}
	if err != nil {
		return err
	}
	until := time.Time{}
	if in.Until != nil {
		until = in.Until.Truncate(time.Millisecond)
	}
	err = d.Devices.Exempt(c.ctx, c.account.ID, found.ID, in.Reason, until)
	if err != nil {
		return err
	}
	return d.showExemption(c)
}

// unexempt ends an exemption; a device without one is left as it is.
func (d *door) unexempt(c *call) error {
	found, err := d.device(c)
	if err == nil {
		err = c.noBody()
	}
	if err == nil {
		err = d.Devices.Unexempt(c.ctx, c.account.ID, found.ID)
	}
	if err != nil {
		return err
	}
	return c.nothing()
}
