package app

import (
	"iter"
	"strings"

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
	// search gives those that words lead to, in the same order.
	search(words []string, limit int) iter.Seq2[deviceView, error]
	// remove deletes a device and gives what to call it.
	remove(name string, mode device.RemoveMode) (string, error)
	// act does something with a device; what could not be done is an error.
	act(name string, r device.ActionRequest) (device.Outcome, error)
	// group gives the id of the group with a name or id.
	group(name string) (posture.GroupID, error)
	link(name string, user device.LinkedUser) error
	// log gives what an agent answered to a command of a kind; errNoLogYet.
	log(kind device.CommandKind, id string) ([]byte, error)
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
	return d.search(nil, limit)
}

func (d *storedDevices) search(words []string, limit int) iter.Seq2[deviceView, error] {
	f := device.Filter{Search: strings.Join(words, " ")}
	return func(yield func(deviceView, error) bool) {
		n := 0
		for q := (device.Query{Filter: f, Window: page.Window{Limit: listPage}}); ; {
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

func (d *storedDevices) remove(name string, mode device.RemoveMode) (string, error) {
	found, err := d.services.devices.Find(d.env.ctx, d.account, device.SelectorOf(name))
	if err != nil {
		return "", err
	}
	return found.ID, d.services.devices.Remove(d.env.ctx, d.account, device.Selector{ID: found.ID}, mode, "")
}

func (d *storedDevices) act(name string, r device.ActionRequest) (device.Outcome, error) {
	found, err := d.services.devices.Find(d.env.ctx, d.account, device.SelectorOf(name))
	if err != nil {
		return device.Outcome{}, err
	}
	r.Device, r.Actor = device.Selector{ID: found.ID}, byAdministrator
	o, err := d.services.devices.Act(d.env.ctx, d.account, r)
	if err != nil {
		return o, err
	}
	return done(o)
}

func (d *storedDevices) group(name string) (posture.GroupID, error) {
	g, err := groupArg{name}.find(d.env, d.services, d.account)
	return g.ID, err
}

func (d *storedDevices) link(name string, user device.LinkedUser) error {
	return d.services.devices.LinkUser(d.env.ctx, d.account, device.SelectorOf(name), user)
}

func (d *storedDevices) log(_ device.CommandKind, id string) ([]byte, error) {
	c, err := d.services.devices.Command(d.env.ctx, d.account, id)
	switch {
	case err != nil:
		return nil, err
	case !c.State.Over():
		return nil, errNoLogYet
	case c.State == device.CommandDone && len(c.Output) > 0:
		return c.Output, nil
	default:
		return nil, errs.New(errs.Conflict, "There is no log: the command is %s %s", c.State, c.Message)
	}
}
