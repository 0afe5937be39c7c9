package identity_test

import (
	"strings"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/identitytest"
)

func TestRegistrationCodes(t *testing.T) {
	f := newFixture(t)
	a, b := f.account(t, "Acme"), f.account(t, "Other")
	c, err := f.CreateRegistrationCode(f.ctx, identity.NewRegistrationCode{
		Account: a.ID, Name: " Floor 2 ", Group: 7, ExpiresAt: start.Add(time.Hour), MaxUses: 3,
	})
	if err != nil || len(c.Code) != 8 || c.Name != "Floor 2" || c.Group != 7 || c.MaxUses != 3 || !c.CreatedAt.Equal(start) {
		t.Fatalf("%+v, %v", c, err)
	}
	found, with, err := f.EnrolmentCode(f.ctx, strings.ToLower(c.Code))
	if err != nil || found.ID != a.ID || with != c {
		t.Errorf("found %+v, %+v, %v", found, with, err)
	}
	found, with, err = f.EnrolmentCode(f.ctx, b.RegistrationCode)
	if err != nil || found.ID != b.ID || with != (identity.RegistrationCode{}) {
		t.Errorf("the account's own: %+v, %+v, %v", found, with, err)
	}
	if found, err = f.AccountByRegistrationCode(f.ctx, c.Code); err != nil || found.ID != a.ID {
		t.Errorf("by either kind: %+v, %v", found, err)
	}
	calls := f.stores.Calls()
	for range 10 {
		if _, _, err = f.EnrolmentCode(f.ctx, b.RegistrationCode); err != nil {
			t.Error(err)
		}
	}
	if n := f.stores.Calls() - calls; n != 0 {
		t.Errorf("the account's own code was looked for %d times", n)
	}
	f.clock.advance(time.Hour - time.Millisecond)
	if _, _, err = f.EnrolmentCode(f.ctx, c.Code); err != nil {
		t.Errorf("a moment before it expires: %v", err)
	}
	f.clock.advance(time.Millisecond) // what is remembered expires too
	if _, _, err = f.EnrolmentCode(f.ctx, c.Code); !errs.Is(err, errs.NotFound) {
		t.Errorf("expired: %v", err)
	}
	for _, e := range f.stores.Events() {
		if strings.Contains(e.Detail, c.Code) {
			t.Errorf("the record tells the code: %s", e.Detail)
		}
	}
}

