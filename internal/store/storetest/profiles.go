package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/posture"
)

// fullReport says everything that a profile holds.
func fullReport() posture.Report {
	a := Adapters("00:0c:29:00:00:01")[0]
	a.Description, a.IPv4, a.IPv6, a.DNS = "eth0", []string{"192.0.2.7"}, []string{"2001:db8::7"}, []string{"192.0.2.53"}
	a.SubnetMask, a.Gateway, a.DHCPServer = "255.255.255.0", "192.0.2.1", "192.0.2.2"
	a.Enabled, a.Connected, a.DHCP = posture.Yes, posture.No, posture.Yes
	a.DHCPObtained, a.DHCPExpires = Epoch.Add(-time.Hour), Epoch.Add(time.Hour)
	return posture.Report{
		OS:              posture.OS{Vendor: "Microsoft Corporation", Architecture: "64-bit", Language: "nb-NO", ServicePack: "1"},
		UserPasswordSet: posture.Yes, Users: []posture.User{{Name: "kari", Domain: "LAB"}, {Name: "ola"}}, Reboot: Epoch.Add(-48 * time.Hour),
		Adapters: []posture.Adapter{a, {Description: "tunnel"}}, PublicIP: "203.0.113.9", Engine: "4.3.4215.0", LinkedID: "crm-1",
	}
}

// wantProfile is what fullReport makes.
var wantProfile = device.Profile{
	Vendor: "Microsoft Corporation", Architecture: "64-bit", Language: "nb-NO", ServicePack: "1",
	Password: posture.Yes, User: posture.User{Name: "kari", Domain: "LAB"}, Reboot: Epoch.Add(-48 * time.Hour),
	Adapters: []device.Interface{
		{Description: "eth0", MAC: "00:0c:29:00:00:01", IPv4: []string{"192.0.2.7"}, IPv6: []string{"2001:db8::7"}, DNS: []string{"192.0.2.53"},
			SubnetMask: "255.255.255.0", Gateway: "192.0.2.1", DHCPServer: "192.0.2.2",
			Enabled: posture.Yes, Connected: posture.No, DHCP: posture.Yes, DHCPObtained: Epoch.Add(-time.Hour), DHCPExpires: Epoch.Add(time.Hour)},
		{Description: "tunnel"},
	},
	PublicIP: "203.0.113.9", EngineVersion: "4.3.4215.0",
}

func (b *bench) profile(t *testing.T, id string) device.Profile {
	t.Helper()
	d := b.device(t, id)
	p, err := d.Profile()
	check(t, err)
	return p
}

func (b *bench) wantProfile(t *testing.T, when, id string, want device.Profile) {
	t.Helper()
	if diff := cmp.Diff(want, b.profile(t, id)); diff != "" {
		t.Errorf("%s: %s", when, diff)
	}
}

