package app

import (
	"iter"

	"muster/client"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
)

// deviceSource is where the commands about devices find them: in the database, or at a server.
type deviceSource interface {
	// list gives the devices in the order of their enrolment, at most so many; 0 is all.
	list(limit int) iter.Seq2[deviceView, error]
	show(name string) (deviceView, error)
	// remove deletes a device and gives what to call it.
	remove(name string) (string, error)
}

// deviceFlags say where the devices are.
type deviceFlags struct {
	accountFlag `embed:""`
	serverFlags `embed:""`
}

// serverFlags are those of commands that can work through the API of a server.
type serverFlags struct {
	Server       string `help:"Work through the API of the server at this address in place of the database." placeholder:"URL"`
	ClientID     string `name:"client-id" help:"Client id of an application, for --server." placeholder:"ID"`
	ClientSecret string `name:"client-secret" help:"Its secret. Other users of the machine can read it in the list of processes: better in MUSTER_CLIENT_SECRET or a --config file." placeholder:"SECRET"`
}

// withDevices finds the devices for fn.
func (env *environment) withDevices(f deviceFlags, fn func(deviceSource) error) error {
	remote, err := f.remote(env)
	if err != nil {
		return err
	}
	if remote != nil {
		return fn(&serverDevices{ctx: env.ctx, client: remote, server: f.Server})
	}
	return env.withAccount(f.accountFlag, func(s *services, a identity.Account) error {
		return fn(&storedDevices{env: env, services: s, account: a.ID})
	})
}

// remote gives the client of the server that the flags name, nil if they name none. Whoever names half of a server, or a
// server and a database, must not have one of them chosen for them.
func (f *deviceFlags) remote(env *environment) (*client.Client, error) {
	given := map[string]bool{"server": f.Server != "", "client-id": f.ClientID != "", "client-secret": f.ClientSecret != ""}
	if !given["server"] && !given["client-id"] && !given["client-secret"] {
		return nil, nil
	}
	for _, name := range []string{"server", "client-id", "client-secret"} {
		if !given[name] {
			return nil, errs.InvalidField(name, "--%s: --server, --client-id and --client-secret come together", name)
		}
	}
	switch {
	case env.globals.dataGiven || env.globals.Database != "":
		return nil, errs.InvalidField("server", "--server: the devices are at a server or in a database: leave out --server or --data and --database, also where they come from the environment or a file")
	case f.Account != "":
		return nil, errs.InvalidField("account", "--account: with --server the account is that of the client id")
	}
	c, err := client.New(f.Server, client.Options{ClientID: f.ClientID, ClientSecret: f.ClientSecret, UserAgent: "muster/" + Version})
	if err != nil {
		return nil, errs.InvalidField("server", "--server: %v", err)
	}
	return c, nil
}

// storedDevices are those of an account in the database.
type storedDevices struct {
	env      *environment
	services *services
	account  posture.AccountID
}

// listPage is how many devices are read at once.
const listPage = 500

func (d *storedDevices) list(limit int) iter.Seq2[deviceView, error] {
	return func(yield func(deviceView, error) bool) {
		n := 0
		for q := (device.Query{Window: page.Window{Limit: listPage}}); ; {
			list, next, err := d.services.devices.Select(d.env.ctx, d.account, q)
			if err != nil {
				yield(deviceView{}, err)
				return
			}
			for i := range list {
				if limit > 0 && n == limit || !yield(viewDevice(&list[i]), nil) {
					return
				}
				n++
			}
			if next == "" {
				return
			}
			q.After = next
		}
	}
}

func (d *storedDevices) show(name string) (deviceView, error) {
	found, err := d.services.devices.Find(d.env.ctx, d.account, device.SelectorOf(name))
	if err != nil {
		return deviceView{}, err
	}
	return fullView(d.env, d.services, d.account, &found)
}

func (d *storedDevices) remove(name string) (string, error) {
	found, err := d.services.devices.Find(d.env.ctx, d.account, device.SelectorOf(name))
	if err != nil {
		return "", err
	}
	return found.ID, d.services.devices.Delete(d.env.ctx, d.account, found.ID)
}
