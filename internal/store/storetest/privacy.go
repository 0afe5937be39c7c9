package storetest

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
)

// ruledBench is a bench whose account decides something.
func ruledBench(t *testing.T, e Engine) (b *bench, rules *device.Rules) {
	t.Helper()
	b, rules = newBench(t, e), &device.Rules{}
	b.svc = b.ruled(rules)
	return b, rules
}

// ruled makes another service over the bench's store, as another server has it, or the same one after a restart.
func (b *bench) ruled(rules *device.Rules) *device.Service {
	return device.New(device.Options{
		Store: b.Store, Judge: Judge{}, Decode: Decode, Now: b.clock.now, Log: slog.New(slog.DiscardHandler),
		Rules: func(context.Context, posture.AccountID) (device.Rules, error) { return *rules, nil },
	})
}

// allPrivate is all that keeps something from being stored.
var allPrivate = device.Privacy{
	UserName: true, HostName: true, PublicIP: true, MACAddress: true, LocalIP: true, Geolocation: true, SerialNumber: true,
}

// talkative is a report that says everything about its machine.
func talkative(macs ...string) posture.Report {
	r := posture.Report{
		HostName: "Écho-7.example", DeviceName: "Echo seven", HardwareID: "HW-4711", Serial: "SN-0815", UserIdentity: "kari@example.com",
		PublicIP: "203.0.113.9", Users: []posture.User{{Name: "kari", Domain: "CORP"}}, Adapters: Adapters(macs...),
	}
	for i := range r.Adapters {
		a := &r.Adapters[i]
		a.IPv4, a.IPv6, a.DNS, a.SubnetMask, a.Gateway, a.DHCPServer = []string{"192.0.2.7"}, []string{"2001:db8::7"}, []string{"192.0.2.1"}, "255.255.255.0", "192.0.2.1", "192.0.2.1"
	}
	return r
}

// tell reports, and leaves of the body what is not private.
func (b *bench) tell(t *testing.T, id string, r posture.Report) {
	t.Helper()
	r.OS.Name = "4/0/0"
	sub := Submission(r, "4/0/0|private")
	sub.Hide = func(device.Privacy) []byte { return []byte("4/0/0|open") }
	check(t, b.svc.Report(t.Context(), device.Ref{Account: b.account, ID: id}, sub))
	b.clock.advance(time.Second)
}

const talkativeMAC = "00:0c:29:00:47:11"

// testPrivacy: what is private is not stored, nothing is found by what was stored before, and machines are still recognised.
func testPrivacy(t *testing.T, e Engine) {
	b, rules := ruledBench(t, e)
	ctx := t.Context()
	r := talkative(talkativeMAC)
	registration := device.Registration{HardwareID: r.HardwareID, Serial: r.Serial, Name: r.DeviceName, HostName: r.HostName, Adapters: r.Adapters}
	id := b.enrol(t, registration).DeviceID
	b.tell(t, id, r)
	check(t, b.svc.LinkUser(ctx, b.account, device.Selector{ID: id}, device.LinkedUser{Username: "Öst, Linked"}))
	if d := b.device(t, id); d.HostName != r.HostName || d.Serial != "sn-0815" || !strings.Contains(d.PackedProfile, "203.0.113.9") || len(b.body(t, id)) != len("4/0/0|private") {
		t.Fatalf("before anything is private: %+v", d)
	}
	b.findsBy(t, device.Privacy{}, "écho-7", "seven", "sn-0815", "hw-4711", "kari", "linked", "öst", "00:0c:29", "000c29004711")

	other := device.Registration{HardwareID: "HW-2", Serial: "SN-2", Name: "Fox two", HostName: "fox", Adapters: talkative("00:0c:29:00:00:22").Adapters}
	open := b.enrol(t, other).DeviceID

	rules.Privacy = allPrivate
	b.enrol(t, other)
	b.nothingStored(t, open)
	b.findsBy(t, allPrivate, "linked", "öst")
	b.findsNotBy(t, allPrivate, "écho-7", "echo", "seven", "sn-0815", "hw-4711", "kari", "00:0c:29", "000c29004711", "linked kari")
	b.findsBy(t, device.Privacy{HostName: true}, "sn-0815", "hw-4711", "kari", "00:0c:29:00:47:1", "linked kari")
	b.findsNotBy(t, device.Privacy{HostName: true}, "écho", "echo seven")
	b.findsBy(t, device.Privacy{MACAddress: true}, "échO", "HW-47")
	b.findsNotBy(t, device.Privacy{UserName: true}, "kari", "%", "ka_i")

	b.tell(t, id, r)
	b.nothingStored(t, id)
	again := b.enrol(t, registration)
	if again.DeviceID != id {
		t.Errorf("recognised as %s, was %s", again.DeviceID, id)
	}
	b.nothingStored(t, id)
	onlyAddress := b.enrol(t, device.Registration{Name: "x", Serial: "SN-1", HardwareID: r.HardwareID, Adapters: Adapters(talkativeMAC)})
	if onlyAddress.DeviceID != id {
		t.Errorf("by its address recognised as %s", onlyAddress.DeviceID)
	}
	silent := talkative()
	silent.HostName, silent.DeviceName = "", ""
	b.tell(t, id, silent) // as an agent that was told
	if claims, err := b.svc.Adapters(ctx, b.account, id); err != nil || len(claims) != 1 || !claims[0].Current {
		t.Errorf("an agent that tells no address has %+v, %v", claims, err)
	}
	mac, _ := posture.ParseMAC(talkativeMAC)
	if d, err := b.svc.Find(ctx, b.account, device.Selector{MAC: mac, ByMAC: true}); err != nil || d.ID != id {
		t.Errorf("who knows the address finds %s, %v", d.ID, err)
	}
	fresh := b.enrol(t, device.Registration{Name: "Echo eight", HostName: "echo-8", Serial: "SN-3", Adapters: talkative("00:0c:29:00:47:12").Adapters}).DeviceID
	b.nothingStored(t, fresh)
	CheckSpread(t, b.Store, b.account)

	rules.Privacy = device.Privacy{}
	b.tell(t, id, r)
	if d := b.device(t, id); d.HostName != r.HostName || d.Serial != "sn-0815" || !strings.Contains(d.PackedProfile, "203.0.113.9") || string(b.body(t, id)) != "4/0/0|private" {
		t.Errorf("no longer private: %+v", d)
	}
	b.ruledOut(t)
}

