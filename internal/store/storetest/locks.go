package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/webhook"
)

// deadlocks is a log that counts the deadlocks which a store is told of.
type deadlocks struct{ n atomic.Int64 }

func (d *deadlocks) Enabled(context.Context, slog.Level) bool { return true }
func (d *deadlocks) WithAttrs([]slog.Attr) slog.Handler       { return d }
func (d *deadlocks) WithGroup(string) slog.Handler            { return d }

func (d *deadlocks) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(a.Value.String(), "deadlock") {
			d.n.Add(1)
		}
		return true
	})
	return nil
}

// testLocksInOneOrder has two servers do everything that locks several things to the same few devices at once. Locked in
// different orders, PostgreSQL would have to end one of the two each time.
func testLocksInOneOrder(t *testing.T, e Engine) {
	o := e.New(t)
	var seen deadlocks
	o.Log = slog.New(&seen)
	first := Open(t, o)
	if !first.SharedLimits() {
		return // one writer: nobody to wait for
	}
	account := Account(t, first, "acme", 1000)
	stores := []*store.Store{first, Open(t, o)}
	var tangles []*tangle
	for _, s := range stores {
		tangles = append(tangles, &tangle{
			svc: service(s, time.Now), later: service(s, func() time.Time { return time.Now().Add(30 * 24 * time.Hour) }),
			hooks: webhook.New(webhook.Options{Store: s}), account: account,
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var done atomic.Int64
	for worker := range 10 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(worker), 11))
			for ctx.Err() == nil {
				err := tangles[worker%2].step(ctx, rnd)
				if err != nil && ctx.Err() == nil && errs.CodeOf(err) == errs.Internal {
					t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if n := seen.n.Load(); n != 0 {
		t.Errorf("%d deadlocks among %d changes", n, done.Load())
	}
	if done.Load() < 30 {
		t.Errorf("only %d changes", done.Load())
	}
	CheckCounts(t.Context(), t, first, account)
	CheckSpread(t, first, account)
}

// tangle is one of several servers.
type tangle struct {
	svc     *device.Service
	later   *device.Service // when all commands have expired
	hooks   *webhook.Service
	account posture.AccountID
}

func tangledMAC(i int) string { return fmt.Sprintf("00:0c:29:00:03:%02x", i) }

func tangledHardware(rnd *rand.Rand) string { return fmt.Sprint("HW-000", rnd.IntN(3)) }

// step makes one change that touches more than one thing.
func (g *tangle) step(ctx context.Context, rnd *rand.Rand) error {
	list, _, err := g.svc.Select(ctx, g.account, device.Query{Window: page.Window{Limit: 8}})
	if err != nil {
		return err
	}
	if len(list) < 6 {
		return second(g.svc.Enrol(ctx, g.account, device.Registration{}))
	}
	i := rnd.IntN(len(list))
	ref, other := device.Ref{Account: g.account, ID: list[i].ID}, list[rnd.IntN(len(list))].ID
	switch rnd.IntN(24) {
	case 0: // by an id that is another's
		return second(g.svc.Enrol(ctx, g.account, device.Registration{
			DeviceID: other, Serial: fmt.Sprint("SN-000", rnd.IntN(3)), HardwareID: tangledHardware(rnd), Adapters: Adapters(tangledMAC(i)),
		}))
	case 1:
		return g.svc.Merge(ctx, g.account, ref.ID, other, "")
	case 2:
		return g.svc.Delete(ctx, g.account, ref.ID)
	case 3:
		return g.svc.Remove(ctx, g.account, device.Selector{ID: ref.ID}, device.RemoveAgent, "")
	case 4:
		return second(g.svc.Import(ctx, g.account, []device.Sighting{{MAC: Adapters(tangledMAC(i))[0].MAC}, {MAC: Adapters(tangledMAC(rnd.IntN(8)))[0].MAC}}))
	case 5:
		return second(g.svc.Act(ctx, g.account, device.ActionRequest{Action: device.ActFetchLog, Device: device.Selector{ID: ref.ID}}))
	case 6:
		return g.svc.Exempt(ctx, g.account, ref.ID, "r", time.Now().Add(50*time.Millisecond))
	case 7:
		return second(g.svc.Sweep(ctx, g.account))
	case 8:
		name := fmt.Sprint(rnd.Uint64())
		return second(g.svc.CreateGroup(ctx, g.account, device.GroupChange{Name: &name}, ""))
	case 9:
		return second(g.svc.Act(ctx, g.account, device.ActionRequest{
			Action: device.ActAssignGroup, Device: device.Selector{ID: ref.ID}, Group: posture.GroupID(1 + rnd.IntN(4)),
		}))
	case 10:
		return g.later.TidyCommands(ctx)
	case 11:
		name, url := fmt.Sprint(rnd.Uint64()), "https://hooks.example.net/"
		return second(g.hooks.Create(ctx, g.account, webhook.Change{Name: &name, URL: &url}, ""))
	case 12:
		return g.svc.LinkUser(ctx, g.account, device.SelectorOf(tangledMAC(i)), device.LinkedUser{Username: fmt.Sprint(rnd.IntN(3))})
	default: // a hardware id and a link that are another's
		r := posture.Report{HardwareID: tangledHardware(rnd), LinkedID: fmt.Sprint("link-", rnd.IntN(2)), Adapters: Adapters(tangledMAC(i))}
		r.OS.Name = fmt.Sprintf("%d/%d/%d", 3+rnd.IntN(2), rnd.IntN(3), rnd.IntN(5))
		return g.svc.Report(ctx, ref, Submission(r, fmt.Sprint(rnd.IntN(100))))
	}
}
