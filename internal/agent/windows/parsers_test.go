package windows

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"muster/internal/agent/collect"
	"muster/internal/agent/collect/collecttest"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
	"muster/internal/posture"
)

// sections are those of all recordings whose names begin so.
func sections(t testing.TB, prefix string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, name := range []string{"laptop", "server", "desktop"} {
		raw, err := os.ReadFile("testdata/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(raw).Files {
			if strings.HasPrefix(f.Name, prefix) {
				out = append(out, f.Data)
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no section is called %s", prefix)
	}
	return out
}

func TestFirmwareThatIsBroken(t *testing.T) {
	t.Parallel()
	whole, err := load(t, "laptop").h.Native.Firmware()
	if err != nil {
		t.Fatal(err)
	}
	// Cut off anywhere, it is read as far as it goes, or not at all.
	for n := range whole {
		f, err := parseFirmware(whole[:n])
		if err == nil && f.vendor != "LENOVO" {
			t.Errorf("after %d octets: %+v", n, f)
		}
	}
	// The chassis of a machine with a lock is what it is without.
	chassis := bytes.Index(whole, []byte{smbiosChassis, 21, 3, 0, 1, 10})
	locked := bytes.Clone(whole)
	locked[chassis+5] |= 0x80
	if f, err := parseFirmware(locked); err != nil || !bytes.Equal(f.chassis, []byte{10}) {
		t.Errorf("%+v, %v", f, err)
	}
	// Before version 2.6 the octets of the UUID stand in their order.
	old := append([]byte{0, 2, 4, 0}, whole[4:]...)
	if f, err := parseFirmware(old); err != nil || f.uuid != "78563412-bc9a-ef4d-8123-456789abcdef" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestDeviceTypes(t *testing.T) {
	t.Parallel()
	client := "-- registry " + control + "\\ProductOptions --\nProductType=WinNT\n"
	server := "-- registry " + control + "\\ProductOptions --\nProductType=LanmanNT\n"
	for name, c := range map[string]struct {
		recording string
		f         firmware
		battery   bool
		want      posture.DeviceType
	}{
		"notebook":                    {client, firmware{chassis: []byte{10}}, false, posture.Laptop},
		"tablet with Windows":         {client, firmware{chassis: []byte{30}}, true, posture.Laptop},
		"unknown chassis, battery":    {client, firmware{chassis: []byte{2}}, true, posture.Laptop},
		"battery in the firmware":     {client, firmware{chassis: []byte{1}, battery: true}, false, posture.Laptop},
		"desktop on a UPS":            {client, firmware{chassis: []byte{3}}, true, posture.Desktop},
		"nothing known":               {client, firmware{}, false, posture.Desktop},
		"domain controller in a rack": {server, firmware{chassis: []byte{23}}, false, posture.Server},
		"VMware":                      {server, firmware{vendor: "VMware, Inc.", model: "VMware20,1", chassis: []byte{1}}, false, posture.VM},
		"EC2":                         {server, firmware{vendor: "Amazon EC2", model: "m5.large"}, false, posture.VM},
		"EC2 without a hypervisor":    {server, firmware{vendor: "Amazon EC2", model: "m5.metal"}, false, posture.Server},
		"Surface":                     {client, firmware{vendor: "Microsoft Corporation", model: "Surface Pro 9", chassis: []byte{9}}, true, posture.Laptop},
	} {
		m := &machine{h: hosttest.Of(t, c.recording)}
		virtual, err := m.hypervisor(c.f, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := m.deviceType(c.f, virtual, c.battery, nil); got != c.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestProductStates(t *testing.T) {
	t.Parallel()
	for state, want := range map[uint32]struct{ on, old bool }{
		266240: {true, false}, 266256: {true, true}, 397568: {true, false}, 397584: {true, true},
		393472: {false, false}, 262144: {false, false}, 270336: {false, false}, 0x063000: {false, false},
	} {
		p := registered{Name: "X", State: &state}.scanner()
		if p.Running != collect.Known(want.on) || strings.Contains(p.Definitions.Why, "out of date") != want.old {
			t.Errorf("%d: %+v", state, p)
		}
	}
	if p := (registered{Name: "X"}).scanner(); p.Running.State != collect.Unreadable {
		t.Errorf("no state: %+v", p)
	}
}

func TestScreenSavers(t *testing.T) {
	t.Parallel()
	const who, other = `HKEY_USERS\S-1-5-21-1-2-3-1001`, `HKEY_USERS\S-1-5-21-1-2-3-1002`
	desktop := func(hive, active, secure, after, program string) string {
		return "-- registry " + hive + "\\Control Panel\\Desktop --\nScreenSaveActive=" + active + "\nScreenSaverIsSecure=" + secure +
			"\nScreenSaveTimeOut=" + after + "\nSCRNSAVE.EXE=" + program + "\n"
	}
	for name, c := range map[string]struct {
		recording string
		want      collect.ScreenLock
	}{
		"on":                 {desktop(who, "1", "1", "300", "x.scr"), collect.ScreenLock{Enabled: true, After: 5 * time.Minute}},
		"not asked":          {desktop(who, "1", "0", "300", "x.scr"), collect.ScreenLock{}},
		"switched off":       {desktop(who, "0", "1", "300", "x.scr"), collect.ScreenLock{}},
		"never":              {desktop(who, "1", "1", "0", "x.scr"), collect.ScreenLock{}},
		"no time":            {desktop(who, "1", "1", "soon", "x.scr"), collect.ScreenLock{}},
		"no screen saver":    {desktop(who, "1", "1", "300", ""), collect.ScreenLock{}},
		"nothing there":      {"-- registry " + who + " --\n", collect.ScreenLock{}},
		"the longest counts": {desktop(who, "1", "1", "300", "x.scr") + desktop(other, "1", "1", "600", "x.scr"), collect.ScreenLock{Enabled: true, After: 10 * time.Minute}},
		"one has none":       {desktop(who, "1", "1", "300", "x.scr") + desktop(other, "1", "0", "600", "x.scr"), collect.ScreenLock{}},
	} {
		s := &collect.Snapshot{}
		if err := (&machine{h: hosttest.Of(t, c.recording)}).screenLock(t.Context(), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		collecttest.Same(t, name, s.ScreenLock, collect.Known(c.want))
	}
}

// The page of manage-bde in Microsoft Learn shows this form.
const bdeStatus = `BitLocker Drive Encryption: Configuration Tool version 10.0.19041
Copyright (C) 2013 Microsoft Corporation. All rights reserved.

Disk volumes that can be protected with
BitLocker Drive Encryption:
Volume C: [Windows]
[OS Volume]

    Size:                 475.80 GB
    BitLocker Version:    2.0
    Conversion Status:    Used Space Only Encrypted
    Percentage Encrypted: 100.0%
    Encryption Method:    XTS-AES 128
    Protection Status:    Protection On
    Lock Status:          Unlocked
    Identification Field: Unknown
    Key Protectors:
        TPM
        Numerical Password

Volume d: [Data: old]
[Data Volume]

    Size:                 100.00 GB
    BitLocker Version:    None
    Conversion Status:    Fully Decrypted
    Percentage Encrypted: 0.0%
    Protection Status:    Protection Off
    Lock Status:          Unlocked

Volume E: [Label Unknown]
[Data Volume]

    Size:                 Unknown GB
    BitLocker Version:    2.0
    Conversion Status:    Unknown
    Protection Status:    Unknown
    Lock Status:          Locked
`

func TestManageBDE(t *testing.T) {
	t.Parallel()
	got, err := parseManageBDE([]byte(strings.ReplaceAll(bdeStatus, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	collecttest.Same(t, "volumes", got, []collect.Volume{
		{Name: "C:", Encrypted: collect.Known(true), System: true}, {Name: "D:", Encrypted: collect.Known(false)},
		{Name: "E:", Encrypted: collecttest.Unread[bool]("BitLocker does not know the state of the volume: it may be locked")},
	})
	german := strings.NewReplacer("Conversion Status", "Konvertierungsstatus", "Protection Status", "Schutzstatus").Replace(bdeStatus)
	if got, err := parseManageBDE([]byte(german)); err == nil {
		t.Errorf("of another language %+v is read", got)
	}
	// It is asked where WMI gives no answer.
	m := &machine{h: hosttest.Of(t, "-- run manage-bde -status --\n"+bdeStatus)}
	products, err := m.encryption(t.Context(), nil, host.ErrNoProgram)
	if err != nil || len(products) != 1 || len(products[0].Volumes) != 3 || products[0].Enabled != collect.Known(true) {
		t.Errorf("%+v, %v", products, err)
	}
}

func TestEncryptionStates(t *testing.T) {
	t.Parallel()
	n := func(i int) *int { return &i }
	for name, c := range map[string]struct {
		v    volume
		want collect.State
		yes  bool
	}{
		"on":                        {volume{Protection: n(1), Conversion: n(1)}, collect.IsKnown, true},
		"on, no word of conversion": {volume{Protection: n(1)}, collect.IsKnown, true},
		"suspended":                 {volume{Protection: n(0), Conversion: n(1)}, collect.IsKnown, false},
		"at work":                   {volume{Protection: n(1), Conversion: n(2)}, collect.IsKnown, false},
		"off":                       {volume{Protection: n(0), Conversion: n(0)}, collect.IsKnown, false},
		"locked":                    {volume{Protection: n(2)}, collect.Unreadable, false},
		"nothing":                   {volume{}, collect.Unreadable, false},
	} {
		if got := c.v.encrypted(); got.State != c.want || got.Value != c.yes {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestPackages(t *testing.T) {
	t.Parallel()
	for full, want := range map[string]string{
		"Microsoft.WindowsCalculator_11.2405.2.0_x64__8wekyb3d8bbwe":        "Microsoft.WindowsCalculator 11.2405.2.0",
		"Microsoft.BingNews_4.55.1.0_neutral_~_8wekyb3d8bbwe":               "Microsoft.BingNews 4.55.1.0",
		"1527c705-839a-4832-9118-54d4Bd6a0c89_10.0.1.0_neutral_neutral_cw5": "1527c705-839a-4832-9118-54d4Bd6a0c89 10.0.1.0",
		"Microsoft.BingNews_4.55.1.0_neutral_split.scale-100_8wekyb3d8bbwe": "",
		"Microsoft.BingNews_4.55.1_x64__8wekyb3d8bbwe":                      "",
		"Microsoft.BingNews_4.55.1.99999_x64__8wekyb3d8bbwe":                "",
		"_1.0.0.0_x64__x": "", "": "", "Inbox": "",
	} {
		app, ok := parsePackage(full)
		if got := strings.TrimSpace(app.Name + " " + app.Version); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", full, got, ok)
		}
	}
	if !olderVersion("1.9.0.0", "1.10.0.0") || olderVersion("2.0.0.0", "1.10.0.0") {
		t.Error("versions are compared as text")
	}
}

// ConvertTo-Json writes lists in several ways.
func TestLists(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`null`: 0, `[]`: 0, `[null]`: 0, `[{"name":"a"},null,{"name":"b"}]`: 2, `{"name":"a"}`: 1, `{"value":[{"name":"a"}],"Count":1}`: 1,
	} {
		var l list[account]
		if err := json.Unmarshal([]byte(text), &l); err != nil || len(l) != want {
			t.Errorf("%s: %+v, %v", text, l, err)
		}
	}
	var l list[account]
	if err := json.Unmarshal([]byte(`7`), &l); err == nil {
		t.Errorf("a number is read as %+v", l)
	}
}

func FuzzFirmware(f *testing.F) {
	for _, name := range []string{"laptop", "server", "desktop"} {
		raw, err := load(f, name).h.Native.Firmware()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := parseFirmware(raw)
		if err == nil && (len(got.vendor) > collect.MaxText || len(got.uuid) != 0 && len(got.uuid) != 36) {
			t.Errorf("%+v", got)
		}
	})
}

func FuzzPowerShell(f *testing.F) {
	for _, raw := range sections(f, "run powershell") {
		f.Add(raw)
	}
	m := load(f, "desktop")
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := parseAnswers(raw)
		if facts, err := m.antimalware(found, err); err == nil {
			for _, p := range facts {
				if p.Running.State == collect.NotLooked || p.Definitions.State == collect.NotLooked {
					t.Errorf("nobody looked: %+v", p)
				}
			}
		}
		_ = m.firewalls(found, err)
		_, _ = threats(found, err)
		_, _ = m.passwordSet(found, err)
		_, _ = m.encryption(t.Context(), found, err)
		if all, err := valuesOf[search](found, err, "updates"); err == nil {
			for _, s := range all {
				if u, patches, err := s.result(); err == nil && (u.Pending < u.Security || u.Pending < len(patches)) {
					t.Errorf("%+v, and %d patches", u, len(patches))
				}
			}
		}
		neighbours, _ := valuesOf[seen](found, err, "neighbours")
		for _, n := range neighbours {
			n.neighbour()
		}
	})
}

func FuzzManageBDE(f *testing.F) {
	f.Add([]byte(bdeStatus))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := parseManageBDE(raw)
		if (err == nil) != (len(all) > 0) {
			t.Errorf("%d volumes, %v", len(all), err)
		}
	})
}

func FuzzPackage(f *testing.F) {
	f.Add("Microsoft.WindowsCalculator_11.2405.2.0_x64__8wekyb3d8bbwe")
	f.Fuzz(func(t *testing.T, full string) {
		if app, ok := parsePackage(full); ok && (app.Name == "" || app.Version == "") {
			t.Errorf("%+v", app)
		}
	})
}
