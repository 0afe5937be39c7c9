package act

import (
	"context"
	"strings"
	"testing"

	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
	"muster/internal/agent/protocol"
)

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		params protocol.Params
		full   bool
		folder string
		bad    bool
	}{
		{params: protocol.Params{}},
		{params: protocol.Params{FullScan: 1}, full: true},
		{params: protocol.Params{ScanTypes: []int{scanMemory, scanBootRecords, scanSystemVolume}}},
		{params: protocol.Params{ScanTypes: []int{scanOtherVolumes}}, full: true},
		{params: protocol.Params{ScanTypes: []int{scanPath}, Path: "/srv/files"}, folder: "/srv/files"},
		{params: protocol.Params{ScanTypes: []int{scanPath}, Path: "--remove=yes"}, bad: true},
		{params: protocol.Params{ScanTypes: []int{scanPath}, Path: "/a\n/b"}, bad: true},
		{params: protocol.Params{ScanTypes: []int{scanPath}, Path: `C:\a" -DisableRemediation`}, bad: true},
		{params: protocol.Params{ScanTypes: []int{17}}, bad: true},
	} {
		full, folder, err := wanted(c.params)
		if full != c.full || folder != c.folder || (err != nil) != c.bad {
			t.Errorf("%+v: %v, %q, %v", c.params, full, folder, err)
		}
	}
}

func TestScanLinux(t *testing.T) {
	const daemon = "clamdscan --fdpass --multiscan --infected --no-summary -- "
	const plain = "clamscan --recursive --cross-fs=no --infected --no-summary --exclude-dir=^/(proc|sys|dev) -- "
	for name, c := range map[string]struct {
		recording string
		path      string
		want      string // of the message, or of the error
		bad       bool
	}{
		"nothing there":        {"-- file etc/hostname --\nx\n", "", "no antimalware", true},
		"nothing found":        {"-- run " + daemon + "/ --\n", "", "nothing was found below /", false},
		"found":                {"-- run exit 1 " + daemon + "/srv --\n/srv/e.com: Eicar FOUND\n/srv/f.com: Eicar FOUND\n", "/srv", "2 infected files below /srv; the next", false},
		"the daemon is away":   {"-- run exit 2 " + daemon + "/ --\n-- run " + plain + "/ --\n", "", "nothing was found", false},
		"it could not":         {"-- run exit 2 " + plain + "/ --\n", "", "status 2", true},
		"not beginning at top": {"-- run " + daemon + "srv --\n", "srv", "does not begin at the root", true},
	} {
		p := protocol.Params{ScanTypes: []int{scanPath}, Path: c.path}
		message, err := scanLinux(t.Context(), hosttest.Of(t, c.recording), p)
		if err != nil {
			message = err.Error()
		}
		if (err != nil) != c.bad || !strings.Contains(message, c.want) {
			t.Errorf("%s: %q (%v), want %q", name, message, err, c.want)
		}
	}
}

func TestScanWindows(t *testing.T) {
	const defender = `C:\Program Files\Windows Defender\MpCmdRun.exe -Scan -ScanType `
	for kind, p := range map[string]protocol.Params{
		"1":                 {},
		"2":                 {FullScan: 1},
		`3 -File C:\Users\`: {ScanTypes: []int{scanPath}, Path: `C:\Users\`},
	} {
		h := &host.Host{Slow: hosttest.Programs{defender + kind: {}}}
		if message, err := scanWindows(t.Context(), h, p); err != nil {
			t.Errorf("%s: %q, %v", kind, message, err)
		}
	}
	if _, err := scanWindows(t.Context(), &host.Host{Slow: hosttest.Programs{}}, protocol.Params{}); err == nil {
		t.Error("a scan without Defender succeeded")
	}
}

func TestRenew(t *testing.T) {
	const card = "-- file sys/class/net/eth0/device/x --\n\n-- file sys/class/net/lo/mtu --\n1\n"
	for name, c := range map[string]struct {
		renew     func(context.Context, *host.Host) (string, error)
		recording string
		want      string
		bad       bool
	}{
		"networkd":       {renewLinux, card + "-- file run/systemd/netif/leases/2 --\n-- run networkctl renew eth0 --\n", "asked networkctl eth0", false},
		"NetworkManager": {renewLinux, card + "-- file run/NetworkManager/x --\n-- run nmcli device reapply eth0 --\n", "asked nmcli eth0", false},
		"dhcpcd": {renewLinux, card + "-- file run/dhcpcd/pid --\n412\n-- file proc/412/comm --\ndhcpcd\n-- run dhcpcd --rebind eth0 --\n",
			"asked dhcpcd eth0", false},
		"dhcpcd of the adapter": {renewLinux, card + "-- file run/dhcpcd-eth0.pid --\n412\n-- file proc/412/comm --\ndhcpcd\n-- run dhcpcd --rebind eth0 --\n",
			"asked dhcpcd eth0", false},
		"dhcpcd that does not run": {renewLinux, card + "-- run dhcpcd --rebind eth0 --\n", "no DHCP client", true},
		"dhcpcd that was killed": {renewLinux, card + "-- file run/dhcpcd/pid --\n412\n-- file proc/412/comm --\ncron\n-- run dhcpcd --rebind eth0 --\n",
			"no DHCP client", true},
		"nobody":  {renewLinux, card, "no DHCP client", true},
		"refused": {renewLinux, card + "-- file run/systemd/netif/leases/2 --\n-- run exit 1 networkctl renew eth0 --\n", "status 1", true},
		"Windows": {renewWindows, "-- run ipconfig /renew --\n", "done by ipconfig", false},
		"Mac": {renewMac, "-- run networksetup -listallhardwareports --\nHardware Port: Wi-Fi\nDevice: en0\n\nHardware Port: Ethernet\nDevice: en7\n" +
			"-- run ipconfig getpacket en0 --\nop = BOOTREPLY\n-- run ipconfig set en0 DHCP --\n", "asked en0", false},
		"Mac with a fixed address": {renewMac, "-- run networksetup -listallhardwareports --\nDevice: en0\n-- run ipconfig getpacket en0 --\n" +
			"-- run ipconfig set en0 DHCP --\n", "no adapter has a lease", true},
	} {
		message, err := c.renew(t.Context(), hosttest.Of(t, c.recording))
		if err != nil {
			message = err.Error()
		}
		if (err != nil) != c.bad || !strings.Contains(message, c.want) {
			t.Errorf("%s: %q (%v), want %q", name, message, err, c.want)
		}
	}
}
