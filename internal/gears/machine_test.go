package gears

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

// wantOwn is what Muster's own agent says beyond the protocol of others.
var wantOwn = posture.Report{
	AgentType: "persistent", AgentVersion: "1.0.0", DeviceName: "build-08", HostName: "build-08", ScanTime: at("2026-11-23T21:21:15Z"),
	HardwareID: "d4f0a1b2c3d4e5f60718293a4b5c6d7f", MachineID: "0f1e2d3c4b5a69788796a5b4c3d2e1f0", DeviceType: posture.Laptop,
	OS: posture.OS{Family: posture.Linux, Name: "Debian GNU/Linux 12 (bookworm)", Version: "12.8", Build: "6.1.0-28-amd64",
		Distribution: "Debian:12", Architecture: "amd64"},
	Hardware: posture.Hardware{Vendor: "Example Computers", Model: "Notebook 14", Virtual: posture.No, CPU: "Example CPU 3", Cores: 8,
		MaxMHz: 4200, MemoryMB: 15872},
	Adapters: []posture.Adapter{{
		MAC: mustMAC("9a:00:00:00:00:07"), HasMAC: true, Permanent: mustMAC("8c:16:45:00:00:07"), HasPermanent: true, Description: "wlan0",
		IPv4: []string{"192.0.2.7"}, Enabled: posture.Yes, Connected: posture.Yes, DHCP: posture.Yes,
		DHCPObtained: at("2026-11-23T21:00:00Z"), DHCPExpires: at("2026-11-23T22:00:00Z"),
	}},
	Reboot:       at("2026-11-22T21:20:00Z"),
	Collected:    []posture.Category{posture.Antimalware},
	Applications: []posture.Application{{Name: "ClamAV", Version: "1.4.1", Category: posture.Antimalware, Running: posture.Yes}},
	Unread: []posture.Unread{
		{Fact: "firewall", State: posture.Unreadable, Why: "needs root: nft list ruleset was refused"},
		{Fact: "screen_lock", State: posture.NotApplicable, Why: "no screen"},
		{Fact: "battery", State: posture.Unreadable},
	},
}

func TestHardware(t *testing.T) {
	for members, want := range map[string]posture.Hardware{
		`"virtual":"kvm"`:           {Virtual: posture.Yes, Hypervisor: "kvm"},
		`"virtual":" "`:             {Virtual: posture.No},
		`"virtual":null`:            {},
		`"virtual":true`:            {},
		`"virtual":{}`:              {},
		`"os":{"virtual":"docker"}`: {Virtual: posture.Yes, Hypervisor: "docker"},
		`"system":{"cpu":"a text","memory":7,"vendor":[],"model":"7"}`:                                 {Model: "7"},
		`"system":{"cpu":{"model":5,"cores":"4","max_speed_mhz":-1},"memory":{"total_memory_mb":1.5}}`: {CPU: "5", Cores: 4},
	} {
		if got := decoded(t, fmt.Sprintf(`{"soh":{"os_info":[{%s}]}}`, members)).Hardware; got != want {
			t.Errorf("%s: %+v, want %+v", members, got, want)
		}
	}
	if got := decoded(t, soh(`"system":{"vendor":"A","cpu":{"cores":2}}`)).Hardware; got != (posture.Hardware{Vendor: "A", Cores: 2}) {
		t.Errorf("where phones say it: %+v", got)
	}
}

func TestUnreadIsBounded(t *testing.T) {
	got := decoded(t, soh(`"unread":{"fact":"a","why":"`+elements(600, "x")+`"}`)).Unread
	if len(got) != 1 || len(got[0].Why) != maxText || got[0].State != posture.Unreadable {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]posture.Unread(nil), decoded(t, soh(`"unread":null`)).Unread); diff != "" {
		t.Error(diff)
	}
}
