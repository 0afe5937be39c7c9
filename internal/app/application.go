package app

import (
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
)

type appCommand struct {
	Create appCreate `cmd:"" help:"Create an application; its secret is shown this once."`
	List   appList   `cmd:"" help:"List the applications of an account."`
	Revoke appRevoke `cmd:"" help:"End an application and all its tokens."`
}

type appCreate struct {
	accountFlag `embed:""`
	Name        string `required:"" help:"Name of the program that will call." placeholder:"N"`
	Permission  string `help:"read; write: also change devices; or admin: also change everything else, through the administration API." enum:"read,write,admin" default:"read"`
	// CallsPerMinute is not called --rate-limit: that is the server's, and has the same environment variable.
	CallsPerMinute int `help:"Its own limit of calls a minute for each operation; 0 is none, -1 the server's." default:"-1" placeholder:"N"`
	jsonFlag       `embed:""`
}

// Run creates an application and prints its credentials.
func (c *appCreate) Run(env *environment) error {
	if c.CallsPerMinute < identity.DefaultRateLimit {
		return errs.InvalidField("calls-per-minute", "--calls-per-minute must be 0 or more, or -1 for the server's limit")
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		app, secret, err := s.identity.CreateApplication(env.ctx, identity.NewApplication{
			Account: a.ID, Name: c.Name, Permission: scope.Permission(c.Permission), RateLimit: c.CallsPerMinute,
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, map[string]any{
				"client_id": app.ClientID, "client_secret": secret, "name": app.Name, "account": a.Name, "permission": app.Permission,
			})
		}
		t := newTable()
		t.row("account", a.Name)
		t.row("permission", app.Permission)
		t.row("client id", app.ClientID)
		t.row("client secret", secret)
		err = t.print(env.stdout)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "\nKeep the secret now: it is stored only as a digest and cannot be shown again.")
	})
}

// appView is an application as the command line prints it. The names of its members stay.
type appView struct {
	ClientID       string           `json:"client_id"`
	Name           string           `json:"name"`
	Permission     scope.Permission `json:"permission"`
	CallsPerMinute int              `json:"calls_per_minute"`
	CreatedAt      time.Time        `json:"created_at"`
	RevokedAt      time.Time        `json:"revoked_at,omitzero"`
}

type appList struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run lists the applications.
func (c *appList) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		list, err := s.identity.ListApplications(env.ctx, a.ID)
		if err != nil {
			return err
		}
		views := make([]appView, len(list))
		t := newTable("CLIENT ID", "NAME", "PERMISSION", "CREATED", "REVOKED")
		for i := range list {
			x := &list[i]
			views[i] = appView{x.ClientID, x.Name, x.Permission, x.RateLimit, x.CreatedAt, x.RevokedAt}
			t.row(x.ClientID, x.Name, x.Permission, stamp(x.CreatedAt), stamp(x.RevokedAt))
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

type appRevoke struct {
	accountFlag `embed:""`
	ClientID    string `arg:"" help:"The client id of the application."`
}

// Run revokes the application.
func (c *appRevoke) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		err := s.identity.RevokeApplication(env.ctx, a.ID, c.ClientID)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "revoked", c.ClientID)
	})
}
