package app

import (
	"fmt"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/posture"
)

const defaultDevicesAllowed = 1_000_000

type accountCommand struct {
	Create   accountCreate   `cmd:"" help:"Create an account."`
	List     accountList     `cmd:"" help:"List the accounts."`
	Show     accountShow     `cmd:"" help:"Show an account with its licence key, registration code and counts."`
	Set      accountSet      `cmd:"" help:"Change an account."`
	Settings settingsCommand `cmd:"" help:"Privacy, automatic removal, licence limit, retention and agents of an account."`
}

// jsonFlag is a flag of every command that prints things.
type jsonFlag struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// accountFlag chooses an account where there are several.
type accountFlag struct {
	Account string `help:"Account, by name, id or licence key; needed where there are several." placeholder:"A"`
}

// withServices opens the database of the command line, which must be there, and closes it behind fn.
func (env *environment) withServices(fn func(*services) error) error { return env.with(existing, fn) }

func (env *environment) with(a access, fn func(*services) error) error {
	s, err := openServices(env.ctx, env.globals.database(), env.log, a)
	if err != nil {
		return err
	}
	err = fn(s)
	closeErr := s.close()
	if err != nil {
		return err
	}
	return closeErr
}

// withAccount is withServices for commands about one account.
func (env *environment) withAccount(f accountFlag, fn func(*services, identity.Account) error) error {
	return env.withServices(func(s *services) error {
		a, err := s.identity.Resolve(env.ctx, f.Account)
		if err != nil {
			return err
		}
		return fn(s, a)
	})
}

// accountView is an account as the command line prints it. The names of its members stay.
type accountView struct {
	ID               posture.AccountID `json:"id"`
	Name             string            `json:"name"`
	Email            string            `json:"email"`
	CreatedAt        time.Time         `json:"created_at"`
	LastLogin        time.Time         `json:"last_login,omitzero"`
	DevicesAllowed   int64             `json:"devices_allowed"`
	DevicesUsed      int64             `json:"devices_used"`
	LicenseKey       string            `json:"license_key"`
	RegistrationCode string            `json:"registration_code"`
	Devices          map[string]int64  `json:"devices_by_status"`
	// These two are what agents are told about pages of the endpoint's own.
	CrossDomainEnabled bool `json:"cross_domain_enabled"`
	CrossDomainPort    int  `json:"cross_domain_port"`
	// LicenceWarning says that so much of the licence is in use as the settings of the account warn of.
	LicenceWarning bool `json:"licence_warning"`
}

func viewAccount(env *environment, s *services, a *identity.Account) (accountView, error) {
	counts, err := s.devices.Counts(env.ctx, a.ID)
	if err != nil {
		return accountView{}, err
	}
	settings, err := s.identity.Settings(env.ctx, a.ID)
	return accountView{
		ID: a.ID, Name: a.Name, Email: a.Email, CreatedAt: a.CreatedAt, LastLogin: a.LastLogin,
		DevicesAllowed: a.DevicesAllowed, DevicesUsed: counts.Used(), LicenseKey: a.LicenseKey,
		RegistrationCode: a.RegistrationCode, Devices: byStatus(&counts),
		CrossDomainEnabled: a.CrossDomain.Enabled, CrossDomainPort: a.CrossDomain.Port,
		LicenceWarning: settings.Licence.Near(counts.Used(), a.DevicesAllowed),
	}, err
}

func byStatus(c *device.Counts) map[string]int64 {
	out := make(map[string]int64)
	for i, n := range c.Status {
		if n != 0 {
			out[posture.Status(i).String()] = n
		}
	}
	return out
}

type accountCreate struct {
	Name           string `required:"" help:"Name of the account." placeholder:"N"`
	Email          string `help:"E-mail address of its owner." placeholder:"ADDRESS" emptiable:""`
	DevicesAllowed int64  `help:"How many devices may be monitored." default:"1000000" placeholder:"N"`
	jsonFlag       `embed:""`
}

// Run creates an account and prints it. It may be the first thing that is done with a database.
func (c *accountCreate) Run(env *environment) error {
	return env.with(created, func(s *services) error {
		a, err := s.identity.CreateAccount(env.ctx, identity.NewAccount{Name: c.Name, Email: c.Email, DevicesAllowed: c.DevicesAllowed})
		if err != nil {
			return err
		}
		return printAccount(env, s, &a, c.JSON)
	})
}

type accountList struct {
	jsonFlag `embed:""`
}

// Run lists the accounts.
func (c *accountList) Run(env *environment) error {
	return env.withServices(func(s *services) error {
		list, err := s.identity.ListAccounts(env.ctx)
		if err != nil {
			return err
		}
		views := make([]accountView, len(list))
		for i := range list {
			views[i], err = viewAccount(env, s, &list[i])
			if err != nil {
				return err
			}
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		t := newTable("ID", "NAME", "USED", "ALLOWED", "E-MAIL")
		for _, v := range views {
			t.row(v.ID, v.Name, v.DevicesUsed, v.DevicesAllowed, v.Email)
		}
		return t.print(env.stdout)
	})
}

type accountShow struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run shows an account.
func (c *accountShow) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error { return printAccount(env, s, &a, c.JSON) })
}

type accountSet struct {
	accountFlag    `embed:""`
	Name           *string `help:"New name." placeholder:"N"`
	Email          *string `help:"New e-mail address of the owner." placeholder:"ADDRESS"`
	DevicesAllowed *int64  `help:"How many devices may be monitored." placeholder:"N"`
	// Muster keeps these for the programs that ask for them.
	CrossDomainEnabled *bool `help:"Whether agents answer pages in the machine's own browser." negatable:""`
	CrossDomainPort    *int  `help:"The port on which they do." placeholder:"N"`
	jsonFlag           `embed:""`
}

// Run changes an account and prints it.
func (c *accountSet) Run(env *environment) error {
	change := identity.AccountChange{
		Name: c.Name, Email: c.Email, DevicesAllowed: c.DevicesAllowed,
		CrossDomainEnabled: c.CrossDomainEnabled, CrossDomainPort: c.CrossDomainPort,
	}
	if change == (identity.AccountChange{}) {
		return errs.InvalidField("name", "There is nothing to change: give --name, --email, --devices-allowed, --cross-domain-enabled or --cross-domain-port")
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		a, err := s.identity.UpdateAccount(env.ctx, a.ID, change)
		if err != nil {
			return err
		}
		return printAccount(env, s, &a, c.JSON)
	})
}

func printAccount(env *environment, s *services, a *identity.Account, asJSON bool) error {
	v, err := viewAccount(env, s, a)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(env.stdout, v)
	}
	t := newTable()
	t.row("id", v.ID)
	t.row("name", v.Name)
	t.row("e-mail", v.Email)
	t.row("created", stamp(v.CreatedAt))
	t.row("owner's last login", stamp(v.LastLogin))
	t.row("devices allowed", v.DevicesAllowed)
	t.row("devices used", v.DevicesUsed)
	if v.LicenceWarning {
		t.row("warning", fmt.Sprintf("%d of %d places are taken: see licence.warn_percent of its settings", v.DevicesUsed, v.DevicesAllowed))
	}
	for i := range posture.Statuses {
		name := posture.Statuses[i].String()
		if n := v.Devices[name]; n != 0 {
			t.row("  "+name, n)
		}
	}
	t.row("licence key", v.LicenseKey)
	t.row("registration code", v.RegistrationCode)
	t.row("cross-domain", onOff(v.CrossDomainEnabled)+fmt.Sprintf(", port %d", v.CrossDomainPort))
	return t.print(env.stdout)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
