package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"muster/internal/agent/schedule"
)

// soaked is what is known of one device.
type soaked struct {
	digest   [32]byte // of its report before the soak
	answered said     // the last report that was answered in the soak
	sent     said     // one that was sent since, and not answered
	failures uint8
	contact  time.Duration // since the soak began: when the last call that was answered was sent; 0 for never
}

// said is which report a device sent. The zero value is none.
type said struct {
	version uint32 // from 1
	kind    uint8
}

// turn is a call that is due.
type turn struct {
	at     time.Duration // since the soak began
	device int32
	report bool
}

// turns is a heap; the first is due first.
type turns []turn

// settle puts the first where it belongs, after it has got another time.
func (t turns) settle(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t); child++ {
			if t[child].at < t[least].at {
				least = child
			}
		}
		if least == i {
			return
		}
		t[i], t[least] = t[least], t[i]
		i = least
	}
}

// soakCaller makes the calls of its part of the devices, one after the other, on one connection.
type soakCaller struct {
	*soak
	addr    string
	rng     *rand.Rand
	turns   turns
	late    atomic.Int64
	conn    net.Conn
	answers *bufio.Reader
	request []byte
	body    []byte
	// sessions are those of TLS.
	sessions tls.ClientSessionCache
}

// newSoakCaller makes the caller of every step-th device. Each device has pinged some time within the interval, and so
// with reports.
func newSoakCaller(s *soak, addr string, from, step int) *soakCaller {
	c := &soakCaller{soak: s, addr: addr, sessions: tls.NewLRUClientSessionCache(1), rng: rand.New(rand.NewPCG(uint64(from), 6))}
	for i := from; i < len(s.devices); i += step {
		c.turns = append(c.turns,
			turn{schedule.First(s.options.ping, c.rng.Float64), int32(i), false},
			turn{schedule.First(s.options.report, c.rng.Float64), int32(i), true})
	}
	for i := len(c.turns)/2 - 1; i >= 0; i-- {
		c.turns.settle(i)
	}
	return c
}

// run calls until the context ends.
func (c *soakCaller) run(ctx context.Context) {
	defer c.hangUp()
	for ctx.Err() == nil && len(c.turns) > 0 {
		t := &c.turns[0]
		late := time.Since(c.began) - t.at
		if late < 0 {
			time.Sleep(min(-late, 100*time.Millisecond))
			c.late.Store(0)
			continue
		}
		c.late.Store(int64(late))
		d := &c.devices[t.device]
		if c.call(t, d) {
			d.failures = 0
			every := c.options.ping
			if t.report {
				every = c.options.report
			}
			t.at += schedule.Next(every, c.rng.Float64)
		} else {
			d.failures = min(d.failures+1, 100)
			t.at = time.Since(c.began) + schedule.Retry(int(d.failures), c.options.ping, 0, c.rng.Float64)
		}
		c.turns.settle(0)
	}
}

// call makes the call that is due, and reports whether it was answered as it should be.
func (c *soakCaller) call(t *turn, d *soaked) bool {
	f := &c.figures[c.phase.Load()]
	name, into := "ping", &f.pings
	if t.report {
		name, into = "report", &f.reports
		if d.sent == (said{}) {
			d.sent = c.next(int(t.device), d)
		}
		c.request = c.report(c.request[:0], int(t.device), int64(d.sent.version-1), int(d.sent.kind))
	} else {
		c.request = c.pingOf(c.request[:0], int(t.device))
	}
	sent := time.Since(c.began)
	err := c.exchange()
	if err != nil {
		f.failed(name + ": " + failure(err))
		return false
	}
	now := time.Since(c.began)
	into.Add(now - t.at)
	f.served.Add(now - sent)
	d.contact = sent
	if t.report {
		d.answered, d.sent = d.sent, said{}
	}
	return true
}

// next makes the report that follows the last one: mostly it says the same.
func (c *soakCaller) next(i int, d *soaked) said {
	out := d.answered
	if out.version == 0 {
		out = said{1, uint8(i % len(c.bodies.variants))}
	}
	if c.rng.IntN(100) < c.options.changed {
		out.version = 1 + (out.version+uint32(c.rng.IntN(releases)))%(releases+1)
		if c.rng.IntN(8) == 0 {
			out.kind = uint8(c.rng.IntN(len(c.bodies.variants)))
		}
	}
	return out
}

// patience is how long an agent waits for an answer.
const patience = 30 * time.Second

// exchange sends the request, on a new connection where the last one broke.
func (c *soakCaller) exchange() (err error) {
	if c.conn == nil {
		err = c.dial()
		if err != nil {
			return err
		}
		c.answers = bufio.NewReaderSize(c.conn, 4<<10)
	}
	err = c.conn.SetDeadline(time.Now().Add(patience))
	if err == nil {
		c.body, err = exchange(c.conn, c.answers, c.request, c.body[:0])
	}
	if err == nil && string(c.body) != "{}" {
		err = fmt.Errorf("an answer is %.100s", c.body)
	}
	if err != nil || c.options.fresh {
		c.hangUp()
	}
	return err
}

func (c *soakCaller) hangUp() {
	if c.conn != nil {
		c.conn.Close() //nolint:errcheck // what was not answered is noted
		c.conn = nil
	}
}

// failure says in few words what went wrong, so that it can be counted.
func failure(err error) string {
	var status *statusError
	switch {
	case errors.As(err, &status):
		return "status " + status.status
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens"
	default:
		return "the connection broke"
	}
}
