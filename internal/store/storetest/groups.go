package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

func (b *bench) group(t *testing.T, name string, join bool) posture.GroupID {
	t.Helper()
	g, err := b.svc.CreateGroup(t.Context(), b.account, device.GroupChange{Name: &name, AutoJoin: &join}, "administrator")
	check(t, err)
	b.clock.advance(time.Second)
	return g.ID
}

func testGroups(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	name := func(s string) device.GroupChange { return device.GroupChange{Name: &s} }
	about, domain, yes := "The lab on floor 2", "lab.example.test", true
	lab, err := b.svc.CreateGroup(ctx, b.account, device.GroupChange{Name: new(" Lab "), Description: &about, Domain: &domain, AutoJoin: &yes}, "administrator")
	check(t, err)
	want := []device.Group{
		{ID: posture.DefaultGroup, Name: "Default", Policy: posture.DefaultPolicy, Revision: 1, CreatedAt: Epoch},
		{ID: 2, Name: "Lab", Description: about, Domain: domain, AutoJoin: true, Policy: posture.DefaultPolicy, Revision: 1, CreatedAt: b.clock.at},
	}
	list, err := b.svc.Groups(ctx, b.account)
	if diff := cmp.Diff(want, list); err != nil || diff != "" || lab.ID != 2 {
		t.Fatalf("%v %s", err, diff)
	}
	for _, c := range []struct {
		name string
		code errs.Code
	}{
		{"lab", errs.Conflict}, {"LAB ", errs.Conflict}, {"default", errs.Conflict}, {"", errs.Invalid}, {"  ", errs.Invalid},
		{strings.Repeat("å", 65), errs.Invalid}, {"a\nb", errs.Invalid}, {"a\xff", errs.Invalid},
	} {
		wantCode(t, second(b.svc.CreateGroup(ctx, b.account, name(c.name), "")), c.code)
		err = second(b.svc.UpdateGroup(ctx, b.account, posture.DefaultGroup, name(c.name), ""))
		if own := c.name == "default"; own != (err == nil) || !own && !errs.Is(err, c.code) {
			t.Errorf("renaming to %q: %v", c.name, err)
		}
	}
	b.clock.advance(time.Hour)
	office := b.group(t, strings.Repeat("å", 64), false)
	_, err = b.svc.UpdateGroup(ctx, b.account, lab.ID, device.GroupChange{Name: new("LAB"), AutoJoin: new(bool)}, "administrator")
	check(t, err)
	want = []device.Group{want[0], {ID: 2, Name: "LAB", Description: about, Domain: domain, Policy: posture.DefaultPolicy, Revision: 2, CreatedAt: Epoch, ModifiedAt: b.clock.at},
		{ID: office, Name: strings.Repeat("å", 64), Policy: posture.DefaultPolicy, Revision: 1, CreatedAt: b.clock.at.Add(-time.Second)}}
	want[0].Name, want[0].ModifiedAt, want[0].Revision = "default", Epoch, 2
	list, err = b.svc.Groups(ctx, b.account)
	if diff := cmp.Diff(want, list); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	for id, code := range map[posture.GroupID]errs.Code{posture.DefaultGroup: errs.Conflict, 99: errs.NotFound} {
		wantCode(t, b.svc.DeleteGroup(ctx, b.account, id, nil, ""), code)
	}
	wantCode(t, b.svc.DeleteGroup(ctx, other, lab.ID, nil, ""), errs.NotFound)
	wantCode(t, second(b.svc.UpdateGroup(ctx, other, lab.ID, name("x"), "")), errs.NotFound)
	wantCode(t, second(b.svc.CreateGroup(ctx, 99, name("x"), "")), errs.NotFound)
	check(t, b.svc.DeleteGroup(ctx, b.account, office, nil, "administrator"))
	wantCode(t, b.svc.DeleteGroup(ctx, b.account, office, nil, ""), errs.NotFound)
	if next := b.group(t, "next", false); next != office+1 {
		t.Errorf("the id %d follows %d: that of a deleted group must not come again", next, office)
	}
	list, err = b.svc.Groups(ctx, other)
	if err != nil || len(list) != 1 {
		t.Errorf("another account: %v, %v", list, err)
	}
	got := b.recorded(t, "")
	for _, event := range []string{"configured  group changed: default", "configured administrator group created: Lab"} {
		if !slices.Contains(got, event) {
			t.Errorf("not recorded: %s in %v", event, got)
		}
	}
}

