package app

import (
	"errors"
	"io"
	"os"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
)

// deviceArg names a device.
type deviceArg struct {
	Device string `arg:"" help:"Device id, hardware id or MAC address."`
}

type deviceSearch struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	Limit       int      `help:"Print at most so many; 0 is all." default:"0" placeholder:"N"`
	Words       []string `arg:"" help:"Words, each of which must begin a word of the device's names, users, numbers or MAC addresses."`
}

// Run searches for devices.
func (c *deviceSearch) Run(env *environment) error {
	return env.withDevices(c.deviceFlags, func(devices deviceSource) error {
		return printDevices(env, devices.search(c.Words, c.Limit), c.JSON)
	})
}

type deviceDelete struct {
	deviceFlags `embed:""`
	deviceArg   `embed:""`
	Mode        string `help:"What goes: agent leaves the device as one without an agent, data erases what is known of it, archive keeps that." enum:"agent,data,archive" default:"archive"`
}

var removeModes = map[string]device.RemoveMode{
	"agent": device.RemoveAgent, "data": device.RemoveData, "archive": device.RemoveAndArchive,
}

// Run deletes the device.
func (c *deviceDelete) Run(env *environment) error {
	return env.withDevices(c.deviceFlags, func(devices deviceSource) error {
		id, err := devices.remove(c.Device, removeModes[c.Mode])
		if err != nil {
			return err
		}
		return printLine(env.stdout, "deleted", id)
	})
}

type deviceExempt struct {
	deviceFlags `embed:""`
	deviceArg   `embed:""`
	Hours       int    `help:"For how many hours; 0 is for good." default:"0" placeholder:"N"`
	Reason      string `help:"Why; not with --server." placeholder:"TEXT"`
}

// Run exempts the device.
func (c *deviceExempt) Run(env *environment) error {
	if c.Hours < 0 || c.Hours > device.MaxExemptHours {
		return errs.InvalidField("hours", "--hours: a number from 0 to %d", device.MaxExemptHours)
	}
	r := device.ActionRequest{Action: device.ActExempt, ExemptFor: time.Duration(c.Hours) * time.Hour, Reason: c.Reason}
	return c.act(env, c.Device, r, "", "exempted")
}

type deviceUnexempt struct {
	deviceFlags `embed:""`
	deviceArg   `embed:""`
}

// Run ends the exemption.
func (c *deviceUnexempt) Run(env *environment) error {
	return c.act(env, c.Device, device.ActionRequest{Action: device.ActUnexempt}, "", "no longer exempted")
}

type deviceUnpin struct {
	accountFlag `embed:""`
	deviceArg   `embed:""`
}

// Run lets rules decide again.
func (c *deviceUnpin) Run(env *environment) error {
	return env.withStored(c.accountFlag, c.Device, func(s *services, d *device.Device) error {
		err := s.devices.Unpin(env.ctx, d.Account, d.ID)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "no longer pinned", d.ID)
	})
}

type deviceQuarantine struct {
	accountFlag `embed:""`
	deviceArg   `embed:""`
	Reason      string `help:"Why." placeholder:"TEXT"`
}

// Run holds the device back.
func (c *deviceQuarantine) Run(env *environment) error {
	return env.withStored(c.accountFlag, c.Device, func(s *services, d *device.Device) error {
		err := s.devices.Quarantine(event.By(env.ctx, byAdministrator), d.Account, d.ID, c.Reason)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "quarantined", d.ID)
	})
}

type deviceRelease struct {
	accountFlag `embed:""`
	deviceArg   `embed:""`
	Reason      string `help:"Why." placeholder:"TEXT"`
}

// Run lets the device go.
func (c *deviceRelease) Run(env *environment) error {
	return env.withStored(c.accountFlag, c.Device, func(s *services, d *device.Device) error {
		err := s.devices.Release(event.By(env.ctx, byAdministrator), d.Account, d.ID, c.Reason)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "released", d.ID)
	})
}

// withStored finds a device in the database for fn.
func (env *environment) withStored(f accountFlag, name string, fn func(*services, *device.Device) error) error {
	return env.withAccount(f, func(s *services, a identity.Account) error {
		d, err := s.devices.Find(env.ctx, a.ID, device.SelectorOf(name))
		if err != nil {
			return err
		}
		return fn(s, &d)
	})
}

type deviceMove struct {
	deviceFlags `embed:""`
	deviceArg   `embed:""`
	groupArg    `embed:""`
}

// Run moves the device.
func (c *deviceMove) Run(env *environment) error {
	return c.act(env, c.Device, device.ActionRequest{Action: device.ActAssignGroup}, c.Group, "moved")
}

