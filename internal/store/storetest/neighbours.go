package storetest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// sees makes neighbours of addresses.
func sees(macs ...string) []device.Neighbour {
	out := make([]device.Neighbour, len(macs))
	for i, a := range Adapters(macs...) {
		out[i] = device.Neighbour{MAC: a.MAC, IP: netip.MustParseAddr("192.0.2.9"), Adapter: "eth0"}
	}
	return out
}

// aroundReport is a report that says nothing but who is around.
func aroundReport(list []device.Neighbour, err error) device.Submission {
	sub := Submission(posture.Report{OS: posture.OS{Name: "4/0/0"}}, "4/0/0|")
	set := uint64(len(list))
	for _, n := range list {
		for _, b := range n.MAC {
			set = set*257 + uint64(b)
		}
	}
	sub.Around = &device.Around{Set: set, Decode: func() ([]device.Neighbour, error) { return list, err }}
	return sub
}

// looksAround has a device report whom it sees.
func (b *bench) looksAround(t *testing.T, id string, list []device.Neighbour) {
	t.Helper()
	check(t, b.svc.Report(t.Context(), device.Ref{Account: b.account, ID: id}, aroundReport(list, nil)))
	CheckCounts(t.Context(), t, b.Store, b.account)
}

// at gives the device with an address, the zero one for none.
func (b *bench) at(t *testing.T, mac string) device.Device {
	t.Helper()
	d, err := b.svc.Find(t.Context(), b.account, device.Selector{MAC: Adapters(mac)[0].MAC, ByMAC: true})
	if err != nil && !errs.Is(err, errs.NotFound) {
		t.Fatal(err)
	}
	return d
}

// unknownDevices gives how many devices without an agent there are.
func (b *bench) unknownDevices(t *testing.T) int64 {
	t.Helper()
	return CheckCounts(t.Context(), t, b.Store, b.account).Status[posture.StatusUnknown]
}

// witness is one device that looks around in an account that wants to know.
func witness(t *testing.T, e Engine) (b *bench, rules *device.Rules, id string) {
	t.Helper()
	b, rules = ruledBench(t, e)
	rules.Discover = true
	return b, rules, b.enrol(t, device.Registration{HardwareID: "HW-1", Adapters: Adapters("00:0c:29:00:00:01")}).DeviceID
}

// testNeighbours: a machine without an agent that an agent sees is an unknown device, once, with who saw it and when.
func testNeighbours(t *testing.T, e Engine) {
	b, rules, id := witness(t, e)
	ctx := t.Context()
	const mac = "00:0c:29:00:01:01"
	rules.Discover = false
	b.looksAround(t, id, sees(mac))
	if n := b.unknownDevices(t); n != 0 {
		t.Fatalf("%d devices where nobody wants to know", n)
	}
	rules.Discover = true
	b.looksAround(t, id, sees(mac))
	d, now := b.at(t, mac), b.clock.now()
	p, err := d.Profile()
	check(t, err)
	want := device.Witness{Device: id, Adapter: "eth0", At: now}
	if d.Managed || d.Cell.Status != posture.StatusUnknown || !d.SeenAt.Equal(now) || p.Witness != want || len(p.Adapters) != 1 || !slices.Equal(p.Adapters[0].IPv4, []string{"192.0.2.9"}) {
		t.Fatalf("added %+v, %+v", d, p)
	}
	list, _, err := b.svc.Events(ctx, b.account, device.EventQuery{Kinds: []event.Kind{event.Imported}, Window: page.Window{Limit: 9}})
	if err != nil || len(list) != 1 || list[0].DeviceID != d.ID || list[0].Detail != "seen on the network by "+id {
		t.Errorf("recorded %+v, %v", list, err)
	}
	if used := CheckCounts(ctx, t, b.Store, b.account); used.Used() != 1 {
		t.Errorf("it uses a place: %+v", used)
	}
	reported := b.device(t, id).ReportedAt
	b.clock.advance(time.Hour)
	b.looksAround(t, id, append(sees(mac, "00:0c:29:00:01:02"), sees("00:0c:29:00:00:01")...))
	if b.device(t, id).ReportedAt != reported {
		t.Error("whom it sees made its report a new one")
	}
	if got := b.at(t, mac); !got.SeenAt.Equal(b.clock.now()) || b.unknownDevices(t) != 2 {
		t.Errorf("an hour later: seen %v, %d devices", got.SeenAt, b.unknownDevices(t))
	}
	b.neighboursOfOthers(t, mac, id)

	// It stays as it is, whoever decided that, and its own agent makes it an ordinary device.
	b.act(t, device.ActIgnore, d.ID)
	b.clock.advance(25 * time.Hour)
	second := b.enrol(t, device.Registration{HardwareID: "HW-2"}).DeviceID
	b.looksAround(t, second, sees(mac))
	got := b.at(t, mac)
	p, err = got.Profile()
	check(t, err)
	if got.ID != d.ID || got.Cell.Status != posture.StatusIgnored || p.Witness.Device != second || !p.Witness.At.Equal(got.SeenAt) {
		t.Errorf("seen by another a day later: %+v, %+v", got, p.Witness)
	}
	if again := b.enrol(t, device.Registration{Adapters: Adapters(mac)}).DeviceID; again != d.ID || !b.at(t, mac).Managed {
		t.Errorf("its agent came as %s", again)
	}
}