func testProfiles(t *testing.T, e Engine) {
	b := newBench(t, e)
	id := b.enrol(t, device.Registration{HardwareID: "HW-0001", OS: posture.OS{Vendor: "Example"}, Adapters: Adapters("00:0c:29:00:00:99")}).DeviceID
	b.wantProfile(t, "enrolled", id, device.Profile{Vendor: "Example", Adapters: []device.Interface{{MAC: "00:0c:29:00:00:99"}}})

	again, err := b.svc.Enrol(t.Context(), b.account, device.Registration{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:98")})
	if err != nil || again.DeviceID != id {
		t.Fatalf("registered again: %v, %v", again, err)
	}
	b.wantProfile(t, "registered again without a system", id, device.Profile{Vendor: "Example", Adapters: []device.Interface{{MAC: "00:0c:29:00:00:98"}}})

	r := fullReport()
	r.OS.Version = b.clock.at.Add(time.Hour).Format(time.RFC3339)
	b.report(t, id, "3/0/0", r)
	b.wantProfile(t, "reported", id, wantProfile)

	b.clock.advance(2 * time.Hour)
	ref := device.Ref{Account: b.account, ID: id}
	due, err := b.Due(t.Context(), b.account, b.clock.at, 10)
	if err != nil || len(due) != 1 {
		t.Fatalf("due are %v, %v", due, err)
	}
	b.sweepStored(t, id)
	b.wantProfile(t, "judged again", id, wantProfile)

	_, err = b.svc.Enrol(t.Context(), b.account, device.Registration{DeviceID: id, OS: posture.OS{Vendor: "less"}})
	check(t, err)
	b.wantProfile(t, "registered once more", id, wantProfile)

	bare, want := posture.Report{}, wantProfile
	bare.OS.Architecture = "arm64"
	want.Vendor, want.Architecture, want.Language, want.ServicePack = "", "arm64", "", ""
	want.Password, want.User, want.Adapters = posture.NotReported, posture.User{}, nil
	b.report(t, id, "3/0/0", bare)
	b.wantProfile(t, "a report that says little", id, want)
	if got := b.device(t, id).LinkedID; got != "crm-1" {
		t.Errorf("the link became %q", got)
	}

	check(t, b.svc.Retire(t.Context(), ref))
	b.enrol(t, device.Registration{HardwareID: "HW-0001", OS: posture.OS{Vendor: "Example"}})
	b.wantProfile(t, "come back", id, device.Profile{Vendor: "Example"})
	if got := b.device(t, id).LinkedID; got != "" {
		t.Errorf("a device that came back has the link %q", got)
	}
}

// sweepStored judges what time has moved, after putting a body in place that the suite's Decode reads.
func (b *bench) sweepStored(t *testing.T, id string) {
	t.Helper()
	packed, err := b.PackReport(t.Context(), &device.ToPack{
		Account: b.account, Device: id, Body: []byte("3/0/0|" + Epoch.Format(time.RFC3339)), Report: &posture.Report{}, Verdict: &posture.Verdict{},
	})
	check(t, err)
	check(t, b.Change(t.Context(), device.Change{Device: id, Do: func(tx device.Tx) error {
		return tx.PutReport(t.Context(), b.account, id, packed, b.clock.at)
	}}))
	n, err := b.svc.Sweep(t.Context(), b.account)
	if err != nil || n != 1 {
		t.Fatalf("%d were judged, %v", n, err)
	}
	if got := b.device(t, id).Cell.Status; got != posture.StatusNonCompliant {
		t.Fatalf("after the sweep the device is %v", got)
	}
}

// testLinks: an integrator's id names one live device of an account, the last that reported it.
func testLinks(t *testing.T, e Engine) {
	b := newBench(t, e)
	other := Account(t, b.Store, "other", 10)
	far, err := b.svc.Enrol(t.Context(), other, device.Registration{HardwareID: "HW-0009"})
	check(t, err)
	check(t, b.svc.Report(t.Context(), device.Ref{Account: other, ID: far.DeviceID},
		Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}, LinkedID: "crm-1"}, "{}")))
	old, phone := b.enrol(t, device.Registration{HardwareID: "HW-0001"}).DeviceID, b.enrol(t, device.Registration{HardwareID: "HW-0002"}).DeviceID
	link := func(id, link string, serial string) {
		t.Helper()
		r := posture.Report{OS: posture.OS{Name: "3/0/0"}, LinkedID: link}
		check(t, b.svc.Report(t.Context(), device.Ref{Account: b.account, ID: id}, Submission(r, link+serial)))
	}
	want := func(when string, links map[string]string) {
		t.Helper()
		got := map[string]string{old: b.device(t, old).LinkedID, phone: b.device(t, phone).LinkedID}
		if diff := cmp.Diff(links, got); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	link(old, "crm-1", "")
	want("linked", map[string]string{old: "crm-1", phone: ""})
	link(phone, "crm-1", "")
	want("the link went on", map[string]string{old: "", phone: "crm-1"})
	link(phone, "", "later")
	want("a report without it", map[string]string{old: "", phone: "crm-1"})
	link(phone, "crm-2", "")
	link(old, "crm-1", "again")
	want("another link", map[string]string{old: "crm-1", phone: "crm-2"})
	d, err := b.svc.Find(t.Context(), other, device.Selector{ID: far.DeviceID})
	if err != nil || d.LinkedID != "crm-1" {
		t.Errorf("the device of another account: %q, %v", d.LinkedID, err)
	}
	CheckCounts(t.Context(), t, b.Store, b.account)
}

// testProfileBounds: a row stays small whatever an agent reports.
func testProfileBounds(t *testing.T, e Engine) {
	b := newBench(t, e)
	id := b.enrol(t, device.Registration{}).DeviceID
	long := strings.Repeat("å", 300)
	r := posture.Report{OS: posture.OS{Vendor: long}, Engine: long, Users: []posture.User{{Name: long}}}
	for i := range 40 {
		a := posture.Adapter{Description: long}
		if i%4 == 3 {
			a = Adapters("00:0c:29:00:00:" + string("0123456789"[i/4]) + "1")[0]
		}
		for range 100 {
			a.IPv6, a.DNS = append(a.IPv6, "2001:db8::1"), append(a.DNS, "192.0.2.53")
		}
		r.Adapters = append(r.Adapters, a)
	}
	b.report(t, id, "3/0/0", r)
	p := b.profile(t, id)
	short := strings.Repeat("å", 256)
	if p.Vendor != short || p.EngineVersion != short || p.User.Name != short || p.Adapters[0].Description != short {
		t.Errorf("texts were not cut after 256 characters: %+v", p)
	}
	builtIn := 0
	for i := range p.Adapters {
		if p.Adapters[i].MAC != "" {
			builtIn++
		}
		if len(p.Adapters[i].IPv6) != 8 || len(p.Adapters[i].DNS) != 8 {
			t.Errorf("%+v", p.Adapters[i])
		}
	}
	if len(p.Adapters) != 16 || builtIn != 10 || p.Adapters[3].MAC != "00:0c:29:00:00:01" {
		t.Errorf("%d adapters, %d of them built in: %+v", len(p.Adapters), builtIn, p.Adapters)
	}
}
