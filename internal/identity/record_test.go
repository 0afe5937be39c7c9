package identity_test

import (
	"strings"
	"testing"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
)

// TestRecord: each change of an account is recorded once, with who made it, and with no secret.
func TestRecord(t *testing.T) {
	f := newFixture(t)
	f.ctx = event.By(f.ctx, "command line")
	a := f.account(t, "Acme")
	other := f.account(t, "Other")
	name, email, devices, on, port := "Acme AG", "it@example.com", int64(60), true, 8443
	rotated, err := f.RotateRegistrationCode(f.ctx, a.ID)
	wantCode(t, "rotate", err, "")
	for _, c := range []identity.AccountChange{
		{Name: &name, Email: &email},
		{DevicesAllowed: &devices, CrossDomainEnabled: &on, CrossDomainPort: &port},
		{Name: &name, CrossDomainPort: &port}, // as it is already
	} {
		_, err := f.UpdateAccount(f.ctx, a.ID, c)
		wantCode(t, "update", err, "")
	}
	_, err = f.UpdateAccount(f.ctx, a.ID, identity.AccountChange{Name: &other.Name})
	wantCode(t, "a name that is taken", err, errs.Conflict)
	app, secret, err := f.CreateApplication(f.ctx, identity.NewApplication{Account: a.ID, Name: "Gate", Permission: "write"})
	wantCode(t, "create", err, "")
	for range 2 {
		wantCode(t, "revoke", f.RevokeApplication(f.ctx, a.ID, app.ClientID), "")
	}
	var got []string
	for _, e := range f.stores.Events() {
		if e.Account == other.ID {
			continue
		}
		got = append(got, e.Detail)
		if e.Kind != event.Configured || e.Actor != "command line" || e.Account != a.ID || !e.At.Equal(start) || len(e.ID) != 32 {
			t.Errorf("recorded %+v", e)
		}
		for _, s := range []string{a.LicenseKey, a.RegistrationCode, rotated.RegistrationCode, secret} {
			if strings.Contains(e.Detail, s) {
				t.Errorf("%q holds a secret", e.Detail)
			}
		}
	}
	want := []string{
		`Account created: name "Acme", devices allowed 50`,
		`Registration code renewed`,
		`Account changed: name "Acme" -> "Acme AG", e-mail "owner@example.com" -> "it@example.com"`,
		`Account changed: devices allowed 50 -> 60, cross-domain enabled false -> true, cross-domain port 11369 -> 8443`,
		`Application registered: "Gate" (` + app.ClientID + `), permission write`,
		`Application revoked: ` + app.ClientID,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("recorded\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCrossDomainPort(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	for _, port := range []int{0, -1, 65536} {
		_, err := f.UpdateAccount(f.ctx, a.ID, identity.AccountChange{CrossDomainPort: &port})
		wantCode(t, "a port that cannot be", err, errs.Invalid)
	}
	for _, port := range []int{1, 65535} {
		got, err := f.UpdateAccount(f.ctx, a.ID, identity.AccountChange{CrossDomainPort: &port})
		wantCode(t, "a port", err, "")
		if got.CrossDomain != (identity.CrossDomain{Port: port}) {
			t.Errorf("%d: got %+v", port, got.CrossDomain)
		}
	}
}
