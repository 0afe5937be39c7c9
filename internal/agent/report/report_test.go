package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
	"muster/internal/posture"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func mac(last byte) posture.MAC { return posture.MAC{0x52, 0x54, 0, 0x12, 0x34, last} }

// whole is a snapshot in which everything is known.
func whole() *collect.Snapshot {
	return &collect.Snapshot{
		Taken: noon,
		OS: collect.OS{
			Family: posture.Linux, Vendor: collect.Known("Debian"), Name: collect.Known("Debian GNU/Linux 12 (bookworm)"),
			Version: collect.Known("12.8"), Build: collect.Known("6.1.0-27-amd64"), Architecture: collect.Known("amd64"),
			Language: collect.Known("nb-NO"), Distribution: collect.Known("Debian:12"),
		},
		Hardware: collect.Hardware{
			Type: collect.Known(posture.Laptop), Virtual: collect.Known(""), Vendor: collect.Known("ACME"), Model: collect.Known("Book 14"),
			CPU: collect.Known(collect.CPU{Model: "Fast", Cores: 8, MaxMHz: 4200}), Memory: collect.Known(collect.Memory{Total: 16 << 30, Available: 7 << 30}),
			Disks:   collect.Known([]collect.Disk{{Name: "/", Total: 100 << 30, Free: 40 << 30, System: true}, {Name: "/home", Total: 200 << 30, Free: 3 << 30}}),
			Battery: collect.Known(collect.Battery{Percent: 81, Charging: true}),
		},
		Identity: collect.Identity{
			HostName: collect.Known("SECRET-HOST"), Domain: collect.Known("LAB"), HardwareID: collect.Known("h1"),
			MachineID: collect.Known("m1"), Serial: collect.Known("SECRET-SERIAL"),
		},
		Adapters: collect.Known([]collect.Adapter{
			{
				Name: "wlan0", MAC: mac(0xbb), HasMAC: true, PermanentMAC: collect.Known(mac(0xaa)), Enabled: true, Connected: true,
				Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.17/24"), netip.MustParsePrefix("2001:db8::17/64")},
				Gateway:   collect.Known(netip.MustParseAddr("192.0.2.1")), DNS: collect.Known([]netip.Addr{netip.MustParseAddr("192.0.2.53")}),
				DHCP: collect.Known(collect.DHCP{Enabled: true, Server: netip.MustParseAddr("192.0.2.2"), Obtained: noon.Add(-time.Hour), Expires: noon.Add(time.Hour)}),
			},
			{Name: "eth0", Enabled: true, PermanentMAC: collect.Known(mac(1)), Gateway: collect.Known(netip.Addr{}), DNS: collect.Known[[]netip.Addr](nil), DHCP: collect.Known(collect.DHCP{})},
		}),
		Neighbours: collect.Known([]collect.Neighbour{{MAC: mac(0xcc), Address: netip.MustParseAddr("192.0.2.99"), Adapter: "wlan0"}}),
		Users:      collect.Known([]collect.User{{Name: "SECRET-USER", Domain: "LAB"}}),
		Booted:     collect.Known(noon.Add(-24 * time.Hour)), Uptime: collect.Known(24 * time.Hour),
		Software: map[string]collect.Fact[[]collect.Application]{
			"dpkg": collect.Known([]collect.Application{
				{Name: "zsh", Version: "5.9", PURL: "pkg:deb/debian/zsh@5.9?arch=amd64&distro=debian-12"},
				{Name: "bash", Version: "5.2", PURL: "pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12"},
			}),
			"pip": collect.Known([]collect.Application{{Name: "TeamViewer", Version: "15", Category: posture.RemoteControl}}),
		},
		Processes: collect.Known([]string{"cron", "sshd"}),
		Encryption: collect.Known([]collect.Product{{Name: "LUKS", Running: collect.Known(true), Enabled: collect.Known(true), Volumes: []collect.Volume{
			{Name: "/", Encrypted: collect.Known(true), System: true},
		}}}),
		Firewalls: collect.Known([]collect.Product{{Name: "nftables", Version: "1.0.6", Running: collect.Known(true), Enabled: collect.Known(false)}}),
		Antimalware: collect.Known([]collect.Product{{Name: "ClamAV", Version: "1.4.3", Running: collect.Known(true), Enabled: collect.Known(true),
			Definitions: collect.Known(noon.Add(-time.Hour)), LastScan: collect.Known(time.Time{})}}),
		Updates:     collect.Known(collect.Updates{Pending: 4, Security: 2, Checked: collect.Known(noon.Add(-2 * time.Hour))}),
		Patches:     collect.Known([]collect.Patch{{KB: "KB2"}, {KB: "KB1", Released: noon}}),
		PasswordSet: collect.Known(true), ScreenLock: collect.Known(collect.ScreenLock{Enabled: true, After: 5 * time.Minute}),
		Threats: collect.Known(collect.Threats{Scanned: noon, Found: []collect.Threat{{Name: "EICAR", File: "/tmp/x", Found: noon, Existing: posture.No, Product: "ClamAV"}}}),
		Custom:  []collect.CustomResult{{ID: "dock", Outcome: posture.Errored, Output: "took too long", At: noon}},
	}
}

