// Package fleet emulates devices: machines that are made up but plausible, and agents that report for them over HTTP.
// The demo, the emulator (tools/fleet/emulate) and the end-to-end tests are built from it. It speaks the agent protocol
// through the code of the real agent, which shares none with the server: a mistake there cannot hide behind the same
// mistake here.
package fleet

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// NewClient makes a client that keeps so many connections open. It follows no redirect, as agents do not: a server that
// sends one has failed.
func NewClient(connections int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			MaxIdleConnsPerHost: connections,
			IdleConnTimeout:     90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
}

// Enrol registers every machine with the registration code and sends its first report, so many of them at a time. The
// agents come in the order of the machines. The first failure ends it; machines that were through by then stay
// enrolled, and enrolling them again finds them.
func Enrol(ctx context.Context, baseURL, code string, machines []*Machine, parallel int) ([]*Agent, error) {
	parallel = max(1, min(parallel, len(machines)))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	client := NewClient(parallel)
	agents := make([]*Agent, len(machines))
	next := make(chan int)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for i := range next {
				agents[i] = NewAgent(client, baseURL, code, machines[i])
				if err := agents[i].enrol(ctx); err != nil {
					stop(err)
				}
			}
		})
	}
	hand(ctx, next, len(machines))
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return agents, nil
}

// hand gives the numbers below n to whoever takes them, until the context ends.
func hand(ctx context.Context, to chan<- int, n int) {
	defer close(to)
	for i := range n {
		select {
		case to <- i:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) enrol(ctx context.Context) error {
	if err := a.Register(ctx); err != nil {
		return err
	}
	return a.Report(ctx)
}
