package gears

import (
	"net/http"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/web"
)

// errCredentials is the answer to every agent that did not prove who it is. It is the same whether the licence key, the
// device or the credentials are wrong, so that nothing can be learnt by trying.
var errCredentials = errs.New(errs.Unauthenticated, "The device's credentials are missing or not valid")

// credentials are the two values that a device was given when it registered. Agents differ in which of them they send
// in which header: the device service takes them in either order.
type credentials struct{ key, token string }

func credentialsOf(r *http.Request) (credentials, error) {
	c := credentials{r.Header.Get("Gears-Access-Key"), r.Header.Get("Gears-Access-Token")}
	if c.key == "" || c.token == "" {
		return credentials{}, errCredentials
	}
	return c, nil
}

// agent makes a handler of a call whose path names a device. It runs the call only for that device: the path's licence
// key must be that of the account the device belongs to.
func (d *door) agent(call func(http.ResponseWriter, *http.Request, device.Ref) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, err := credentialsOf(r)
		if err != nil {
			return err
		}
		account, err := d.accountOfPath(r)
		if err != nil {
			return err
		}
		ref, err := d.Devices.Authenticate(r.Context(), account.ID, r.PathValue("device_id"), c.key, c.token)
		if err != nil {
			return hideWhy(err)
		}
		web.NoteAccount(r, int64(ref.Account))
		// The device may have gone between being recognised and the call.
		return hideWhy(call(w, r, ref))
	}
}

func (d *door) accountOfPath(r *http.Request) (identity.Account, error) {
	key := r.PathValue("license_key")
	if len(key) > maxCode {
		return identity.Account{}, errCredentials
	}
	account, err := d.Accounts.AccountByLicenseKey(r.Context(), key)
	return account, hideWhy(err)
}

// hideWhy makes one answer of all the ways of not being who one says.
func hideWhy(err error) error {
	if err == nil {
		return nil
	}
	switch errs.CodeOf(err) {
	case errs.NotFound, errs.Unauthenticated:
		return errCredentials
	default:
		return err
	}
}