// ruledOut: where it cannot be told what is private, nothing is stored.
func (b *bench) ruledOut(t *testing.T) {
	t.Helper()
	svc := device.New(device.Options{
		Store: b.Store, Judge: Judge{}, Decode: Decode, Now: b.clock.now, Log: slog.New(slog.DiscardHandler),
		Rules: func(context.Context, posture.AccountID) (device.Rules, error) {
			return device.Rules{}, errs.New(errs.Unavailable, "not now")
		},
	})
	_, err := svc.Enrol(t.Context(), b.account, device.Registration{Name: "x"})
	wantCode(t, err, errs.Unavailable)
	err = svc.Report(t.Context(), device.Ref{Account: b.account, ID: "x"}, Submission(posture.Report{}, "x"))
	wantCode(t, err, errs.Unavailable)
}

func (b *bench) body(t *testing.T, id string) []byte {
	t.Helper()
	body, err := b.Report(t.Context(), b.account, id)
	check(t, err)
	return body
}

// nothingStored looks through the row, the profile and the body for what is private.
func (b *bench) nothingStored(t *testing.T, id string) {
	t.Helper()
	d := b.device(t, id)
	if d.Name+d.HostName+d.Serial+d.UserIdentity != "" {
		t.Errorf("stored: %+v", d)
	}
	for _, text := range []string{"kari", "CORP", "203.0.113.9", "00:0c:29", "192.0.2", "2001:db8", "255.255"} {
		if strings.Contains(d.PackedProfile, text) {
			t.Errorf("%s is in %s", text, d.PackedProfile)
		}
	}
	body, err := b.Report(t.Context(), b.account, id)
	if err == nil && string(body) != "4/0/0|open" {
		t.Errorf("the body is %s", body)
	}
}

func (b *bench) search(t *testing.T, hidden device.Privacy, words string) int {
	t.Helper()
	f := device.Filter{Search: words, Hidden: hidden}
	list, _, err := b.svc.Select(t.Context(), b.account, device.Query{Filter: f, Window: page.Window{Limit: 10}})
	check(t, err)
	n, err := b.svc.CountMatching(t.Context(), b.account, f)
	check(t, err)
	if int(n) != len(list) {
		t.Errorf("%q: %d counted, %d listed", words, n, len(list))
	}
	return len(list)
}

func (b *bench) findsBy(t *testing.T, hidden device.Privacy, searches ...string) {
	t.Helper()
	for _, words := range searches {
		if n := b.search(t, hidden, words); n != 1 {
			t.Errorf("%q finds %d", words, n)
		}
	}
}

func (b *bench) findsNotBy(t *testing.T, hidden device.Privacy, searches ...string) {
	t.Helper()
	for _, words := range searches {
		if n := b.search(t, hidden, words); n != 0 {
			t.Errorf("%q finds %d though it is private: %+v", words, n, hidden)
		}
	}
}
