package gears

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/internal/device"
)

func TestWithoutPrivate(t *testing.T) {
	const body = `{"device_name":"vm","hostname":"host-7","Hostname":"HOST-8","user_identity":"kari@example.com","serial_number":"SN-1",
		"geo_info":{"lat":59.9,"lng":10.7},"vendor_extra":{"computer_name":"host-9","keep":[1,true,null,"x"]},
		"soh":{"local_user":[{"name":"kari","domain":"CORP"}],"os_info":[{"network_adapter_info":[{"mac":"00:0c:29:00:00:01",
		"ipv4":["192.0.2.2"],"ipv6":[{"ip":"2001:db8::1"}],"default_gateway":["192.0.2.1"],"permanent_mac":"00:0c:29:00:00:99","description":"eth0"}]}],
		"threats":[{"file":"C:\\Users\\kari\\Downloads\\x.exe","name":"/home/kari/.x and /Users/kari"}]}}`
	all := []string{"vm", "host-7", "HOST-8", "host-9", "kari", "CORP", "SN-1", "59.9", "00:0c:29:00:00:01", "00:0c:29:00:00:99", "192.0.2.2", "2001:db8::1", "192.0.2.1"}
	for _, c := range []struct {
		name string
		p    device.Privacy
		gone []string
	}{
		{"nothing", device.Privacy{}, nil},
		{"host name", device.Privacy{HostName: true}, []string{"vm", "host-7", "HOST-8", "host-9"}},
		{"user name", device.Privacy{UserName: true}, []string{"kari", "CORP"}},
		{"serial number", device.Privacy{SerialNumber: true}, []string{"SN-1"}},
		{"geolocation", device.Privacy{Geolocation: true}, []string{"59.9"}},
		{"MAC address", device.Privacy{MACAddress: true}, []string{"00:0c:29:00:00:01", "00:0c:29:00:00:99"}},
		{"local IP", device.Privacy{LocalIP: true}, []string{"192.0.2.2", "2001:db8::1", "192.0.2.1"}},
		{"everything", device.Privacy{UserName: true, HostName: true, PublicIP: true, MACAddress: true, LocalIP: true, Geolocation: true, SerialNumber: true}, all},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(withoutPrivate([]byte(body), c.p))
			if err := checkJSON([]byte(got)); err != nil {
				t.Fatalf("%v in %s", err, got)
			}
			for _, text := range all {
				gone := false
				for _, g := range c.gone {
					gone = gone || g == text
				}
				if strings.Contains(got, text) == gone {
					t.Errorf("%q in %s", text, got)
				}
			}
			if strings.Contains(got, `Users\\kari\\Downloads`) == c.p.UserName || !strings.Contains(got, `\\Downloads\\x.exe`) {
				t.Errorf("the folder of the user in %s", got)
			}
			if !strings.Contains(got, `"keep":[1,true,null,"x"]`) || !strings.Contains(got, "eth0") {
				t.Errorf("something else is missing: %s", got)
			}
		})
	}
	if got := string(withoutPrivate([]byte(`{"a":`), device.Privacy{HostName: true})); got != "{}" {
		t.Errorf("a broken body is kept as %s", got)
	}
}

// hideEverything is every kind of privacy that decides what is stored.
var hideEverything = device.Privacy{
	UserName: true, HostName: true, PublicIP: true, MACAddress: true, LocalIP: true, Geolocation: true, SerialNumber: true,
}

// TestNothingPrivateIsLeft: what is kept of a body is a report, says nothing that is private, and all the rest.
func TestNothingPrivateIsLeft(t *testing.T) {
	files, err := filepath.Glob("testdata/re*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		checkKept(t, body)
	}
}

// checkKept passes over what is no report.
func checkKept(t *testing.T, body []byte) {
	t.Helper()
	if _, err := digestOf(body); err != nil {
		return
	}
	whole, err := decodeReport(body)
	if err != nil {
		return
	}
	kept := withoutPrivate(body, hideEverything)
	if _, err := digestOf(kept); err != nil {
		t.Fatalf("%v in %s", err, kept)
	}
	got, err := decodeReport(kept)
	if err != nil {
		t.Fatalf("%v in %s", err, kept)
	}
	if got.HardwareID != device.HideUser(whole.HardwareID) || got.OS.Family != whole.OS.Family || len(got.Adapters) != len(whole.Adapters) ||
		len(got.Applications) != len(whole.Applications) || got.ScreenLock != whole.ScreenLock || len(got.Threats) != len(whole.Threats) {
		t.Errorf("more is missing than what is private: %s", kept)
	}
	again, err := decodeReport(kept)
	if err != nil {
		t.Fatal(err)
	}
	hideEverything.VeilReport(again)
	if diff := cmp.Diff(again, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %s", kept, diff)
	}
}

// TestVeilOfAnEarlierReport: what was stored before it was private is not shown either.
func TestVeilOfAnEarlierReport(t *testing.T) {
	r := decoded(t, `{"soh":{"os_info":[{"network_adapter_info":[{"mac":"00:0c:29:00:00:01","permanent_mac":"00:0c:29:00:00:02"}]}],
		"unread":[{"fact":"x","why":"/home/kari/.x may not be read"}]}}`)
	hideEverything.VeilReport(r)
	if a := r.Adapters[0]; a.HasMAC || a.HasPermanent || r.Unread[0].Why != "/home/<private>/.x may not be read" {
		t.Errorf("%+v, %+v", a, r.Unread)
	}
}

func FuzzWithoutPrivate(f *testing.F) {
	f.Add([]byte(`{"hostname":"a","soh":{"local_user":[{"name":"b"}]}}`))
	f.Add([]byte(`{"user":{"user":[]},"x":"C:\\Users\\a\\b","x2":"/home/"}`))
	f.Add([]byte(`{"hostname":"a","HOSTNAME":"b","\u0068ostname2":1}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkKept(t, body) })
}