// members gives how many live devices each group has, and sees that the account's counts are their sum.
func (b *bench) members(t *testing.T) map[posture.GroupID]int64 {
	t.Helper()
	total := CheckCounts(t.Context(), t, b.Store, b.account)
	list, err := b.svc.Groups(t.Context(), b.account)
	check(t, err)
	out := make(map[posture.GroupID]int64)
	var all, counted int64
	for _, g := range list {
		out[g.ID] = g.Devices
		all += g.Devices
	}
	for _, n := range total.Status {
		counted += n
	}
	if all != counted {
		t.Errorf("the groups have %d devices, the account %d", all, counted)
	}
	return out
}

// testGroupsAndDevices moves devices in every way in which they come to a group and leave it.
func testGroupsAndDevices(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	lab, closed := b.group(t, "Lab", true), b.group(t, "Closed", false)
	move := func(id string, to posture.GroupID, want device.ActionResult) {
		t.Helper()
		out, err := b.svc.Act(ctx, b.account, device.ActionRequest{Action: device.ActAssignGroup, Device: device.Selector{ID: id}, Group: to, Actor: "app-1"})
		if err != nil || out.Result != want {
			t.Errorf("moving to %d: %+v, %v", to, out, err)
		}
	}
	id := map[string]string{}
	for name, group := range map[string]string{"joined": fmt.Sprint(lab), "may not": fmt.Sprint(closed), "no such": "77", "no number": "Lab", "none": ""} {
		id[name] = b.enrol(t, device.Registration{HardwareID: "HW-" + name, GroupID: group}).DeviceID
		b.report(t, id[name], "4/2/4", posture.Report{})
	}
	want := func(when string, inDefault, inLab, inClosed int64) {
		t.Helper()
		if diff := cmp.Diff(map[posture.GroupID]int64{posture.DefaultGroup: inDefault, lab: inLab, closed: inClosed}, b.members(t)); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	want("enrolled", 4, 1, 0)
	move(id["none"], closed, device.ActionDone)
	move(id["none"], closed, device.ActionDone)
	move(id["none"], 77, device.ActionFailed)
	move("nobody", closed, device.ActionFailed)
	want("moved", 3, 1, 1)
	if got := b.recorded(t, id["none"]); got[len(got)-1] != "moved app-1 Closed" || got[len(got)-2] == got[len(got)-1] {
		t.Errorf("recorded: %v", got)
	}
	b.enrol(t, device.Registration{HardwareID: "HW-none", GroupID: fmt.Sprint(lab)})
	want("one in service registers again", 3, 1, 1)
	wantCode(t, b.svc.DeleteGroup(ctx, b.account, closed, nil, ""), errs.Conflict)
	check(t, b.svc.Retire(ctx, device.Ref{Account: b.account, ID: id["none"]}))
	check(t, b.svc.Delete(ctx, b.account, id["joined"]))
	want("gone", 3, 0, 0)
	check(t, b.svc.DeleteGroup(ctx, b.account, closed, nil, ""))
	b.enrol(t, device.Registration{HardwareID: "HW-none"})
	b.enrol(t, device.Registration{HardwareID: "HW-joined"})
	if diff := cmp.Diff(map[posture.GroupID]int64{posture.DefaultGroup: 4, lab: 1}, b.members(t)); diff != "" {
		t.Errorf("they came back, one to a group that is no more: %s", diff)
	}
	move(id["may not"], closed, device.ActionFailed)
	check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: id["may not"]}, device.RemoveAgent, ""))
	move(id["may not"], lab, device.ActionDone)
	if got := b.members(t); got[lab] != 2 {
		t.Errorf("one without an agent moves too: %v", got)
	}
}

