package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"muster/internal/agent/protocol"
	"muster/tools/fleet/latency"
)

// record is what happened, as all devices together tell it.
type record struct {
	ping, report, registration latency.Histogram
	ended                      time.Time

	mu       sync.Mutex
	errors   map[string]int // by call and kind, of well-behaved calls while the server was there
	excused  map[string]int // the same, while it was killed and away
	faults   map[string]*misdeeds
	problems []string
}

// misdeeds are those of one kind.
type misdeeds struct {
	Done      int `json:"done"`
	Excused   int `json:"excused,omitempty"` // the server was away meanwhile
	Otherwise int `json:"otherwise"`         // answered otherwise than documented
}

// maxProblems is how many problems are told one by one.
const maxProblems = 20

func (r *record) answered(call string, after time.Duration) {
	switch call {
	case "ping":
		r.ping.Add(after)
	case "report":
		r.report.Add(after)
	case "registration":
		r.registration.Add(after)
	}
}

// failed notes a well-behaved call that did not succeed. It is excused where the server was away.
func (r *record) failed(call string, err error, excused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	into := &r.errors
	if excused {
		into = &r.excused
	}
	if *into == nil {
		*into = make(map[string]int)
	}
	(*into)[call+": "+kindOf(err)]++
	if !excused {
		r.addProblem(fmt.Sprintf("a well-behaved %s failed: %v", call, err))
	}
}

// wrong notes something that must not be.
func (r *record) wrong(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addProblem(fmt.Sprintf(format, args...))
}

func (r *record) addProblem(text string) {
	switch n := len(r.problems); {
	case n < maxProblems:
		r.problems = append(r.problems, text)
	case n == maxProblems:
		r.problems = append(r.problems, "and more")
	}
}

// misdeed notes a misbehaviour and what came of it.
func (r *record) misdeed(d *device, err error, excused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults == nil {
		r.faults = make(map[string]*misdeeds)
	}
	m := r.faults[d.fault.name]
	if m == nil {
		m = &misdeeds{}
		r.faults[d.fault.name] = m
	}
	m.Done++
	switch {
	case err == nil:
	case excused:
		m.Excused++
	default:
		m.Otherwise++
		r.addProblem(fmt.Sprintf("%s, of device %d: %v", d.fault.name, d.n, err))
	}
}

// kindOf says in few words what went wrong, so that it can be counted.
func kindOf(err error) string {
	var refused *protocol.Error
	var timeout net.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("status %d", refused.Status)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	default:
		return "the connection broke"
	}
}
