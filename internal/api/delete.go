package api

import (
	"muster/internal/device"
	"muster/internal/errs"
)

// deleteDevice takes one device out. That there is none is told in the body of a 200.
func (d *door) deleteDevice(c *call) error {
	mode := device.RemoveMode(c.params.number("opt", inQuery, int64(device.RemoveData), 0, 2))
	if c.params.err != nil {
		return c.params.err
	}
	sel, err := selectorOf(c.r.PathValue("value"))
	if err == nil {
		err = d.Devices.Remove(c.r.Context(), c.account.ID, sel, mode, c.client)
	}
	switch {
	case errs.Is(err, errs.NotFound):
		c.answer(result{Result: 0, Msg: "Device not found"})
	case err != nil:
		return err
	default:
		c.answer(result{Result: 1, Msg: "Device has been deleted"})
	}
	return nil
}

// deleteDevices takes several devices out and says of each whether it did.
func (d *door) deleteDevices(c *call) error {
	p := &c.params
	mode := device.RemoveMode(p.number("opt", inBody, int64(device.RemoveData), 0, 2))
	list := p.readBatch("MAC_list", "HWID_list")
	if p.err != nil {
		return p.err
	}
	done, err := forEach(list, func(sel device.Selector) (int, error) {
		err := d.Devices.Remove(c.r.Context(), c.account.ID, sel, mode, c.client)
		return boolNumber(err == nil), err
	})
	if err != nil {
		return err
	}
	c.answer(batchResult{done})
	return nil
}

// batchResult has one number for each device that was named, in the order in which they were.
type batchResult struct {
	Result []int `json:"result"`
}