// testDevicesBesideAccounts: who has locked an account and a group, and may go on to lock devices, as registrations do, keeps no
// other server from changing one of these devices, not even twice: else the two would wait for each other.
func testDevicesBesideAccounts(t *testing.T, e Engine) {
	o := e.New(t)
	b := &bench{Store: Open(t, o), clock: &clock{Epoch}}
	if !b.SharedLimits() {
		t.Skip("there is one writer")
	}
	b.svc, b.account = service(b.Store, b.clock.now), Account(t, b.Store, "acme", 10)
	id := b.enrol(t, device.Registration{}).DeviceID
	other, holds, release := Open(t, o), make(chan error), make(chan struct{})
	go func() {
		holds <- other.Change(t.Context(), device.Change{Do: func(tx device.Tx) error {
			_, _, err1 := tx.Licence(t.Context(), b.account)
			_, err2 := tx.GroupForUpdate(t.Context(), b.account, posture.DefaultGroup)
			holds <- errors.Join(err1, err2)
			<-release
			return nil
		}})
	}()
	check(t, <-holds)
	changed := make(chan error, 1)
	go func() {
		changed <- b.Change(t.Context(), device.Change{Device: id, Do: func(tx device.Tx) error {
			for _, name := range []string{"one", "two"} {
				old, err := tx.DeviceForUpdate(t.Context(), b.account, id)
				d := old
				d.Name = name
				if err == nil {
					err = tx.Update(t.Context(), &old, &d)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}})
	}()
	select {
	case err := <-changed:
		check(t, err)
		close(release)
	case <-time.After(20 * time.Second):
		t.Error("a device cannot be changed while its account is locked")
		close(release)
		check(t, <-changed)
	}
	check(t, <-holds)
}

// testGroupsAtOnce makes, fills, empties and deletes groups from several servers.
func testGroupsAtOnce(t *testing.T, e Engine) {
	o := e.New(t)
	b := &bench{Store: Open(t, o), clock: &clock{Epoch}}
	b.svc, b.account = service(b.Store, time.Now), Account(t, b.Store, "acme", 1000)
	services := []*device.Service{b.svc}
	if b.SharedLimits() {
		services = append(services, service(Open(t, o), time.Now))
	}
	var id []string
	for range 6 {
		id = append(id, b.enrol(t, device.Registration{}).DeviceID)
	}
	var mu sync.Mutex
	made := map[posture.GroupID]bool{}
	deleted := 0
	var wg sync.WaitGroup
	for worker := range 6 {
		svc := services[worker%len(services)]
		wg.Go(func() {
			for i := range 12 {
				name := fmt.Sprintf("group %d of %d", i, worker)
				g, err := svc.CreateGroup(t.Context(), b.account, device.GroupChange{Name: &name}, "")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if made[g.ID] {
					t.Errorf("two groups have the id %d", g.ID)
				}
				made[g.ID] = true
				mu.Unlock()
				// The neighbour's devices come and go meanwhile.
				for _, d := range []string{id[worker], id[(worker+1)%len(id)]} {
					_, err = svc.Act(t.Context(), b.account, device.ActionRequest{Action: device.ActAssignGroup, Device: device.Selector{ID: d}, Group: g.ID})
					if err != nil {
						t.Error(err)
					}
				}
				err = svc.DeleteGroup(t.Context(), b.account, g.ID-posture.GroupID(i%3), nil, "")
				mu.Lock()
				switch {
				case err == nil:
					deleted++
				case !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.NotFound):
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got := b.members(t)
	if len(made) != 72 || len(got) != 73-deleted || deleted == 0 {
		t.Errorf("%d made, %d deleted, %d left", len(made), deleted, len(got))
	}
}
