package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/tools/process"
)

// row is one line of the table to be measured.
type row struct {
	name   string
	budget float64 // milliseconds; 0 for none
	op     operation
	// walk has every request measured from the first on: there is no warm-up, and the load ends by itself.
	walk bool
}

// measure puts the load of a row on a server. After a warm-up it reads the meter, lets the load go on until the server
// has worked for the window, and reads the meter again. What is in flight at either moment, at most one request for
// each connection, is too little to matter.
func (b *bench) measure(ctx context.Context, c *process.Server, m meter, r row) (result, error) {
	var out result
	l, ctx := begin(ctx, c.Addr, b.connections, r.op)
	before, err := m.read()
	if err == nil && !r.walk {
		before, err = b.until(ctx, l, m, before, b.window/5)
	}
	l.sampling.Store(true)
	first := l.answered.Load()
	endProfile, startErr := b.beginProfile(c, r.name)
	err = errors.Join(err, startErr)
	after := before
	if err == nil {
		window := b.window
		if r.walk {
			window = time.Hour // it ends when all was sent
		}
		after, err = b.until(ctx, l, m, before, window)
	}
	answered := l.answered.Load() - first
	err = errors.Join(err, endProfile(), l.end(ctx))
	if err != nil {
		return out, fmt.Errorf("%s: %w", r.name, err)
	}
	if answered == 0 {
		return out, fmt.Errorf("%s: nothing was answered in time", r.name)
	}
	spent := after.minus(before)
	out = result{Row: r.name, Budget: r.budget, Requests: answered}
	out.Millis = perRequest(spent.total(), answered)
	out.Server = perRequest(spent.server, answered)
	out.P50, out.P99 = l.percentiles()
	return out, nil
}

func perRequest(spent time.Duration, requests int64) float64 {
	return spent.Seconds() * 1000 / float64(requests)
}

// until waits until the server and the database have used so much processor time, or as long as may be, and gives the
// last reading.
func (b *bench) until(ctx context.Context, l *load, m meter, from reading, window time.Duration) (reading, error) {
	now := from
	deadline := time.Now().Add(b.longest)
	ended := make(chan struct{})
	go func() { l.working.Wait(); close(ended) }()
	for now.minus(from).total() < window && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return now, context.Cause(ctx)
		case <-ended: // the load had a limit
			return m.read()
		case <-time.After(50 * time.Millisecond):
		}
		var err error
		now, err = m.read()
		if err != nil {
			return now, err
		}
	}
	return now, nil
}

// measureFloors measures what no server in Go can go below.
func (b *bench) measureFloors(ctx context.Context) (err error) {
	program, err := self()
	if err != nil {
		return err
	}
	c, err := process.Start(program, floorMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	b2 := &bench{options: &options{connections: b.connections, window: b.window, longest: b.longest}}
	for _, floor := range []struct{ name, path, want string }{
		{"empty net/http handler", "/empty", ""},
		{"handler that encodes a small JSON answer", "/json", `"msg":"OK"`},
	} {
		request := []byte("GET " + floor.path + " HTTP/1.1\r\nHost: bench\r\n\r\n")
		op := operation{want: []byte(floor.want), render: func(buf []byte, _ *caller) []byte { return append(buf, request...) }}
		r, err := b2.measure(ctx, c, meter{server: c.Cmd.Process.Pid}, row{name: floor.name, op: op})
		if err != nil {
			return err
		}
		b.add(r)
	}
	return nil
}