// neighboursOfOthers: another account that sees the same address has its own device.
func (b *bench) neighboursOfOthers(t *testing.T, mac, known string) {
	t.Helper()
	other := *b
	other.account = Account(t, b.Store, "other", 10)
	id := other.enrol(t, device.Registration{HardwareID: "HW-1"}).DeviceID
	other.looksAround(t, id, sees(mac))
	d := other.at(t, mac)
	p, err := d.Profile()
	check(t, err)
	if d.ID == b.at(t, mac).ID || p.Witness.Device != id || other.unknownDevices(t) != 1 || b.unknownDevices(t) != 2 {
		t.Errorf("the other account has %+v, seen by %+v", d, p.Witness)
	}
	err = b.svc.Report(t.Context(), device.Ref{Account: other.account, ID: known}, aroundReport(sees("00:0c:29:00:09:09"), nil))
	if !errs.Is(err, errs.Unauthenticated) || other.unknownDevices(t) != 1 {
		t.Errorf("a device of another account: %v", err)
	}
}

// testNeighboursKnown: nothing is added that identifies no machine, or is known already.
func testNeighboursKnown(t *testing.T, e Engine) {
	b, rules, id := witness(t, e)
	ctx := t.Context()
	managed := b.enrol(t, device.Registration{HardwareID: "HW-2", Adapters: Adapters("00:0c:29:00:02:01")}).DeviceID
	var docked [2]string // two that share an address, and have lost their agents
	for i := range docked {
		docked[i] = b.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-3%d", i), Adapters: Adapters("00:0c:29:00:02:02")}).DeviceID
		check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: docked[i]}, device.RemoveAgent, ""))
	}
	lapsing := b.enrol(t, device.Registration{HardwareID: "HW-5", Adapters: Adapters("00:0c:29:00:02:03")})
	check(t, second(b.svc.Import(ctx, b.account, []device.Sighting{{MAC: Adapters("00:0c:29:00:02:04")[0].MAC, Name: "printer"}})))
	rules.Removal = device.Removal{Unseen: 48 * hour}
	b.clock.advance(72 * hour)
	for _, stay := range []string{id, managed} {
		b.svc.Ping(ctx, device.Ref{Account: b.account, ID: stay})
	}
	_, err := b.svc.SweepRemovals(ctx, b.account)
	check(t, err)
	before := b.device(t, managed).SeenAt
	b.clock.advance(time.Minute)
	b.looksAround(t, id, sees("02:0c:29:00:02:09", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "00:00:5e:00:01:07",
		"00:0c:29:00:00:01", "00:0c:29:00:02:01", "00:0c:29:00:02:02", "00:0c:29:00:02:03", "00:0c:29:00:02:04", "00:0c:29:00:02:04"))
	if n := b.unknownDevices(t); n != 3 {
		t.Errorf("%d devices without an agent, and only the printer and two that lost theirs are", n)
	}
	for _, id := range docked {
		if got := b.device(t, id).SeenAt; !got.Before(before) {
			t.Errorf("an address that two devices share was seen, and one is taken to be there since %v", got)
		}
	}
	if got := b.device(t, managed).SeenAt; !got.Equal(before) {
		t.Errorf("a device with an agent was last heard of at %v, when another saw it", got)
	}
	if d := b.at(t, "00:0c:29:00:02:04"); d.Name != "printer" || !d.SeenAt.Equal(b.clock.now()) {
		t.Errorf("the printer: %+v", d)
	}
	// One that left by itself is known too: else it would find another with its address when its agent comes back.
	check(t, second(b.svc.Authenticate(ctx, b.account, lapsing.DeviceID, lapsing.Key, lapsing.Token)))
	if d := b.at(t, "00:0c:29:00:02:03"); d.ID != lapsing.DeviceID {
		t.Errorf("its address names %+v", d)
	}
}

