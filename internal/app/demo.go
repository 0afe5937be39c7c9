package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"muster/internal/config"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/posture"
	"muster/tools/fleet"
)

// The demo's account and tokens are those that the reference prints in its examples, so that these work as printed.
const (
	demoName         = "OPSWAT IT"
	demoEmail        = "opswat_it@opswat.com"
	demoLicenseKey   = "testcccd3e7201ee83e2c4b9f6dfc96c"
	demoAllowed      = 500
	demoAccountToken = "TEST7P9ZMJ2LBF8AMOMJLNPMMLO953AVQ4C9YFF52R61234"  //nolint:gosec // published, and valid in the demo only
	demoLinkToken    = "TEST7P9ZMJ2LBF8AMOMJLFNPMMLO953AVQ4C9YFF52R61234" //nolint:gosec // the same
	demoTokenLife    = 30 * 24 * time.Hour
)

var (
	demoCreated   = time.Date(2013, 10, 4, 8, 0, 0, 0, time.UTC)
	demoLastLogin = time.Date(2017, 3, 9, 8, 0, 0, 0, time.UTC)
)

type demoCommand struct {
	Listen    string `help:"Address to listen on; a loopback address." default:"127.0.0.1:8080" placeholder:"ADDR"`
	RateLimit int    `help:"OAuth calls a minute, by account and operation; 0 is off." default:"10" placeholder:"N"`
}

// Run serves a demo until the context ends.
func (c *demoCommand) Run(env *environment) error {
	if !config.Loopback(c.Listen) {
		return errs.InvalidField("listen", "--listen: the demo's tokens are public, so it listens on a loopback address only")
	}
	db := env.globals.database()
	if db.URL == "" && !env.globals.dataGiven {
		dir, err := os.MkdirTemp("", "muster-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // what is left lies among the temporary files
		db.Dir = dir
	}
	srv, err := newServer(env.ctx, config.Server{Database: db, Listen: c.Listen, RateLimit: c.RateLimit}, env.log)
	if err != nil {
		return err
	}
	d, err := newDemo(env.ctx, srv)
	if err != nil {
		return errors.Join(err, srv.close())
	}
	return d.run(env)
}

// demo is a server with a fleet.
type demo struct {
	*server
	account  identity.Account
	clientID string
	secret   string
}

// newDemo makes the demo's account and application in an empty database, or takes up those that are there.
func newDemo(ctx context.Context, srv *server) (*demo, error) {
	d := &demo{server: srv}
	accounts, err := srv.identity.ListAccounts(ctx)
	if err != nil {
		return nil, err
	}
	if len(accounts) == 0 {
		err = d.createAccount(ctx)
	} else if accounts[0].LicenseKey == demoLicenseKey {
		d.account = accounts[0]
	} else {
		err = errs.New(errs.Conflict, "The demo needs an empty database, and this one holds accounts")
	}
	if err != nil {
		return nil, err
	}
	err = d.createApplication(ctx)
	return d, err
}

func (d *demo) createAccount(ctx context.Context) error {
	var err error
	d.account, err = d.identity.CreateAccount(ctx, identity.NewAccount{
		Name: demoName, Email: demoEmail, DevicesAllowed: demoAllowed, LicenseKey: demoLicenseKey,
		CreatedAt: demoCreated, LastLogin: demoLastLogin,
	})
	return err
}

// createApplication makes a fresh application at each start: the secret of an earlier one cannot be shown again.
func (d *demo) createApplication(ctx context.Context) error {
	app, secret, err := d.identity.CreateApplication(ctx, identity.NewApplication{
		Account: d.account.ID, Name: "Demo", Permission: scope.Write, RateLimit: identity.DefaultRateLimit,
	})
	if err != nil {
		return err
	}
	d.clientID, d.secret = app.ClientID, secret
	for _, token := range []string{demoAccountToken, demoLinkToken} {
		err = d.renew(ctx, token)
		if err != nil {
			return err
		}
	}
	return nil
}

// renew lets a published token be valid from now on. An earlier run may have left it, near its end or beyond.
func (d *demo) renew(ctx context.Context, token string) error {
	err := d.identity.RevokeToken(ctx, token)
	if err != nil {
		return err
	}
	return d.identity.ImportToken(ctx, d.clientID, token, time.Now().Add(demoTokenLife))
}

// run serves, and has the fleet enrol and report through the agent door meanwhile.
func (d *demo) run(env *environment) error {
	ctx, stop := context.WithCancel(env.ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.server.run(ctx) }()
	err := d.populate(ctx)
	if err == nil {
		err = d.introduce(env)
	}
	if err != nil {
		stop()
		if env.ctx.Err() != nil {
			err = nil // stopped while the fleet was enrolling
		}
		return errors.Join(err, <-ended)
	}
	return <-ended
}

// populate makes the fleet. Every status, issue and vulnerability that is counted afterwards is what the server makes
// of the agents' reports, and of what an administrator does here.
func (d *demo) populate(ctx context.Context) error {
	plan := fleet.Demo(time.Now())
	agents, err := fleet.Enrol(ctx, d.url(), d.account.RegistrationCode, plan.Machines, 8)
	if err != nil {
		return fmt.Errorf("the fleet could not enrol: %w", err)
	}
	for _, e := range plan.Exempt {
		err = d.devices.Exempt(ctx, d.account.ID, agents[e.Machine].DeviceID, e.Reason, time.Time{})
		if err != nil {
			return err
		}
	}
	sightings := make([]device.Sighting, len(plan.Unmanaged))
	for i, u := range plan.Unmanaged {
		mac, ok := posture.ParseMAC(u.MAC)
		if !ok {
			return fmt.Errorf("the demo's fleet has no valid address for %s", u.Name)
		}
		sightings[i] = device.Sighting{MAC: mac, Name: u.Name, Type: posture.DeviceType(u.Type)}
	}
	_, err = d.devices.Import(ctx, d.account.ID, sightings)
	return err
}

const introduction = `
Muster's demo is running. Its fleet has enrolled, reported and been judged.

  address            {url}
  account            {account}
  client id          {id}
  client secret      {secret}
  registration code  {code}

Paste these:

  curl -s -X POST '{url}/o/api/v3.2/account?access_token={accountToken}'

  curl -s -X POST '{url}/o/api/v2/devices/{mac}/link_user?opt=0&access_token={linkToken}' -H 'Content-Type: application/json' -d '{"username":"testinguser","group":"testinggroup"}'

  curl -s '{url}/o/oauth/token?grant_type=client_credentials&client_id={id}&client_secret={secret}'

Stop it with Ctrl-C.
`

// introduce prints how to use the demo.
func (d *demo) introduce(env *environment) error {
	_, err := strings.NewReplacer("{url}", d.url(), "{account}", d.account.Name, "{id}", d.clientID, "{secret}", d.secret,
		"{code}", d.account.RegistrationCode, "{accountToken}", demoAccountToken, "{linkToken}", demoLinkToken,
		"{mac}", fleet.DemoMAC).WriteString(env.stdout, introduction)
	return err
}
