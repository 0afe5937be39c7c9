package api

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/internal/device"
	"muster/internal/errs"
)

// maxName is how long a user's name or group may be, in characters.
const maxName = 256

// linkUser attaches a user to a device. That there is no such device is told in the body of a 200.
func (d *door) linkUser(c *call) error {
	p := &c.params
	user := device.LinkedUser{Username: p.mustText("username", inBody, maxName)}
	user.Group, _ = p.text("group", inBody, maxName)
	// opt says whether the path holds a MAC address (0) or a hardware id (1). It is checked and not needed: the value
	// shows what it is, and clients get opt wrong.
	p.number("opt", inQuery, 0, 0, 1)
	if p.err != nil {
		return p.err
	}
	sel, err := selectorOf(c.r.PathValue("value"))
	if err == nil {
		err = d.Devices.LinkUser(c.r.Context(), c.account.ID, sel, user)
	}
	switch {
	case errs.Is(err, errs.NotFound):
		c.answer(result{Result: 0, Msg: "Device not found"})
	case err != nil:
		return err
	default:
		c.answer(result{Result: 1, Msg: "OK"})
	}
	return nil
}

// selectorOf reads the value that names a device in a path. What is no text names none: NotFound, and the store need not
// be able to hold it.
func selectorOf(value string) (device.Selector, error) {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return device.Selector{}, errs.New(errs.NotFound, "Device not found")
	}
	return device.SelectorOf(value), nil
}
