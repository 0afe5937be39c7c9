package service

import (
	"context"
	"time"

	"golang.org/x/sys/windows/svc"
)

// Run does the work of the service until it ends or the service manager asks for its end. Where the program was not started
// as a service, it just does the work.
func Run(ctx context.Context, work func(context.Context) error) error {
	is, err := svc.IsWindowsService()
	if err != nil || !is {
		return work(ctx)
	}
	h := &handler{ctx: ctx, work: work}
	if err = svc.Run(Name, h); err != nil {
		return err
	}
	return h.err
}

// handler answers the service control manager.
type handler struct {
	ctx  context.Context //nolint:containedctx // the interface that svc calls has no room for it
	work func(context.Context) error
	err  error
}

// Execute is called by svc.Run. The service fails, and is started again, when its work ends with an error.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	ctx, stop := context.WithCancel(h.ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- h.work(ctx) }()
	status <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	for {
		select {
		case h.err = <-done:
			if h.err != nil {
				return true, 1
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: uint32(stopLimit / time.Millisecond)}
				stop()
			}
		}
	}
}
