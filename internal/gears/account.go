package gears

import (
	"net/http"

	"muster/internal/web"
)

// account tells an agent whose device it runs on. The path names no device: the credentials of any device of the
// account will do.
func (d *door) account(w http.ResponseWriter, r *http.Request) error {
	c, err := credentialsOf(r)
	if err != nil {
		return err
	}
	account, err := d.accountOfPath(r)
	if err != nil {
		return err
	}
	ref, err := d.Devices.AuthenticateAny(r.Context(), account.ID, c.key, c.token)
	if err != nil {
		return hideWhy(err)
	}
	web.NoteAccount(r, int64(ref.Account))
	web.WriteJSON(w, http.StatusOK, struct {
		OwnerEmail  string `json:"owner_email"`
		AccountName string `json:"account_name"`
	}{account.Email, account.Name})
	return nil
}
