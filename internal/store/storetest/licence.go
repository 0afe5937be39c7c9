package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/posture"
)

// allow changes how many devices an account may monitor.
func (b *bench) allow(t *testing.T, n int64) {
	t.Helper()
	check(t, second(b.UpdateAccount(t.Context(), b.account, func(a *identity.Account) ([]event.Event, error) { a.DevicesAllowed = n; return nil, nil })))
}

// testPlaces follows the places of a licence: who waits for one, who gets it, who loses it.
func testPlaces(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	b.allow(t, 1)
	reg := func(n int) device.Registration { return device.Registration{HardwareID: fmt.Sprintf("HW-%04d", n)} }
	refused := func(n int) {
		t.Helper()
		wantCode(t, second(b.svc.Enrol(ctx, b.account, reg(n))), errs.OverLicence)
		b.clock.advance(time.Second)
	}
	status := func(n int, want posture.Status) device.Device {
		t.Helper()
		d := b.device(t, fmt.Sprintf("HW-%04d", n))
		if d.Cell.Status != want {
			t.Errorf("device %d is %v, want %v", n, d.Cell.Status, want)
		}
		return d
	}
	first := b.enrol(t, reg(1))
	for range 3 {
		refused(2)
		refused(3)
	}
	waiting := status(2, posture.StatusOutOfLicence)
	if got := b.recorded(t, waiting.ID); len(got) != 1 || got[0] != "enrolled" {
		t.Errorf("each attempt is recorded: %v", got)
	}
	if !waiting.SeenAt.Equal(b.clock.at.Add(-2 * time.Second)) {
		t.Errorf("last seen %v, now it is %v", waiting.SeenAt, b.clock.at)
	}
	b.allow(t, 2) // one gets in: whoever comes first
	b.enrol(t, reg(3))
	refused(2)
	status(3, posture.StatusInstalled)
	// One that retires gives its place to one that waits, and finds none when it comes back.
	check(t, b.svc.Retire(ctx, device.Ref{Account: b.account, ID: first.DeviceID}))
	b.enrol(t, reg(2))
	status(2, posture.StatusInstalled)
	refused(1)
	if d := status(1, posture.StatusOutOfLicence); d.ID != first.DeviceID {
		t.Error("it came back as another")
	}
	// Each way to delete frees the place, and a device that nobody took it from has it again when it comes back.
	for _, mode := range []device.RemoveMode{device.RemoveAgent, device.RemoveData, device.RemoveAndArchive} {
		check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: waiting.ID}, mode, ""))
		if got := CheckCounts(ctx, t, b.Store, b.account); got.Used() != 1 {
			t.Errorf("after deleting: %+v", got)
		}
		b.enrol(t, reg(2))
		status(2, posture.StatusInstalled)
	}
	// So does merging.
	check(t, b.svc.Merge(ctx, b.account, waiting.ID, status(3, posture.StatusInstalled).ID, ""))
	b.enrol(t, reg(1))
	status(1, posture.StatusInstalled)
	// A limit below what is used takes no place away; who is in service may register again.
	b.allow(t, 1)
	b.enrol(t, reg(1))
	refused(4)
	got := CheckCounts(ctx, t, b.Store, b.account)
	if got.Used() != 2 || got.Status[posture.StatusOutOfLicence] != 1 {
		t.Errorf("counts %+v", got)
	}
	if list := b.recorded(t, waiting.ID); !slices.Contains(list, "returned") {
		t.Errorf("recorded: %v", list)
	}
	CheckRecord(ctx, t, b.svc, b.account)
}

// testLastPlaces has many machines want a few places at once, at several servers.
func testLastPlaces(t *testing.T, e Engine) {
	o := e.New(t)
	b := &bench{Store: Open(t, o), clock: &clock{time.Now()}}
	b.svc, b.account = service(b.Store, time.Now), Account(t, b.Store, "acme", 3)
	services := []*device.Service{b.svc}
	if b.SharedLimits() {
		services = append(services, service(Open(t, o), time.Now))
	}
	all := func() (in int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				_, err := services[i%len(services)].Enrol(t.Context(), b.account, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", i)})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					in++
				case !errs.Is(err, errs.OverLicence):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return in
	}
	for _, allowed := range []int64{3, 7} {
		b.allow(t, allowed)
		in := all()
		got := CheckCounts(t.Context(), t, b.Store, b.account)
		if in != int(allowed) || got.Used() != allowed || got.Status[posture.StatusOutOfLicence] != 20-allowed {
			t.Errorf("of %d places: %d came in, counts %+v", allowed, in, got)
		}
	}
}
