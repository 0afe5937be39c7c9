package app

import (
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/posture"
)

type regcodeCommand struct {
	Show   regcodeShow   `cmd:"" help:"Show the account's own registration code."`
	Rotate regcodeRotate `cmd:"" help:"Make a new one; the old one ends, devices that enrolled with it stay."`

	List   regcodeList   `cmd:"" help:"List the registration codes beside it."`
	Create regcodeCreate `cmd:"" help:"Make another registration code."`
	Revoke regcodeRevoke `cmd:"" help:"Take a registration code out of use; devices that enrolled with it stay."`
}

type regcodeShow struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run shows the code.
func (c *regcodeShow) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(_ *services, a identity.Account) error { return printCode(env, &a, c.JSON) })
}

type regcodeRotate struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run makes a new code and shows it.
func (c *regcodeRotate) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		a, err := s.identity.RotateRegistrationCode(env.ctx, a.ID)
		if err != nil {
			return err
		}
		return printCode(env, &a, c.JSON)
	})
}

func printCode(env *environment, a *identity.Account, asJSON bool) error {
	if asJSON {
		return printJSON(env.stdout, map[string]any{"account": a.Name, "registration_code": a.RegistrationCode})
	}
	return printLine(env.stdout, a.RegistrationCode)
}

// codeView is a registration code as the command line prints it. The names of its members stay.
type codeView struct {
	ID        string             `json:"id"`
	Code      string             `json:"code"`
	Name      string             `json:"name"`
	State     identity.CodeState `json:"state"`
	GroupID   posture.GroupID    `json:"group_id,omitempty"`
	CreatedAt time.Time          `json:"created_at"`
	ExpiresAt time.Time          `json:"expires_at,omitzero"`
	RevokedAt time.Time          `json:"revoked_at,omitzero"`
	MaxUses   int64              `json:"max_uses"` // 0 for any number
	Uses      int64              `json:"uses"`
}

func viewCode(c *identity.RegistrationCode) codeView {
	return codeView{
		ID: c.ID, Code: c.Code, Name: c.Name, State: c.State(time.Now()), GroupID: c.Group,
		CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt, RevokedAt: c.RevokedAt, MaxUses: c.MaxUses, Uses: c.Uses,
	}
}

type regcodeList struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run lists the codes.
func (c *regcodeList) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		list, err := s.identity.RegistrationCodes(env.ctx, a.ID)
		if err != nil {
			return err
		}
		groups, err := s.devices.GroupNames(env.ctx, a.ID)
		if err != nil {
			return err
		}
		views := make([]codeView, len(list))
		t := newTable("CODE", "NAME", "STATE", "GROUP", "USES", "OF", "EXPIRES")
		for i := range list {
			v := viewCode(&list[i])
			views[i] = v
			var most any = "any"
			if v.MaxUses > 0 {
				most = v.MaxUses
			}
			t.row(v.Code, v.Name, v.State, groups[v.GroupID], v.Uses, most, stamp(v.ExpiresAt))
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

type regcodeCreate struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	Name        string        `arg:"" help:"What the code is for."`
	Group       string        `help:"Name or id of the group that devices come to." placeholder:"GROUP"`
	ExpiresIn   time.Duration `help:"For how long it is valid, such as 24h; for ever unless given." placeholder:"DURATION"`
	MaxUses     int64         `help:"How many devices may come with it; 0 is any number." default:"0" placeholder:"N"`
}

// Run makes the code and shows it.
func (c *regcodeCreate) Run(env *environment) error {
	if c.ExpiresIn < 0 {
		return errs.InvalidField("expires-in", "--expires-in: a time from now on")
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		n := identity.NewRegistrationCode{Account: a.ID, Name: c.Name, MaxUses: c.MaxUses}
		if c.ExpiresIn > 0 {
			n.ExpiresAt = time.Now().Add(c.ExpiresIn)
		}
		if c.Group != "" {
			g, err := groupArg{c.Group}.find(env, s, a.ID)
			if err != nil {
				return err
			}
			n.Group = g.ID
		}
		code, err := s.identity.CreateRegistrationCode(env.ctx, n)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, viewCode(&code))
		}
		return printLine(env.stdout, code.Code)
	})
}

type regcodeRevoke struct {
	accountFlag `embed:""`
	Code        string `arg:"" help:"The code, its id, or its name where no other has that."`
}

// Run ends the code.
func (c *regcodeRevoke) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		list, err := s.identity.RegistrationCodes(env.ctx, a.ID)
		if err != nil {
			return err
		}
		code, err := findCode(list, c.Code)
		if err != nil {
			return err
		}
		_, err = s.identity.RevokeRegistrationCode(env.ctx, a.ID, code.ID)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "revoked", code.Code, code.Name)
	})
}

// findCode gives the code with the text or id, or else the only one in use with the name.
func findCode(list []identity.RegistrationCode, what string) (identity.RegistrationCode, error) {
	var named []identity.RegistrationCode
	for i := range list {
		if list[i].Code == what || list[i].ID == what {
			return list[i], nil
		}
		if list[i].Name == what && list[i].RevokedAt.IsZero() {
			named = append(named, list[i])
		}
	}
	switch len(named) {
	case 0:
		return identity.RegistrationCode{}, errs.New(errs.NotFound, "There is no registration code %q", what)
	case 1:
		return named[0], nil
	}
	return identity.RegistrationCode{}, errs.InvalidField("code", "%d registration codes have the name %q: give the code or its id", len(named), what)
}