func about() About { return About{Version: "1.0.0", DeviceName: "SECRET-NAME", UserID: "SECRET-ID"} }

func made(t *testing.T, s *collect.Snapshot, a About) Report {
	t.Helper()
	r, err := New(s, a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSchema: what is sent is what the protocol's schema says.
func TestSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../docs/schema/agent-report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*collect.Snapshot{"everything": whole(), "nothing": {OS: collect.OS{Family: posture.Linux}}} {
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(made(t, s, about()).Body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWritten looks at what a reader of reports looks for.
func TestWritten(t *testing.T) {
	body := string(made(t, whole(), about()).Body)
	for _, want := range []string{
		`"hardware_id":"h1","machine_id":"m1"`,
		`"device_type":"laptop","virtual":""`,
		`{"mac":"52:54:00:12:34:bb","permanent_mac":"52:54:00:12:34:aa","description":"wlan0","ipv4":["192.0.2.17"],"ipv6":["2001:db8::17"],` +
			`"subnet_masks":[{"mask":"255.255.255.0"}],"adapter_enabled":true,"media_state":"connected","default_gateway":"192.0.2.1",` +
			`"dns_addresses":["192.0.2.53"],"dhcp_enabled":true,"dhcp_server":"192.0.2.2","dhcp_obtained":"2026-11-30T11:00:00Z","dhcp_expires":"2026-11-30T13:00:00Z"}`,
		`"system":{"vendor":"ACME","model":"Book 14","cpu":{"model":"Fast","cores":8,"max_speed_mhz":4200},` +
			`"memory":{"total_memory_mb":16384,"available_memory_mb":7168},"battery":{"percentage":81,"is_charging":true},"device_up_time":86400,"last_reboot":"2026-11-29T12:00:00Z"}`,
		`"updates":{"pending":4,"security":2,"checked":"2026-11-30T10:00:00Z"}`,
		`"screen_lock":{"enabled":true,"after_seconds":300}`,
		`{"name":"ClamAV","version":"1.4.3","category":"anti-malware","running":true,"enabled":true,"definitions_date":"2026-11-30T11:00:00Z"}`,
		`{"name":"nftables","version":"1.0.6","category":"firewall","running":true,"enabled":false}`,
		`"volumes":[{"name":"/","encrypted":true,"system":true}]`,
		`{"name":"TeamViewer","version":"15","category":"remote_control"}`,
		`"disks":[{"name":"/","total_mb":102400,"free_mb":40960,"system":true},`,
		`"missing_patches":{"checked":"2026-11-30T10:00:00Z","patches":[{"kb":"KB1","released":"2026-11-30T12:00:00Z"},{"kb":"KB2"}]}`,
		`"custom_checks":[{"id":"dock","outcome":"error","output":"took too long","at":"2026-11-30T12:00:00Z"}]`,
		`"neighbours":[{"mac":"52:54:00:12:34:cc","ip":"192.0.2.99","adapter":"wlan0"}]`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
	if strings.Contains(body, `"unread"`) {
		t.Errorf("everything was read, and yet: %s", body)
	}
}

// TestUnknownIsNotNo: what is not known is left out, and named with the reason.
func TestUnknownIsNotNo(t *testing.T) {
	s := whole()
	denied := errors.New("needs root")
	s.Firewalls = collect.CouldNotRead[[]collect.Product](denied)
	s.PasswordSet = collect.CouldNotRead[bool](denied)
	s.Encryption.Value[0].Volumes[0].Encrypted = collect.CouldNotRead[bool](denied)
	s.Antimalware.Value[0].Enabled = collect.CouldNotRead[bool](denied)
	s.Hardware.Battery = collect.DoesNotApply[collect.Battery]("no battery")
	s.Updates = collect.CouldNotRead[collect.Updates](denied)
	s.Failed = map[string]string{"threats": "broke down"}
	body := string(made(t, s, about()).Body)
	for _, no := range []string{`"user_password_set":`, `"updates":`, `"category":"firewall"`, `"collected":["anti-malware","firewall"`, `"battery":`} {
		if strings.Contains(body, no) {
			t.Errorf("%s is in a report whose agent could not read it", no)
		}
	}
	for _, want := range []string{
		`{"fact":"firewall","state":"unreadable","why":"needs root"}`,
		`{"fact":"user_password_set","state":"unreadable","why":"needs root"}`,
		`{"fact":"battery","state":"not_applicable","why":"no battery"}`,
		`{"fact":"encryption.LUKS./","state":"unreadable","why":"needs root"}`,
		`{"fact":"anti-malware.ClamAV.enabled","state":"unreadable","why":"needs root"}`,
		`{"fact":"collector.threats","state":"unreadable","why":"broke down"}`,
		`"volumes":[{"name":"/","system":true}]`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("missing: %s\n%s", want, body)
		}
	}
}

// TestEveryFactIsNamed: a fact that is added to the snapshot and forgotten in the report would vanish without a word.
func TestEveryFactIsNamed(t *testing.T) {
	facts := 0
	var count func(reflect.Type)
	count = func(of reflect.Type) {
		for i := range of.NumField() {
			field := of.Field(i).Type
			switch {
			case strings.HasPrefix(field.Name(), "Fact["):
				facts++
			case field.Kind() == reflect.Struct && strings.HasSuffix(field.PkgPath(), "agent/collect"):
				count(field)
			}
		}
	}
	count(reflect.TypeFor[collect.Snapshot]())
	if got := len(Facts(&collect.Snapshot{})); got != facts || facts < 30 {
		t.Errorf("%d facts without a value are named, and the snapshot has %d facts", got, facts)
	}
}

func TestPrivate(t *testing.T) {
	a := about()
	a.Privacy = protocol.Privacy{SerialNumber: 1, LocalIP: 1, HostName: 1, PublicIP: 1, MAC: 1, Username: 1}
	bodies := [][]byte{made(t, whole(), a).Body}
	reg, err := Registration(whole(), a, "L", "G", "D")
	if err != nil {
		t.Fatal(err)
	}
	bodies = append(bodies, reg)
	for i, body := range bodies {
		for _, secret := range []string{"SECRET", "192.0.2.", "2001:db8", "52:54:00"} {
			if bytes.Contains(body, []byte(secret)) {
				t.Errorf("body %d tells %s: %s", i, secret, body)
			}
		}
	}
	// And without privacy all of it is told, so that the test above can fail.
	plain := made(t, whole(), about()).Body
	for _, secret := range []string{"SECRET-HOST", "SECRET-SERIAL", "SECRET-USER", "SECRET-NAME", "SECRET-ID", "192.0.2.17", "2001:db8", "52:54:00"} {
		if !bytes.Contains(plain, []byte(secret)) {
			t.Errorf("the report does not tell %s", secret)
		}
	}
}

func TestDigest(t *testing.T) {
	first := made(t, whole(), about())
	for name, change := range map[string]func(*collect.Snapshot){
		"time":      func(s *collect.Snapshot) { s.Taken = s.Taken.Add(time.Minute) },
		"uptime":    func(s *collect.Snapshot) { s.Uptime = collect.Known(25 * time.Hour) },
		"memory":    func(s *collect.Snapshot) { s.Hardware.Memory.Value.Available = 1 << 30 },
		"battery":   func(s *collect.Snapshot) { s.Hardware.Battery.Value.Percent = 3 },
		"lease":     func(s *collect.Snapshot) { s.Adapters.Value[0].DHCP.Value.Expires = noon.Add(9 * time.Hour) },
		"neighbour": func(s *collect.Snapshot) { s.Neighbours.Value[0].MAC = mac(0xdd) },
		"check run": func(s *collect.Snapshot) { s.Custom[0].At = noon.Add(time.Hour) },
	} {
		s := whole()
		change(s)
		again := made(t, s, about())
		if again.Digest != first.Digest {
			t.Errorf("%s changes by itself, and makes a new report", name)
		}
		if bytes.Equal(again.Body, first.Body) {
			t.Errorf("%s is not in the report", name)
		}
	}
	for name, change := range map[string]func(*collect.Snapshot){
		"package":   func(s *collect.Snapshot) { s.Software["dpkg"].Value[0].Version = "6" },
		"address":   func(s *collect.Snapshot) { s.Adapters.Value[0].Addresses[0] = netip.MustParsePrefix("192.0.2.18/24") },
		"unplugged": func(s *collect.Snapshot) { s.Adapters.Value[0].Connected = false },
		"firewall":  func(s *collect.Snapshot) { s.Firewalls.Value[0].Enabled = collect.Known(true) },
		"reason":    func(s *collect.Snapshot) { s.Threats = collect.CouldNotReadf[collect.Threats]("needs root") },
		"reboot":    func(s *collect.Snapshot) { s.Booted = collect.Known(noon) },
		"check":     func(s *collect.Snapshot) { s.Custom[0].Outcome = posture.Pass },
		"memory":    func(s *collect.Snapshot) { s.Hardware.Memory.Value.Total = 8 << 30 },
	} {
		s := whole()
		change(s)
		if made(t, s, about()).Digest == first.Digest {
			t.Errorf("%s makes no new report", name)
		}
	}
	if !bytes.Equal(first.Body, made(t, whole(), about()).Body) {
		t.Error("the same twice is not the same")
	}
}

// TestOrder: in whatever order things were found, the report is the same.
func TestOrder(t *testing.T) {
	want := made(t, whole(), about())
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		s := whole()
		shuffle(random, s.Adapters.Value)
		shuffle(random, s.Adapters.Value[0].Addresses)
		shuffle(random, s.Software["dpkg"].Value)
		shuffle(random, s.Hardware.Disks.Value)
		shuffle(random, s.Patches.Value)
		if got := made(t, s, about()); got.Digest != want.Digest {
			t.Fatal(cmp.Diff(string(want.Body), string(got.Body)))
		}
	}
}

func shuffle[T any](random *rand.Rand, list []T) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func TestManyUnread(t *testing.T) {
	s := whole()
	for range 300 {
		s.Adapters.Value = append(s.Adapters.Value, collect.Adapter{Name: strings.Repeat("å", 100)})
	}
	list := Facts(s)
	if len(list) != maxUnread {
		t.Errorf("%d facts are named", len(list))
	}
	if slices.ContainsFunc(list, func(u Unread) bool { return len([]rune(u.Fact)) > maxName }) {
		t.Error("a name is longer than the protocol takes")
	}
}

func TestRegistration(t *testing.T) {
	raw, err := Registration(whole(), about(), "LIC", "17", "D0")
	if err != nil {
		t.Fatal(err)
	}
	var got registration
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.LicenseKey != "LIC" || got.GroupID != "17" || got.DeviceID != "D0" || got.HardwareID != "h1" || got.Serial != "SECRET-SERIAL" ||
		got.HostName != "SECRET-HOST" || got.OS.Family != "linux" || len(got.Adapters) != 2 {
		t.Errorf("it says %s", raw)
	}
}
