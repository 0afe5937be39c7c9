package gears

import (
	"context"
	"net/http"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/web"
)

// register enrols a device with a registration code, or by the licence key of its account. A code is checked before
// anything is read, so that only who has one can make the server read a large body.
func (d *door) register(w http.ResponseWriter, r *http.Request) error {
	code, group := splitCode(r.Header.Get("Gears-Auth"))
	if code == "" {
		return d.registerByLicenseKey(w, r)
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
	raw, err := readObject(w, r, maxBody)
	if err != nil {
		return err
	}
	reg, err := decodeRegistration(raw)
	if err != nil {
		return err
	}
	if reg.GroupID == "" {
		reg.GroupID = group
	}
	reg.Code = with.ID
	return d.enrol(w, r, account, reg)
}

// errNoCode is for a registration that names its account in neither way.
var errNoCode = errs.InvalidField("Gears-Auth", "The header Gears-Auth with the registration code is missing")

// registerByLicenseKey enrols a device that names its account by the licence key in its body. The key has to be read
// before it can be checked: who has guessed too much already is not read at all, and nobody is read for long.
func (d *door) registerByLicenseKey(w http.ResponseWriter, r *http.Request) error {
	if err := d.mayGuess(r); err != nil {
		return err
	}
	if r.Body == nil || r.ContentLength == 0 {
		return errNoCode
	}
	raw, err := readObject(w, r, maxOpenBody)
	if err != nil {
		return err
	}
	key, err := licenseKeyOf(raw)
	if err != nil {
		return err
	}
	account, err := d.accountByCode(r, key, d.Accounts.EnrolmentByLicenseKey)
	if err != nil {
		return err
	}
	web.NoteAccount(r, int64(account.ID))
	reg, err := decodeRegistration(raw)
	if err != nil {
		return err
	}
	return d.enrol(w, r, account, reg)
}

// licenseKeyOf gives the key that a registration names its account by.
func licenseKeyOf(raw []byte) (string, error) {
	var in struct {
		LicenseKey text `json:"license_key"`
	}
	err := unmarshal(raw, &in)
	if err == nil && in.LicenseKey == "" {
		err = errNoCode
	}
	return string(in.LicenseKey), err
}

func (d *door) enrol(w http.ResponseWriter, r *http.Request, account identity.Account, reg device.Registration) error {
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

// readObject reads a body that is one JSON object within the limits.
func readObject(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	raw, err := readBody(w, r, limit)
	if err != nil {
		return nil, err
	}
	return raw, checkJSON(raw)
}
