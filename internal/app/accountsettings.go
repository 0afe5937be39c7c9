package app

import (
	"strings"

	"muster/internal/errs"
	"muster/internal/identity"
)

type settingsCommand struct {
	Show settingsShow `cmd:"" help:"Show what an account decided about privacy, removal, its licence, retention and its agents."`
	Set  settingsSet  `cmd:"" help:"Change settings of an account."`
}

// settingsView is the settings of an account as the command line prints them. The names of its members stay.
type settingsView struct {
	Revision int64             `json:"revision"`
	Settings identity.Settings `json:"settings"`
}

type settingsShow struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run shows the settings.
func (c *settingsShow) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		found, revision, err := s.identity.StoredSettings(env.ctx, a.ID)
		if err != nil {
			return err
		}
		return printSettings(env, settingsView{revision, found}, c.JSON)
	})
}

type settingsSet struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	Values      []string `arg:"" name:"name=value" help:"Settings by their names, such as privacy.host_name=true; 'show' lists them."`
	Revision    *int64   `help:"Change nothing unless the settings are at this revision." placeholder:"N"`
}

// Run changes settings, all of them or none, and prints them.
func (c *settingsSet) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		changed, revision, err := s.identity.UpdateSettings(env.ctx, a.ID, c.Revision, c.change)
		if err != nil {
			return err
		}
		return printSettings(env, settingsView{revision, changed}, c.JSON)
	})
}

func (c *settingsSet) change(to *identity.Settings) error {
	for _, pair := range c.Values {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return errs.InvalidField(name, "%q says no value: write %s=VALUE", pair, name)
		}
		err := to.Set(name, value)
		if err != nil {
			return err
		}
	}
	return nil
}

func printSettings(env *environment, v settingsView, asJSON bool) error {
	if asJSON {
		return printJSON(env.stdout, v)
	}
	t := newTable("SETTING", "VALUE")
	for _, x := range v.Settings.List() {
		t.row(x.Name, x.Value)
	}
	t.row("(revision)", v.Revision)
	return t.print(env.stdout)
}
