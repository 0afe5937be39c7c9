package identity_test

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
)

func TestCreateAccount(t *testing.T) {
	f := newFixture(t)
	a, err := f.CreateAccount(f.ctx, identity.NewAccount{Name: "  Acme GmbH ", DevicesAllowed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != "Acme GmbH" || !a.CreatedAt.Equal(start) || !a.LastLogin.IsZero() || a.ID == 0 {
		t.Errorf("got %+v", a)
	}
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(a.LicenseKey) {
		t.Errorf("licence key %q", a.LicenseKey)
	}
	if !regexp.MustCompile(`^[A-Z0-9]{8}$`).MatchString(a.RegistrationCode) {
		t.Errorf("registration code %q", a.RegistrationCode)
	}
	_, err = f.CreateAccount(f.ctx, identity.NewAccount{Name: "Acme GmbH", DevicesAllowed: 1})
	wantCode(t, "the same name again", err, errs.Conflict)
}

func TestCreateAccountKeepsWhatIsGiven(t *testing.T) {
	f := newFixture(t)
	given := identity.NewAccount{
		Name: "Demo", Email: "demo@example.com", DevicesAllowed: 100_000_000,
		LicenseKey: "0123456789ABCDEF", RegistrationCode: "DEMO2026",
		CreatedAt: start.AddDate(-1, 0, 0), LastLogin: start.AddDate(0, -1, 0),
	}
	a, err := f.CreateAccount(f.ctx, given)
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Account{
		ID: a.ID, Name: given.Name, Email: given.Email, DevicesAllowed: given.DevicesAllowed, LicenseKey: given.LicenseKey,
		RegistrationCode: given.RegistrationCode, CreatedAt: given.CreatedAt, LastLogin: given.LastLogin,
		CrossDomain: identity.CrossDomain{Port: identity.DefaultCrossDomainPort},
	}
	if a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
}

func TestAccountMistakes(t *testing.T) {
	good := identity.NewAccount{Name: "Acme", Email: "it@example.com", DevicesAllowed: 10}
	tests := []struct {
		name  string
		spoil func(*identity.NewAccount)
		field string // "" where it is fine
	}{
		{"nothing wrong", func(*identity.NewAccount) {}, ""},
		{"no name", func(n *identity.NewAccount) { n.Name = " " }, "name"},
		{"longest name, in characters", func(n *identity.NewAccount) { n.Name = strings.Repeat("ü", 256) }, ""},
		{"name too long", func(n *identity.NewAccount) { n.Name = strings.Repeat("ü", 257) }, "name"},
		{"control character", func(n *identity.NewAccount) { n.Name = "a\x00b" }, "name"},
		{"broken UTF-8", func(n *identity.NewAccount) { n.Name = "a\xff" }, "name"},
		{"no address", func(n *identity.NewAccount) { n.Email = "" }, ""},
		{"local address", func(n *identity.NewAccount) { n.Email = "root@localhost" }, ""},
		{"not an address", func(n *identity.NewAccount) { n.Email = "it" }, "email"},
		{"address with a name", func(n *identity.NewAccount) { n.Email = "IT <it@example.com>" }, "email"},
		{"two lines", func(n *identity.NewAccount) { n.Email = "it@example.com\r\nBcc: x@example.com" }, "email"},
		{"long address", func(n *identity.NewAccount) { n.Email = strings.Repeat("a", 250) + "@b.de" }, "email"},
		{"no devices", func(n *identity.NewAccount) { n.DevicesAllowed = 0 }, "devices_allowed"},
		{"most devices", func(n *identity.NewAccount) { n.DevicesAllowed = 100_000_000 }, ""},
		{"too many devices", func(n *identity.NewAccount) { n.DevicesAllowed = 100_000_001 }, "devices_allowed"},
		{"odd licence key", func(n *identity.NewAccount) { n.LicenseKey = "abc/defgh" }, "license_key"},
		{"short licence key", func(n *identity.NewAccount) { n.LicenseKey = "abc" }, "license_key"},
		{"lower-case code", func(n *identity.NewAccount) { n.RegistrationCode = "abcdefgh" }, "registration_code"},
		{"code with a group", func(n *identity.NewAccount) { n.RegistrationCode = "ABCDE_12" }, "registration_code"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := good
			tt.spoil(&n)
			f := newFixture(t)
			_, err := f.CreateAccount(f.ctx, n)
			if tt.field == "" {
				wantCode(t, "CreateAccount", err, "")
				return
			}
			var e *errs.Error
			if !errors.As(err, &e) || e.Code != errs.Invalid || e.Field != tt.field {
				t.Errorf("got %v, want Invalid about %s", err, tt.field)
			}
			if f.stores.Calls() != 0 {
				t.Error("the store was asked all the same")
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	f := newFixture(t)
	_, err := f.CreateAccount(f.ctx, identity.NewAccount{Email: "x", LicenseKey: "?", RegistrationCode: "?"})
	wantCode(t, "CreateAccount", err, errs.Invalid)
	for _, field := range []string{"name", "email", "devices_allowed", "license_key", "registration_code"} {
		if !strings.Contains(err.Error(), field+" must") {
			t.Errorf("%q does not speak of %s", err, field)
		}
	}
}

func TestUpdateAccount(t *testing.T) {
	f := newFixture(t)
	a, other := f.account(t, "Acme"), f.account(t, "Other")
	name, email, devices := " Acme Ltd ", "", int64(7)
	got, err := f.UpdateAccount(f.ctx, a.ID, identity.AccountChange{Name: &name, DevicesAllowed: &devices})
	if err != nil || got.Name != "Acme Ltd" || got.DevicesAllowed != 7 || got.Email != a.Email || got.LicenseKey != a.LicenseKey {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = f.UpdateAccount(f.ctx, a.ID, identity.AccountChange{Email: &email})
	if err != nil || got.Email != "" || got.Name != "Acme Ltd" {
		t.Errorf("got %+v, %v", got, err)
	}
	none, bad := int64(0), "nobody"
	_, err = f.UpdateAccount(f.ctx, a.ID, identity.AccountChange{Email: &bad, DevicesAllowed: &none})
	wantCode(t, "two mistakes", err, errs.Invalid)
	_, err = f.UpdateAccount(f.ctx, a.ID, identity.AccountChange{Name: &other.Name})
	wantCode(t, "a taken name", err, errs.Conflict)
	_, err = f.UpdateAccount(f.ctx, 99, identity.AccountChange{Name: &name})
	wantCode(t, "no such account", err, errs.NotFound)
}

func TestRotateRegistrationCode(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	if _, err := f.AccountByRegistrationCode(f.ctx, a.RegistrationCode); err != nil {
		t.Fatal(err)
	}
	rotated, err := f.RotateRegistrationCode(f.ctx, a.ID)
	if err != nil || len(rotated.RegistrationCode) != 8 || rotated.RegistrationCode == a.RegistrationCode {
		t.Fatalf("got %+v, %v", rotated, err)
	}
	_, err = f.AccountByRegistrationCode(f.ctx, a.RegistrationCode)
	wantCode(t, "the old code, at once", err, errs.NotFound)
	found, err := f.AccountByRegistrationCode(f.ctx, strings.ToLower(rotated.RegistrationCode))
	if err != nil || found.ID != a.ID {
		t.Errorf("the new code in small letters: %+v, %v", found, err)
	}
	_, err = f.RotateRegistrationCode(f.ctx, 99)
	wantCode(t, "no such account", err, errs.NotFound)
}

func TestResolve(t *testing.T) {
	f := newFixture(t)
	_, err := f.Resolve(f.ctx, "")
	wantCode(t, "no account at all", err, errs.NotFound)
	first := f.account(t, "Acme")
	if got, err := f.Resolve(f.ctx, ""); err != nil || got != first {
		t.Errorf("the only account: %+v, %v", got, err)
	}
	second := f.account(t, "1") // named like the id of the first
	_, err = f.Resolve(f.ctx, "")
	wantCode(t, "one of two", err, errs.Invalid)
	if err != nil && !strings.Contains(err.Error(), "choose one") {
		t.Errorf("%q does not say to choose", err)
	}
	for text, want := range map[string]identity.Account{
		"Acme": first, first.LicenseKey: first, "1": second, strconv.Itoa(int(second.ID)): second, second.LicenseKey: second,
	} {
		if got, err := f.Resolve(f.ctx, text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"acme", "77", "-1", "99999999999999999999", "\x00", "\xff", strings.Repeat("x", 1000)} {
		_, err := f.Resolve(f.ctx, text)
		wantCode(t, text, err, errs.NotFound)
	}
}

func TestResolvePassesOnWhatBreaks(t *testing.T) {
	f := newFixture(t)
	f.account(t, "Acme")
	f.stores.Fail(errBroken)
	for _, text := range []string{"", "Acme", "1"} {
		if _, err := f.Resolve(f.ctx, text); !errors.Is(err, errBroken) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

var errBroken = errors.New("disk on fire")

// TestAgentLookUpsComeFromMemory: a busy fleet asks the store once a second, and sees a change within one.
func TestAgentLookUpsComeFromMemory(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	for name, look := range map[string]func() (identity.Account, error){
		"licence key":       func() (identity.Account, error) { return f.AccountByLicenseKey(f.ctx, a.LicenseKey) },
		"registration code": func() (identity.Account, error) { return f.AccountByRegistrationCode(f.ctx, a.RegistrationCode) },
	} {
		t.Run(name, func(t *testing.T) {
			before := f.stores.Calls()
			for range 100 {
				if got, err := look(); err != nil || got.ID != a.ID {
					t.Fatalf("got %+v, %v", got, err)
				}
			}
			if n := f.stores.Calls() - before; n != 1 {
				t.Errorf("the store was asked %d times, want once", n)
			}
			// Another process changes the account: this service does not learn of it.
			elsewhere := identity.New(identity.Options{Accounts: f.stores, Applications: f.stores, Tokens: f.stores, Settings: f.stores, Codes: f.stores, Now: f.clock.Now})
			renamed := "Renamed by " + name
			if _, err := elsewhere.UpdateAccount(f.ctx, a.ID, identity.AccountChange{Name: &renamed}); err != nil {
				t.Fatal(err)
			}
			f.clock.advance(time.Second)
			if got, err := look(); err != nil || got.Name != renamed {
				t.Errorf("after a second: %+v, %v", got, err)
			}
		})
	}
}

func TestUpdateTakesEffectAtOnce(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	if _, err := f.AccountByLicenseKey(f.ctx, a.LicenseKey); err != nil {
		t.Fatal(err)
	}
	devices := int64(3)
	// The change happens while another caller has read the account and not yet remembered it.
	f.clock.advance(time.Second)
	f.stores.AfterNextFind(func() {
		if _, err := f.UpdateAccount(f.ctx, a.ID, identity.AccountChange{DevicesAllowed: &devices}); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		if _, err := f.AccountByLicenseKey(f.ctx, a.LicenseKey); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.AccountByLicenseKey(f.ctx, a.LicenseKey); err != nil || got.DevicesAllowed != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestWhatIsNotThereIsNotRemembered: a new account works at once, and what cannot be a key never reaches the store.
func TestWhatIsNotThereIsNotRemembered(t *testing.T) {
	f := newFixture(t)
	const key = "0123456789abcdef0123456789abcdef"
	_, err := f.AccountByLicenseKey(f.ctx, key)
	wantCode(t, "before", err, errs.NotFound)
	if _, err := f.CreateAccount(f.ctx, identity.NewAccount{Name: "Acme", DevicesAllowed: 1, LicenseKey: key}); err != nil {
		t.Fatal(err)
	}
	_, err = f.AccountByLicenseKey(f.ctx, key)
	wantCode(t, "after", err, "")
	before := f.stores.Calls()
	for _, odd := range []string{"", "x", "a\x00bcdefghij", "\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc", strings.Repeat("a", 1<<16)} {
		_, err := f.AccountByLicenseKey(f.ctx, odd)
		wantCode(t, "key", err, errs.NotFound)
		_, err = f.AccountByRegistrationCode(f.ctx, odd)
		wantCode(t, "code", err, errs.NotFound)
		_, err = f.AccountByName(f.ctx, "\x00"+odd)
		wantCode(t, "name", err, errs.NotFound)
	}
	if f.stores.Calls() != before {
		t.Error("the store was asked for what cannot be there")
	}
	f.stores.Fail(errBroken)
	if _, err := f.AccountByRegistrationCode(f.ctx, "ABCD1234"); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestFindAndListAccounts(t *testing.T) {
	f := newFixture(t)
	a, b := f.account(t, "B"), f.account(t, "A")
	if got, err := f.Account(f.ctx, b.ID); err != nil || got != b {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := f.AccountByName(f.ctx, "B"); err != nil || got != a {
		t.Errorf("got %+v, %v", got, err)
	}
	if all, err := f.ListAccounts(f.ctx); err != nil || len(all) != 2 || all[0] != a || all[1] != b {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestUpdateAccountAsExpected(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme Lab")
	seen := a
	changed, err := f.UpdateAccount(t.Context(), a.ID, identity.AccountChange{Email: new("it@acme.example"), Expect: &seen})
	if err != nil || changed.Email != "it@acme.example" {
		t.Fatalf("%+v, %v", changed, err)
	}
	if _, err = f.UpdateAccount(t.Context(), a.ID, identity.AccountChange{Name: new("Other"), Expect: &seen}); !errs.Is(err, errs.Stale) {
		t.Errorf("as it was before: %v", err)
	}
	changed.LastLogin, changed.RegistrationCode = changed.CreatedAt, "ABCD1234" // which nobody changes here
	if _, err = f.UpdateAccount(t.Context(), a.ID, identity.AccountChange{Name: new("Other"), Expect: &changed}); err != nil {
		t.Errorf("as it is: %v", err)
	}
}
