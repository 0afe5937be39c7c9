package gears

import (
	"net/http"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/web"
)

// register enrols a device with a registration code. The code is checked before anything is read, so that only who has
// one can make the server read a body.
func (d *door) register(w http.ResponseWriter, r *http.Request) error {
	code, group := splitCode(r.Header.Get("Gears-Auth"))
	if code == "" {
		return errs.InvalidField("Gears-Auth", "The header Gears-Auth with the registration code is missing")
	}
	account, err := d.accountByCode(r, code, d.Accounts.AccountByRegistrationCode)
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
	e, err := d.Devices.Enrol(r.Context(), account.ID, reg)
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