// testNeighboursComeAndGo: what nobody sees any more leaves by itself, and comes back as a new device.
func testNeighboursComeAndGo(t *testing.T, e Engine) {
	b, rules, id := witness(t, e)
	const gone, stays = "00:0c:29:00:01:01", "00:0c:29:00:01:02"
	b.looksAround(t, id, sees(gone, stays))
	first := b.at(t, gone)
	rules.Removal.WithoutAgent = 72 * hour
	b.sweeps(t)
	for range 10 {
		b.clock.advance(7 * hour)
		b.looksAround(t, id, sees(stays)) // the same each time: looked at once in six hours
	}
	b.sweeps(t)
	b.clock.advance(12 * hour)
	b.sweeps(t, first.ID)
	b.looksAround(t, id, sees(gone))
	if d := b.at(t, gone); d.ID == first.ID || d.Cell.Status != posture.StatusUnknown || b.at(t, stays).Lifecycle != device.Live {
		t.Errorf("back again: %+v", d)
	}
}

// testNeighboursInvented: an agent that makes neighbours up adds no more than it may, and keeps nobody from reporting.
func testNeighboursInvented(t *testing.T, e Engine) {
	b, rules, id := witness(t, e)
	const known = "00:0c:29:00:02:01" // of a device that left by itself: it is added to nothing, and counts for nothing
	left := b.enrol(t, device.Registration{HardwareID: "HW-2", Adapters: Adapters(known)}).DeviceID
	rules.Removal.Unseen = hour
	b.clock.advance(hour)
	b.svc.Ping(t.Context(), device.Ref{Account: b.account, ID: id})
	b.sweeps(t, left)
	rules.Removal.Unseen = 0
	ref := device.Ref{Account: b.account, ID: id}
	n := 0
	invent := func(count int) []device.Neighbour {
		var macs []string
		for range count {
			n++
			macs = append(macs, fmt.Sprintf("00:0c:29:01:%02x:%02x", n>>8, n&255))
		}
		return sees(macs...)
	}
	b.looksAround(t, id, append(sees(known), invent(49)...))
	b.looksAround(t, id, append(invent(1), sees(known)...))
	b.looksAround(t, id, invent(1000))
	if got := b.unknownDevices(t); got != 100 {
		t.Fatalf("%d devices by three reports", got)
	}
	for range 30 {
		b.clock.advance(time.Minute)
		b.looksAround(t, id, invent(60))
	}
	b.svc = b.ruled(rules) // a restart is no new day
	b.looksAround(t, id, invent(60))
	if got := b.unknownDevices(t); got != 1000 {
		t.Errorf("%d devices in one day", got)
	}
	other := Account(t, b.Store, "other", 10)
	theirs, err := b.svc.Enrol(t.Context(), other, device.Registration{HardwareID: "HW-1"})
	check(t, err)
	check(t, b.svc.Report(t.Context(), device.Ref{Account: other, ID: theirs.DeviceID}, aroundReport(invent(2), nil)))
	if got := CheckCounts(t.Context(), t, b.Store, other).Status[posture.StatusUnknown]; got != 2 {
		t.Errorf("%d devices of another account", got)
	}
	b.clock.advance(24 * hour)
	b.looksAround(t, id, invent(60))
	if got := b.unknownDevices(t); got != 1050 {
		t.Errorf("%d devices with the next day", got)
	}
	bad := errs.InvalidField("soh.neighbours", "no list")
	if err := b.svc.Report(t.Context(), ref, aroundReport(invent(1), bad)); !errors.Is(err, bad) {
		t.Errorf("a list that cannot be read: %v", err)
	}
}

// testNeighboursAtOnce: many agents of two servers that see the same machines at the same time add each of them once.
func testNeighboursAtOnce(t *testing.T, e Engine) {
	b, rules, _ := witness(t, e)
	servers := []*device.Service{b.svc, b.ruled(rules)}
	list := sees("00:0c:29:00:01:01", "00:0c:29:00:01:02", "00:0c:29:00:01:03", "00:0c:29:00:01:04")
	ids := make([]string, 8)
	for i := range ids {
		ids[i] = b.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-1%d", i)}).DeviceID
	}
	var all sync.WaitGroup
	for i, id := range ids {
		mine := slices.Clone(list)
		slices.Reverse(mine[i%len(mine):])
		all.Go(func() {
			err := servers[i%2].Report(t.Context(), device.Ref{Account: b.account, ID: id}, aroundReport(mine, nil))
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := b.unknownDevices(t); n != int64(len(list)) {
		t.Errorf("%d devices, want %d", n, len(list))
	}
	if d := b.at(t, "00:0c:29:00:01:03"); !strings.Contains(d.PackedProfile, `"witness"`) {
		t.Errorf("%+v", d)
	}
}
