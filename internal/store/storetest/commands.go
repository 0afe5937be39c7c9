package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// told gives the ids of the commands that a device gets.
func (b *bench) told(t *testing.T, svc *device.Service, ref device.Ref) []string {
	t.Helper()
	list, err := svc.Commands(t.Context(), ref)
	check(t, err)
	var out []string
	for i := range list {
		if list[i].State != device.CommandDelivered || list[i].DeliveredAt.IsZero() {
			t.Errorf("given and not delivered: %+v", list[i])
		}
		out = append(out, list[i].ID)
	}
	return out
}

func (b *bench) scan(t *testing.T, id, path string) device.Outcome {
	t.Helper()
	out, err := b.svc.Act(t.Context(), b.account, device.ActionRequest{Action: device.ActScanThreats, Device: device.Selector{ID: id},
		Scan: device.CommandParams{ScanTypes: []int{0, 4}, Path: path}, Actor: "app-1"})
	check(t, err)
	b.clock.advance(time.Second)
	return out
}

func testCommands(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	id := b.enrol(t, device.Registration{HardwareID: "HW-0001"}).DeviceID
	ref := device.Ref{Account: b.account, ID: id}
	bystander := device.Ref{Account: b.account, ID: b.enrol(t, device.Registration{}).DeviceID}
	if got := b.told(t, b.svc, ref); got != nil {
		t.Fatalf("before any: %v", got)
	}
	log := b.act(t, device.ActFetchLog, id).CommandID
	if again := b.act(t, device.ActFetchLog, id).CommandID; log == "" || again != log {
		t.Errorf("the same while it is queued: %q and %q", log, again)
	}
	scan, scan2 := b.scan(t, id, "/a").CommandID, b.scan(t, id, "/b").CommandID
	if scan == scan2 || b.scan(t, id, "/a").CommandID != scan {
		t.Errorf("scans: %q, %q", scan, scan2)
	}
	check(t, b.svc.CommandResult(ctx, ref, "", device.ScanThreats, true, "", nil)) // of one that nobody was told of
	queued, err := b.svc.Command(ctx, b.account, scan)
	want := device.Command{ID: scan, DeviceID: id, Kind: device.ScanThreats, Params: device.CommandParams{ScanTypes: []int{0, 4}, Path: "/a"},
		Actor: "app-1", CreatedAt: queued.CreatedAt, ExpiresAt: queued.CreatedAt.Add(device.CommandLife)}
	if diff := cmp.Diff(want, queued, cmpopts.EquateEmpty()); err != nil || diff != "" || queued.CreatedAt.IsZero() {
		t.Errorf("queued: %v %s", err, diff)
	}
	for range 2 { // an answer may be lost
		if diff := cmp.Diff([]string{log, scan, scan2}, b.told(t, b.svc, ref)); diff != "" {
			t.Error(diff)
		}
	}
	if got := b.told(t, b.svc, bystander); got != nil {
		t.Errorf("another device gets %v", got)
	}
	if again := b.act(t, device.ActFetchLog, id).CommandID; again == log {
		t.Error("the same once it was delivered is the same still")
	}
	b.results(t, ref, bystander, scan)
	if n := b.account + 1; errs.CodeOf(second(b.svc.Command(ctx, n, log))) != errs.NotFound {
		t.Error("another account reads the command")
	}
	wantCode(t, second(b.svc.Command(ctx, b.account, "nothing")), errs.NotFound)
	back := b.enrol(t, device.Registration{HardwareID: "HW-0001"})
	if got := b.told(t, b.svc, ref); back.DeviceID != id || len(got) != 2 {
		t.Errorf("after enrolling again: %v", got)
	}
	for i := range device.MaxOpenCommands - 2 {
		if out := b.scan(t, id, "/"+strings.Repeat("c", i)); i > 0 && out.Result != device.ActionDone {
			t.Fatalf("command %d: %+v", i, out)
		}
	}
	if out := b.act(t, device.ActRenewDHCP, id); out != (device.Outcome{Result: device.ActionFailed}) {
		t.Errorf("one too many: %+v", out)
	}
}

// results says what became of the three commands that were delivered; one more is queued.
func (b *bench) results(t *testing.T, ref, bystander device.Ref, scan string) {
	t.Helper()
	ctx := t.Context()
	state := func(id string) device.Command {
		c, err := b.svc.Command(ctx, b.account, id)
		check(t, err)
		return c
	}
	check(t, b.svc.CommandResult(ctx, bystander, scan, device.ScanThreats, true, "", nil))
	check(t, b.svc.CommandResult(ctx, ref, "", device.RenewDHCP, true, "", nil))
	check(t, b.svc.CommandResult(ctx, ref, "", "802", true, "", nil))
	check(t, b.svc.CommandResult(ctx, ref, "nothing", device.ScanThreats, true, "", nil))
	wantCode(t, b.svc.CommandResult(ctx, ref, scan, "", true, "", make([]byte, device.MaxCommandOutput+1)), errs.TooLarge)
	if c := state(scan); c.State != device.CommandDelivered {
		t.Fatalf("ended by what was not about it: %+v", c)
	}
	output := []byte(strings.Repeat("ø\x00", device.MaxCommandOutput/3))
	check(t, b.svc.CommandResult(ctx, ref, scan, "whatever", true, strings.Repeat("æ", 600), output))
	ended := b.clock.at
	b.clock.advance(time.Hour)
	check(t, b.svc.CommandResult(ctx, ref, scan, "", false, "again", nil))
	c := state(scan)
	if c.State != device.CommandDone || !c.EndedAt.Equal(ended) || c.Message != strings.Repeat("æ", device.MaxCommandMessage) || string(c.Output) != string(output) {
		t.Errorf("the result: %v at %v, %d characters, %d bytes", c.State, c.EndedAt, len(c.Message)/2, len(c.Output))
	}
	left := b.told(t, b.svc, ref)
	check(t, b.svc.CommandResult(ctx, ref, "", device.FetchAgentLog, false, "no log", nil))
	if c := state(left[0]); c.State != device.CommandFailed || c.Message != "no log" || len(left) != 3 {
		t.Errorf("the oldest by its kind: %+v of %v", c, left)
	}
	got := b.recorded(t, ref.ID)
	for _, want := range []string{"command_queued app-1 fetch_agent_log", "command_ended  scan_threats: done", "command_ended  fetch_agent_log: failed"} {
		if !slices.Contains(got, want) {
			t.Errorf("not recorded: %s in %v", want, got)
		}
	}
}

