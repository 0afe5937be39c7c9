package gears

import (
	"net/http"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/web"
)

// fetchPrivacy tells an agent, before it registers, what it is not to report. It has no credentials yet: the
// registration code it is about to use, or the licence key, says whose settings it wants.
func (d *door) fetchPrivacy(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Code       text `json:"reg_code"`
		LicenseKey text `json:"license_key"`
	}
	if err := readSmall(w, r, &in); err != nil {
		return err
	}
	account, err := d.accountToPrepare(r, string(in.Code), string(in.LicenseKey))
	if err != nil {
		return err
	}
	web.NoteAccount(r, int64(account.ID))
	s, err := d.Settings(r.Context(), account.ID)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, s.Privacy.answer())
	return nil
}

func (d *door) accountToPrepare(r *http.Request, code, licenseKey string) (identity.Account, error) {
	switch {
	case code != "":
		code, _ = splitCode(code)
		return d.accountByCode(r, code, d.Accounts.AccountByRegistrationCode)
	case licenseKey != "":
		return d.accountByCode(r, licenseKey, d.Accounts.AccountByLicenseKey)
	default:
		return identity.Account{}, errs.InvalidField("reg_code", "Member reg_code or license_key is missing")
	}
}
