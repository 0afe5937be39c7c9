package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"muster/internal/agent/protocol"
	"muster/internal/agent/schedule"
	"muster/tools/fleet"
)

// device is an emulated device. Its fields belong to the goroutine that lives for it, but for id.
type device struct {
	*emulation
	n      int
	base   *fleet.Machine
	agent  *fleet.Agent
	id     string // as it was given first
	fault  *fault // nil for most
	rng    *rand.Rand
	offset time.Duration // of its clock

	made     int  // how many states of the machine there were
	now      said // what its next report says
	failures int
	doubtful bool // a registration was not answered: the credentials may be others by now

	// What is known of what the server holds.
	answered said        // the last report that was answered
	maybe    []said      // reports since then that were sent and not answered
	contacts []time.Time // when the last calls that were answered were sent, the newest first
}

// said is what a report says: the machine after so many changes, and which of its random addresses it has.
type said struct{ step, round int }

// newDevice makes the device of a number. What it is and how it misbehaves follows from the seed.
func newDevice(e *emulation, n int, now time.Time) *device {
	d := &device{emulation: e, n: n, base: fleet.Random(e.seed, n, now), rng: rand.New(rand.NewPCG(e.seed, uint64(n)))}
	at := d.rng.IntN(100)
	for i := range faults {
		share := e.faults[faults[i].name]
		if at < share {
			d.fault = &faults[i]
			break
		}
		at -= share
	}
	if d.is("skew") {
		d.offset = skews[d.rng.IntN(len(skews))](now)
	}
	d.agent = fleet.NewAgent(e.http, e.url, e.code, d.base)
	return d
}

// is reports whether the device misbehaves in this way.
func (d *device) is(name string) bool { return d.fault != nil && d.fault.name == name }

// machine gives the machine as a report says it is.
func (d *device) machine(s said) *fleet.Machine {
	m := d.base.Drift(s.step)
	switch {
	case d.is("twin") && s.round > 0: // in its first report, the other might not have registered
		m.HardwareID = fleet.Random(d.seed, d.n/2, time.Time{}).HardwareID
	case d.is("roamer") && len(m.Adapters) > 0:
		m.Adapters = slices.Clone(m.Adapters)
		m.Adapters[0].MAC = fmt.Sprintf("d6:%02x:%02x:%02x:%02x:%02x", s.round>>8&0xff, s.round&0xff, d.n>>16&0xff, d.n>>8&0xff, d.n&0xff)
	}
	return m
}

func (d *device) body(s said) []byte { return d.machine(s).Report(d.id, time.Now().Add(d.offset)) }

// fresh gives a state that no report has said yet. Where misbehaviour is refused, nothing may be seen of it.
func (d *device) fresh() said {
	d.made++
	return said{d.made, d.made}
}

// enrol registers the machine and sends its first report.
func (d *device) enrol() error {
	err := d.register()
	if err != nil {
		return err
	}
	return d.send(d.now)
}

// live calls as the real agent would, until all are told to stop.
func (d *device) live() {
	ping := time.Now().Add(schedule.First(d.emulation.ping, d.rng.Float64))
	report := time.Now().Add(schedule.First(d.emulation.report, d.rng.Float64))
	for {
		next, reports := ping, report.Before(ping)
		if reports {
			next = report
		}
		select {
		case <-d.stop:
			return
		case <-time.After(time.Until(next)):
		}
		var err error
		if reports {
			err = d.turn()
			report = time.Now().Add(schedule.Next(d.emulation.report, d.rng.Float64))
		} else {
			err = d.pingOnce()
			ping = time.Now().Add(schedule.Next(d.emulation.ping, d.rng.Float64))
		}
		if err != nil {
			ping = time.Now().Add(schedule.Retry(d.failures, d.emulation.ping, protocol.RetryAfter(err), d.rng.Float64))
			if reports {
				report = ping
			}
		}
	}
}

// turn is what a device does when a report is due: what was not answered it sends again, and otherwise it reports, or
// misbehaves.
func (d *device) turn() error {
	if len(d.maybe) > 0 {
		return d.send(d.now)
	}
	if d.is("roamer") || d.rng.IntN(100) < d.changed {
		d.now = d.fresh()
	}
	if d.fault != nil && d.fault.do != nil && d.rng.IntN(2) == 0 {
		d.misbehave()
		return nil
	}
	return d.send(d.now)
}

func (d *device) pingOnce() error { return d.call("ping", d.agent.Ping) }

// send sends a report, and notes what is known of it afterwards.
func (d *device) send(s said) error {
	body := d.body(s)
	err := d.call("report", func(ctx context.Context) error { return d.agent.SendReport(ctx, body) })
	d.note(s, err)
	return err
}

func (d *device) note(s said, err error) {
	var refused *protocol.Error
	switch {
	case err == nil:
		d.answered, d.maybe = s, nil
	case !errors.As(err, &refused):
		d.maybe = append(d.maybe, s)
	}
}

// register registers the machine, or does so again.
func (d *device) register() error {
	err := d.call("registration", d.agent.Register)
	switch {
	case err != nil:
		d.doubtful = true
		return err
	case d.id == "":
		d.id = d.agent.DeviceID
	case d.id != d.agent.DeviceID:
		d.record.wrong("device %d, known as %s, came back as %s", d.n, d.id, d.agent.DeviceID)
	}
	d.doubtful = false
	return nil
}

// met notes a contact. As many are kept as may lie in the time that a kill may take.
func (d *device) met(at time.Time) {
	const kept = 32
	d.contacts = slices.Insert(d.contacts, 0, at)
	d.contacts = d.contacts[:min(len(d.contacts), kept)]
}

// patience is how long a device waits for an answer.
const patience = 30 * time.Second

// call makes a call that is to succeed.
func (d *device) call(name string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sent := time.Now()
	err := do(ctx)
	if err == nil {
		d.record.answered(name, time.Since(sent))
		d.failures = 0
		d.met(sent)
		return nil
	}
	d.failures++
	excused := d.own.awaySince(sent) || d.doubtful && protocol.Rejected(err)
	d.record.failed(name, err, excused)
	if protocol.Rejected(err) && name != "registration" {
		return errors.Join(err, d.register())
	}
	return err
}
