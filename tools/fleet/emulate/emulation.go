package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"muster/client"
	"muster/tools/fleet"
)

// emulation is a fleet that lives on a server.
type emulation struct {
	*options
	url, code string
	own       *ownServer // nil if the server is somebody else's
	api       *client.Client
	http      *http.Client
	before    map[string]bool // the devices that were there already
	began     time.Time
	devices   []*device
	stop      chan struct{}
	record    record
}

// emulate has a fleet live, and compares at the end.
func emulate(ctx context.Context, o *options) (out *outcome, err error) {
	e, err := begin(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	err = e.live(ctx)
	if err != nil {
		return nil, err
	}
	out = e.outcome()
	return out, e.verify(ctx, out)
}

// begin sees to a server, and makes the fleet.
func begin(ctx context.Context, o *options) (*emulation, error) {
	e := &emulation{options: o, url: o.server, code: o.code, http: fleet.NewClient(o.connections), stop: make(chan struct{})}
	if o.server == "" {
		err := e.startOwn(ctx)
		if err != nil {
			return nil, errors.Join(err, e.close())
		}
	}
	var err error
	e.api, err = client.New(e.url, client.Options{ClientID: e.clientID, ClientSecret: e.clientSecret})
	if err == nil {
		err = e.lookBefore(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	now := time.Now()
	for n := range o.devices {
		e.devices = append(e.devices, newDevice(e, n, now))
	}
	return e, nil
}

func (e *emulation) close() error {
	e.http.CloseIdleConnections()
	if e.own == nil {
		return nil
	}
	return e.own.close()
}

// live has every device register, and then live for as long as was asked. The server is killed meanwhile, if it is to be,
// and at the end once more: while the devices call.
func (e *emulation) live(ctx context.Context) error {
	err := e.enrol(ctx)
	if err != nil {
		return err
	}
	e.began = time.Now()
	var living sync.WaitGroup
	for _, d := range e.devices {
		living.Go(d.live)
	}
	err = e.pass(ctx)
	close(e.stop)
	living.Wait()
	e.record.ended = time.Now()
	if err == nil && e.own != nil && e.own.program == nil {
		err = e.own.start()
	}
	return err
}

// pass lets the time pass.
func (e *emulation) pass(ctx context.Context) error {
	for range e.kills {
		err := wait(ctx, e.length/time.Duration(e.kills+1))
		if err == nil {
			err = e.own.kill()
		}
		if err == nil {
			err = e.own.start()
		}
		if err != nil {
			return err
		}
	}
	err := wait(ctx, time.Until(e.began.Add(e.length)))
	if err == nil && e.kills > 0 {
		err = e.own.kill()
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// enrol registers every device, some at a time.
func (e *emulation) enrol(ctx context.Context) error {
	var next atomic.Int64
	var working sync.WaitGroup
	failures := make([]error, min(e.connections, 32))
	for k := range failures {
		working.Go(func() {
			for failures[k] == nil && ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(e.devices) {
					return
				}
				failures[k] = e.devices[n].enrol()
			}
		})
	}
	working.Wait()
	err := errors.Join(failures...)
	if err != nil {
		return fmt.Errorf("the fleet could not enrol: %w", err)
	}
	return ctx.Err()
}