// act does something with one device and says so.
func (f deviceFlags) act(env *environment, name string, r device.ActionRequest, group, done string) error {
	return env.withDevices(f, func(devices deviceSource) error {
		var err error
		if group != "" {
			r.Group, err = devices.group(group)
		}
		if err == nil {
			_, err = devices.act(name, r)
		}
		if err != nil {
			return err
		}
		return printLine(env.stdout, done, name)
	})
}

// done turns an outcome that is none into an error.
func done(o device.Outcome) (device.Outcome, error) {
	switch o.Result {
	case device.ActionDone:
		return o, nil
	case device.ActionUnsupported:
		return o, errs.New(errs.Conflict, "The device does not support this action")
	default:
		return o, errs.New(errs.Conflict, "It could not be done: there is no such device, or too much waits for its agent already")
	}
}

type deviceLink struct {
	deviceFlags `embed:""`
	deviceArg   `embed:""`
	Username    string `arg:"" help:"Name of the user, 1 to 256 characters."`
	UserGroup   string `help:"Group of the user." placeholder:"G"`
}

// Run links the user.
func (c *deviceLink) Run(env *environment) error {
	return env.withDevices(c.deviceFlags, func(devices deviceSource) error {
		err := devices.link(c.Device, device.LinkedUser{Username: c.Username, Group: c.UserGroup})
		if err != nil {
			return err
		}
		return printLine(env.stdout, "linked", c.Device, "to", c.Username)
	})
}

type deviceOrder struct {
	deviceFlags `embed:""`
	Order       string `arg:"" name:"command" help:"fetch-log, scan, renew-dhcp or re-identify." enum:"fetch-log,scan,renew-dhcp,re-identify"`
	deviceArg   `embed:""`
	Wait        time.Duration `help:"Of fetch-log and scan: wait so long for the log, and print it." default:"0" placeholder:"DURATION"`
	Output      string        `help:"With --wait: write the log to this file, which must not be there yet." placeholder:"FILE"`
}

var orders = map[string]device.ActionRequest{
	"fetch-log": {Action: device.ActFetchLog}, "scan": {Action: device.ActScanThreats, Scan: device.CommandParams{FullScan: true}},
	"renew-dhcp": {Action: device.ActRenewDHCP}, "re-identify": {Action: device.ActReidentify},
}

// Run gives the order, and waits for what comes of it.
func (c *deviceOrder) Run(env *environment) error {
	r := orders[c.Order]
	switch {
	case c.Wait < 0 || c.Wait > 0 && r.Action != device.ActFetchLog && r.Action != device.ActScanThreats:
		return errs.InvalidField("wait", "--wait: a time, with fetch-log and scan only")
	case c.Output != "" && c.Wait == 0:
		return errs.InvalidField("output", "--output comes with --wait")
	}
	return env.withDevices(c.deviceFlags, func(devices deviceSource) error {
		o, err := devices.act(c.Device, r)
		if err != nil {
			return err
		}
		if c.Wait == 0 {
			return printLine(env.stdout, "queued", o.CommandID)
		}
		text, err := c.await(env, devices, o.CommandID)
		if err != nil {
			return err
		}
		return c.write(env.stdout, text)
	})
}

// The pauses between two times that a log is asked for grow: a server answers ten calls a minute unless it is configured
// otherwise.
const shortestPause, longestPause = 500 * time.Millisecond, 10 * time.Second

// await asks for the log until it is there or the time is up.
func (c *deviceOrder) await(env *environment, devices deviceSource, id string) ([]byte, error) {
	until := time.NewTimer(c.Wait)
	defer until.Stop()
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		text, err := devices.log(device.CommandKind(orders[c.Order].Action), id)
		if !errors.Is(err, errNoLogYet) {
			return text, err
		}
		select {
		case <-time.After(pause):
		case <-until.C:
			return nil, errs.New(errs.Unavailable, "The device has not answered within %v; the command %s stays with the server", c.Wait, id)
		case <-env.ctx.Done():
			return nil, env.ctx.Err()
		}
	}
}

// errNoLogYet: the agent has not answered.
var errNoLogYet = errors.New("the device has not answered yet")

// write keeps a log that is there already: it may be the only copy of another one.
func (c *deviceOrder) write(stdout io.Writer, text []byte) error {
	if c.Output == "" {
		_, err := stdout.Write(text)
		return err
	}
	f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err != nil {
		return err
	}
	return printLine(stdout, "wrote", c.Output)
}
