package api

import (
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// remediationLink leads to the page that tells a device's owner what is wrong.
func (d *door) remediationLink(c *call, dev *device.Device) string {
	return d.baseURL(c.r) + "/device/" + dev.ID
}

type linkAnswer struct {
	Link string `json:"remediation_link"`
}

// remediationV2 gives the link to a device's page if there is something to mend.
func (d *door) remediationV2(c *call) error {
	c.params.number("opt", inQuery, 0, 0, 1)
	if c.params.err != nil {
		return c.params.err
	}
	dev, err := d.findDevice(c, c.r.PathValue("value"))
	switch {
	case errs.Is(err, errs.NotFound):
		c.answer(result{Result: 0, Msg: "Device not found"})
	case err != nil:
		return err
	case dev.Issues.Total() == 0:
		c.answer(result{Result: 0, Msg: "Device has no issues"})
	default:
		c.answer(linkAnswer{d.remediationLink(c, &dev)})
	}
	return nil
}

// remediationV3 gives the link whatever is thought of the device.
func (d *door) remediationV3(c *call) error {
	custom := c.params.number("opt", inQuery, 0, 0, 1) == 1
	if c.params.err != nil {
		return c.params.err
	}
	value := c.r.PathValue("value")
	sel, err := selectorOf(value)
	if err == nil && custom {
		sel = device.Selector{Linked: value}
	}
	var dev device.Device
	if err == nil {
		dev, err = d.Devices.Find(c.r.Context(), c.account.ID, sel)
	}
	answer := struct {
		Result int `json:"result"`
		linkAnswer
	}{Result: 1}
	switch {
	case errs.Is(err, errs.NotFound):
		answer.Result = 0
	case err != nil:
		return err
	case dev.Cell.Status == posture.StatusOutOfLicence:
		answer.Result = -1
	default:
		answer.Link = d.remediationLink(c, &dev)
	}
	c.answer(answer)
	return nil
}
