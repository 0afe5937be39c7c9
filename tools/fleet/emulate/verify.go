package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"muster/client"
	"muster/internal/posture"
	"muster/internal/store"
)

// lookBefore notes which devices the account has already: they are not ours.
func (e *emulation) lookBefore(ctx context.Context) error {
	e.before = make(map[string]bool)
	for d, err := range e.api.AllDevices(ctx, client.DevicesQuery{Limit: client.MaxIDs}) {
		if err != nil {
			return err
		}
		e.before[d.ID] = true
	}
	return nil
}

// verify compares what the server holds with what it answered: through the API that integrators use, and where the server
// is our own also by the report that it stored of each device.
func (e *emulation) verify(ctx context.Context, out *outcome) error {
	account, err := e.api.Account(ctx, client.AccountQuery{})
	if err != nil {
		return err
	}
	var all, counted int64
	seen := make(map[string]bool)
	ours := make(map[string]*device, len(e.devices))
	for _, d := range e.devices {
		ours[d.id] = d
	}
	for shown, err := range e.api.AllDevices(ctx, client.DevicesQuery{Limit: client.MaxIDs}) {
		if err != nil {
			return err
		}
		all++
		d := ours[shown.ID]
		switch {
		case e.before[shown.ID]:
		case d == nil:
			out.wrong("device %s (%s) is there, and none was answered with its id", shown.ID, shown.Name)
		case seen[shown.ID]:
			out.wrong("device %s is listed twice", shown.ID)
		default:
			seen[shown.ID] = true
			e.compare(out, d, &shown)
		}
	}
	for _, d := range e.devices {
		if !seen[d.id] {
			out.wrong("device %d was answered with the id %s, and is gone", d.n, d.id)
		}
	}
	for _, s := range account.ByStatus {
		counted += s.Devices
	}
	if counted != all || len(ours) != len(e.devices) {
		out.wrong("account details count %d devices, the list has %d; %d devices have %d ids", counted, all, len(e.devices), len(ours))
	}
	out.Checked.Devices = len(seen)
	if e.own == nil {
		return nil
	}
	return e.verifyBodies(ctx, out)
}

// compare compares what the API shows of a device with its last report that was answered: when it was rebooted, which is
// different in every state of a machine, its name, system and addresses; and with its last contact.
func (e *emulation) compare(out *outcome, d *device, shown *client.Device) {
	fits := func(s said) bool {
		m := d.machine(s)
		same := shown.Name == m.HostName && string(shown.OS.Version) == m.OS.Version && len(shown.Networks) == len(m.Adapters) &&
			shown.LastReboot.Unix() == m.Health.Rebooted.Unix()
		for i := 0; same && i < len(m.Adapters); i++ {
			mac, _ := posture.ParseMAC(shown.Networks[i].MAC)
			want, _ := posture.ParseMAC(m.Adapters[i].MAC)
			same = mac == want
		}
		return same
	}
	if d.held(fits) < 0 {
		out.wrong("device %d: report %v was answered, and the API shows %s, rebooted at %s, with %v", d.n, d.answered, shown.Name, shown.LastReboot, shown.Networks)
	}
	for _, at := range d.contacts {
		if e.own.lostContact(at, e.lag) {
			continue
		}
		if shown.LastSeen.Before(at.Truncate(time.Second)) {
			out.wrong("device %d was answered at %s, and seen last at %s", d.n, at.Format(time.RFC3339Nano), shown.LastSeen.Format(time.RFC3339Nano))
		}
		break
	}
}

// held gives which report the server holds: 0 for the last that was answered, more for one whose answer was lost, and -1
// for none of them.
func (d *device) held(fits func(said) bool) int {
	if fits(d.answered) {
		return 0
	}
	for i, s := range d.maybe {
		if fits(s) {
			return i + 1
		}
	}
	return -1
}

// verifyBodies compares the reports that are stored, as a whole but for what changes by itself.
func (e *emulation) verifyBodies(ctx context.Context, out *outcome) (err error) {
	st, err := store.Open(ctx, store.Options{Database: e.own.database, Dir: e.own.data(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	accounts, err := st.ListAccounts(ctx)
	if err != nil || len(accounts) != 1 {
		return errors.Join(err, errors.New("there is not one account"))
	}
	for _, d := range e.devices {
		stored, err := st.Report(ctx, accounts[0].ID, d.id)
		if err != nil {
			out.wrong("device %d: its report cannot be read: %v", d.n, err)
			continue
		}
		is := lasting(stored)
		switch held := d.held(func(s said) bool { return bytes.Equal(is, lasting(d.body(s))) }); {
		case held < 0:
			out.wrong("device %d: report %v was answered, and another is stored: %.300s", d.n, d.answered, stored)
		case held > 0:
			out.Checked.Unanswered++
		}
		out.Checked.Bodies++
	}
	return nil
}

// lasting gives a report without what changes by itself, in one order.
func lasting(report []byte) []byte {
	var all map[string]any
	if json.Unmarshal(report, &all) != nil {
		return nil
	}
	without(all, "scan_time")
	soh, _ := all["soh"].(map[string]any)
	without(soh, "last_time_ip_scanning")
	infos, _ := soh["os_info"].([]any)
	for _, place := range append(infos, any(soh)) {
		if in, ok := place.(map[string]any); ok {
			withoutNoise(in["system"])
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return out
}

func withoutNoise(system any) {
	in, ok := system.(map[string]any)
	if !ok {
		return
	}
	without(in, "battery", "device_up_time")
	for name, member := range map[string]string{"memory": "available_memory_mb", "disk_space": "available_size_mb"} {
		if of, ok := in[name].(map[string]any); ok {
			without(of, member)
		}
	}
}

func without(members map[string]any, names ...string) {
	for _, name := range names {
		delete(members, name)
	}
}
