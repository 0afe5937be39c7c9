package gears

import (
	"net/http"
	"slices"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/web"
)

// The codes that agents of the second generation know, also as methods of results.
const (
	// codeRemove tells an agent that its device was deleted: it is to remove itself.
	codeRemove = 802
	// codeIdentify tells it to ask its user anew who they are.
	codeIdentify = 807
)

type codeAnswer struct {
	Code     int             `json:"code"`
	Msg      string          `json:"msg"`
	Commands []commandAnswer `json:"commands,omitempty"`
}

// imHere is how agents of the second generation show that they are there and ask whether there is something to do. It
// is the only call that the agent of a deleted device can still make: it learns here that it is to go.
func (d *door) imHere(w http.ResponseWriter, r *http.Request) error {
	c, err := credentialsOf(r)
	if err != nil {
		return err
	}
	var in struct {
		DeviceID text `json:"hwid"`
	}
	if err := readSmall(w, r, &in); err != nil {
		return err
	}
	ref, standing, err := d.standing(r, c, in.DeviceID)
	if err != nil {
		return err
	}
	if standing == device.StandingRemoved {
		web.WriteJSON(w, http.StatusOK, codeAnswer{Code: codeRemove, Msg: "The device was removed"})
		return nil
	}
	commands, err := d.Devices.Commands(r.Context(), ref)
	if err != nil {
		return err
	}
	answer := codeAnswer{Msg: "OK", Commands: commandAnswers(commands)}
	// Agents that know nothing but codes do not answer other commands: one of those must not stand in the way.
	if slices.ContainsFunc(commands, func(c device.Command) bool { return c.Kind == device.Reidentify }) {
		answer.Code, answer.Msg = codeIdentify, "The user is to say again who they are"
	}
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// result is how an agent says what became of what imHere told it. That of being removed needs no noting.
func (d *door) result(w http.ResponseWriter, r *http.Request) error {
	c, err := credentialsOf(r)
	if err != nil {
		return err
	}
	var in struct {
		DeviceID text `json:"hwid"`
		resultBody
	}
	if err := readResult(w, r, &in); err != nil {
		return err
	}
	ref, standing, err := d.standing(r, c, in.DeviceID)
	if err != nil {
		return err
	}
	if standing == device.StandingGood {
		if err := d.takeResult(r, ref, &in.resultBody); err != nil {
			return err
		}
	}
	web.WriteJSON(w, http.StatusOK, codeAnswer{Msg: "OK"})
	return nil
}

// standing finds the device that a call without a device in its path is about: the member hwid is its id.
func (d *door) standing(r *http.Request, c credentials, deviceID text) (device.Ref, device.Standing, error) {
	if deviceID == "" {
		return device.Ref{}, 0, errs.InvalidField("hwid", "Member hwid, the id of the device, is missing")
	}
	ref, standing, err := d.Devices.Standing(r.Context(), string(deviceID), c.key, c.token)
	if err != nil {
		return ref, 0, hideWhy(err)
	}
	web.NoteAccount(r, int64(ref.Account))
	return ref, standing, nil
}