// testCommandsOfSeveralServers: what one queues the others deliver, and it outlives a restart.
func testCommandsOfSeveralServers(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	ref := device.Ref{Account: b.account, ID: b.enrol(t, device.Registration{}).DeviceID}
	running := service(b.Store, b.clock.now)
	if got := b.told(t, running, ref); got != nil {
		t.Fatalf("before any: %v", got)
	}
	b.clock.advance(20 * time.Second)
	check(t, running.LookForCommands(ctx))
	b.clock.advance(-10 * time.Second) // clocks of servers differ, and a transaction takes its time
	id := b.act(t, device.ActFetchLog, ref.ID).CommandID
	if got := b.told(t, running, ref); got != nil {
		t.Errorf("known before it was looked for: %v; then what follows proves nothing", got)
	}
	b.clock.advance(10 * time.Second)
	check(t, running.LookForCommands(ctx))
	if diff := cmp.Diff([]string{id}, b.told(t, running, ref)); diff != "" {
		t.Error(diff)
	}
	check(t, running.CommandResult(ctx, ref, id, "", true, "", nil))
	for _, svc := range []*device.Service{b.svc, running} {
		if got := b.told(t, svc, ref); got != nil {
			t.Errorf("after the result: %v", got)
		}
	}
	later := b.act(t, device.ActFetchLog, ref.ID).CommandID
	if diff := cmp.Diff([]string{later}, b.told(t, service(b.Store, b.clock.now), ref)); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
	// Nothing waits for the others, and nothing is spent on them.
	idle := device.Ref{Account: b.account, ID: b.enrol(t, device.Registration{}).DeviceID}
	if n := testing.AllocsPerRun(100, func() { check(t, second(b.svc.Commands(ctx, idle))) }); n != 0 {
		t.Errorf("a contact of a device for which nothing waits allocates %v times", n)
	}
	gone := service(b.Store, b.clock.now)
	check(t, second(gone.Commands(ctx, idle)))
	check(t, b.Store.Close())
	check(t, second(gone.Commands(ctx, idle))) // from memory: there is no database any more
	if second(gone.Commands(ctx, ref)) == nil {
		t.Error("the device for which something waits was answered without a database")
	}
}

// testCommandsAndTime: what is not done in time expires, and what is over is forgotten.
func testCommandsAndTime(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	ref := device.Ref{Account: b.account, ID: b.enrol(t, device.Registration{}).DeviceID}
	old := b.act(t, device.ActFetchLog, ref.ID).CommandID
	var many []string
	for range 10 {
		id := b.enrol(t, device.Registration{}).DeviceID
		for i := range 25 {
			many = append(many, b.scan(t, id, "/"+strings.Repeat("d", i+1)).CommandID)
		}
	}
	b.clock.at = Epoch.Add(device.CommandLife + time.Hour)
	if got := b.told(t, b.svc, ref); got != nil {
		t.Errorf("given though its time is up: %v", got)
	}
	fresh := b.act(t, device.ActFetchLog, ref.ID).CommandID
	if fresh == old {
		t.Error("one whose time is up was taken for queued")
	}
	check(t, b.svc.TidyCommands(ctx))
	at := b.clock.at
	for _, id := range append(many, old) {
		c, err := b.svc.Command(ctx, b.account, id)
		if err != nil || c.State != device.CommandExpired || !c.EndedAt.Equal(at) {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	if got := b.recorded(t, ref.ID); !slices.Contains(got, "command_ended  fetch_agent_log: expired") {
		t.Errorf("not recorded: %v", got)
	}
	if diff := cmp.Diff([]string{fresh}, b.told(t, b.svc, ref)); diff != "" {
		t.Error(diff)
	}
	check(t, b.svc.CommandResult(ctx, ref, fresh, "", true, "", []byte("log")))
	for _, step := range []struct {
		at   time.Duration
		code errs.Code
	}{{device.CommandKept - time.Second, ""}, {device.CommandKept + time.Second, errs.NotFound}} {
		b.clock.at = at.Add(step.at)
		check(t, b.svc.TidyCommands(ctx))
		for _, id := range append(many, old) {
			if _, err := b.svc.Command(ctx, b.account, id); err != nil != (step.code != "") || err != nil && !errs.Is(err, step.code) {
				t.Fatalf("after %v: %v", step.at, err)
			}
		}
	}
	d := b.device(t, ref.ID)
	if d.Cell.Status != posture.StatusInstalled {
		t.Errorf("commands changed the device: %+v", d)
	}
}
