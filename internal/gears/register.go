package gears

import (
	"context"
	"net/http"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/web"
)

// register enrols a device with a registration code. The code is checked before anything is read, so that only who has
// one can make the server read a body.
func (d *door) register(w http.ResponseWriter, r *http.Request) error {
	code, group := splitCode(r.Header.Get("Gears-Auth"))
	if code == "" {
		return errs.InvalidField("Gears-Auth", "The header Gears-Auth with the registration code is missing")
	}
	var with identity.RegistrationCode
	account, err := d.accountByCode(r, code, func(ctx context.Context, code string) (identity.Account, error) {
		a, c, err := d.Accounts.EnrolmentCode(ctx, code)
		with = c
		return a, err
	})
	if err != nil {
		return err
	}
	web.NoteAccount(r, int64(account.ID))
	reg, err := readRegistration(w, r)
	if err != nil {
		return err
	}
	if reg.GroupID == "" {
		reg.GroupID = group
	}
	reg.Code = with.ID
	e, err := d.Devices.Enrol(r.Context(), account.ID, reg)
	if errs.Is(err, errs.NotFound) {
		return errUnknownCode // used up: who has it has guessed nothing
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	web.WriteJSON(w, http.StatusOK, struct {
		LicenseKey  string `json:"license_key"`
		DeviceID    string `json:"device_id"`
		AccessKey   string `json:"access_key"`
		AccessToken string `json:"access_token"`
	}{account.LicenseKey, e.DeviceID, e.Key, e.Token})
	return nil
}

func readRegistration(w http.ResponseWriter, r *http.Request) (device.Registration, error) {
	raw, err := readBody(w, r, maxBody)
	if err != nil {
		return device.Registration{}, err
	}
	if err := checkJSON(raw); err != nil {
		return device.Registration{}, err
	}
	return decodeRegistration(raw)
}