func TestEnrolmentByLicenseKey(t *testing.T) {
	f := newFixture(t)
	a, b := f.account(t, "Acme"), f.account(t, "Other")
	for name, key := range map[string]string{"not allowed": a.LicenseKey, "a code": a.RegistrationCode, "unknown": strings.Repeat("0", 32), "none": ""} {
		if _, err := f.EnrolmentByLicenseKey(f.ctx, key); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	set := func(on bool) {
		t.Helper()
		_, _, err := f.UpdateSettings(f.ctx, a.ID, nil, func(s *identity.Settings) error { s.Agents.EnrolByLicenseKey = on; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	set(true)
	if found, err := f.EnrolmentByLicenseKey(f.ctx, a.LicenseKey); err != nil || found.ID != a.ID {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, err := f.EnrolmentByLicenseKey(f.ctx, b.LicenseKey); !errs.Is(err, errs.NotFound) {
		t.Errorf("what one account allows, another does not: %v", err)
	}
	set(false)
	if _, err := f.EnrolmentByLicenseKey(f.ctx, a.LicenseKey); !errs.Is(err, errs.NotFound) {
		t.Errorf("switched off again: %v", err)
	}
}

func TestRegistrationCodeIsRevokedAtOnce(t *testing.T) {
	f := newFixture(t)
	a, b := f.account(t, "Acme"), f.account(t, "Other")
	c, err := f.CreateRegistrationCode(f.ctx, identity.NewRegistrationCode{Account: a.ID, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = f.EnrolmentCode(f.ctx, c.Code); err != nil {
		t.Fatal(err)
	}
	if _, err = f.RevokeRegistrationCode(f.ctx, b.ID, c.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("revoked by another account: %v", err)
	}
	if _, err = f.RegistrationCode(f.ctx, b.ID, c.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("read by another account: %v", err)
	}
	if list, err := f.RegistrationCodes(f.ctx, b.ID); err != nil || len(list) != 0 {
		t.Errorf("listed by another account: %v, %v", list, err)
	}
	f.clock.advance(500 * time.Millisecond)
	// A look-up that began before must not bring it back.
	revoke := func() {
		if _, err := f.RevokeRegistrationCode(f.ctx, a.ID, c.ID); err != nil {
			t.Error(err)
		}
	}
	f.stores.AfterNextFind(func() { f.stores.AfterNextFind(revoke) }) // that of an account's own comes first
	f.clock.advance(time.Second)                                      // it is looked up anew
	if _, _, err = f.EnrolmentCode(f.ctx, c.Code); err != nil {
		t.Errorf("the look-up that was under way: %v", err)
	}
	if _, _, err = f.EnrolmentCode(f.ctx, c.Code); !errs.Is(err, errs.NotFound) {
		t.Errorf("revoked: %v", err)
	}
	at := f.clock.Now()
	f.clock.advance(time.Minute)
	again, err := f.RevokeRegistrationCode(f.ctx, a.ID, c.ID)
	if err != nil || !again.RevokedAt.Equal(at) || again.State(at) != identity.CodeRevoked {
		t.Errorf("revoked once more: %+v, %v", again, err)
	}
}

func TestRegistrationCodesRefused(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	good := identity.NewRegistrationCode{Account: a.ID, Name: "x"}
	for name, c := range map[string]struct {
		change func(*identity.NewRegistrationCode)
		code   errs.Code
		field  string
	}{
		"no name":          {func(n *identity.NewRegistrationCode) { n.Name = " " }, errs.Invalid, "name"},
		"a long name":      {func(n *identity.NewRegistrationCode) { n.Name = strings.Repeat("x", 257) }, errs.Invalid, "name"},
		"less than no use": {func(n *identity.NewRegistrationCode) { n.MaxUses = -1 }, errs.Invalid, "max_uses"},
		"too many uses":    {func(n *identity.NewRegistrationCode) { n.MaxUses = 100_000_001 }, errs.Invalid, "max_uses"},
		"expired":          {func(n *identity.NewRegistrationCode) { n.ExpiresAt = start }, errs.Invalid, "expires_at"},
		"no such group":    {func(n *identity.NewRegistrationCode) { n.Group = identitytest.NoGroup }, errs.Invalid, "group_id"},
		"no such account":  {func(n *identity.NewRegistrationCode) { n.Account = 99 }, errs.NotFound, ""},
	} {
		n := good
		c.change(&n)
		_, err := f.CreateRegistrationCode(f.ctx, n)
		if e, ok := err.(*errs.Error); !ok || e.Code != c.code || e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, odd := range []string{"", "short", "AB12-CD3", "AB12CD34X", "A\x00B2CD34", "ÅB12CD3"} {
		calls := f.stores.Calls()
		if _, _, err := f.EnrolmentCode(f.ctx, odd); !errs.Is(err, errs.NotFound) || f.stores.Calls() != calls {
			t.Errorf("%q: %v", odd, err)
		}
	}
}

func TestCodeStates(t *testing.T) {
	for name, c := range map[string]struct {
		code identity.RegistrationCode
		want identity.CodeState
	}{
		"plain":               {identity.RegistrationCode{Uses: 1000}, identity.CodeValid},
		"one use left":        {identity.RegistrationCode{MaxUses: 2, Uses: 1}, identity.CodeValid},
		"used up":             {identity.RegistrationCode{MaxUses: 2, Uses: 2}, identity.CodeUsedUp},
		"used up and expired": {identity.RegistrationCode{MaxUses: 2, Uses: 2, ExpiresAt: start}, identity.CodeExpired},
		"not yet expired":     {identity.RegistrationCode{ExpiresAt: start.Add(1)}, identity.CodeValid},
		"all of it":           {identity.RegistrationCode{MaxUses: 2, Uses: 2, ExpiresAt: start, RevokedAt: start}, identity.CodeRevoked},
	} {
		if got := c.code.State(start); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
