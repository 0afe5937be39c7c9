package gears

import (
	"net/http"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/web"
)

// codeRemove tells an agent that its device was deleted: it is to remove itself.
const codeRemove = 802

type codeAnswer struct {
	Code int    `json:"code"`
	Msg  string `json:"msg"`
}

// imHere is how agents of the second generation show that they are there and ask whether there is something to do. It
// is the only call that the agent of a deleted device can still make: it learns here that it is to go.
func (d *door) imHere(w http.ResponseWriter, r *http.Request) error {
	standing, err := d.standing(w, r)
	if err != nil {
		return err
	}
	answer := codeAnswer{0, "OK"}
	if standing == device.StandingRemoved {
		answer = codeAnswer{codeRemove, "The device was removed"}
	}
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// result is how an agent says that it did what imHere told it. There is nothing left to do.
func (d *door) result(w http.ResponseWriter, r *http.Request) error {
	if _, err := d.standing(w, r); err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, codeAnswer{0, "OK"})
	return nil
}

// standing finds the device that a call without a device in its path is about: the member hwid is its id.
func (d *door) standing(w http.ResponseWriter, r *http.Request) (device.Standing, error) {
	c, err := credentialsOf(r)
	if err != nil {
		return 0, err
	}
	var in struct {
		DeviceID text `json:"hwid"`
	}
	if err := readSmall(w, r, &in); err != nil {
		return 0, err
	}
	if in.DeviceID == "" {
		return 0, errs.InvalidField("hwid", "Member hwid, the id of the device, is missing")
	}
	standing, err := d.Devices.Standing(r.Context(), string(in.DeviceID), c.key, c.token)
	return standing, hideWhy(err)
}
