package gears

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/internal/device"
)

func TestNeighbours(t *testing.T) {
	v := newWorld()
	report := func(body string) {
		t.Helper()
		if status, answer := v.report(t, body); status != 200 {
			t.Fatalf("%s: %d %s", body, status, answer)
		}
	}
	const rest = `"applications":[{"name":"a"}]}`
	report(`{"hostname":"a","soh":{` + rest + `}`)
	report(`{"hostname":"a","soh":{"neighbours" : [{"mac":"00-0C-29-00-00-01","ip":"192.0.2.7","adapter":"eth0"},
		{"mac":"000c.2900.0002","ip":"::ffff:192.0.2.8"},{"mac":"00:0c:29:00:00:03","ip":"fe80::1%eth0"},{"mac":"00:0c:29:00:00:04","ip":"N/A"},
		{"mac":"","ip":"192.0.2.9"},{"mac":"x"},null],` + rest + `}`)
	report(`{"soh":{"applications":[{"name":"a"}],"\u006eeighbours":{"mac":"00:0c:29:00:00:05","ip":"0.0.0.0"}},"hostname":"a"}`)
	report(`{"hostname":"a","soh":{"neighbours":null,` + rest + `}`)
	want := [][]device.Neighbour{
		{
			{MAC: mustMAC("00:0c:29:00:00:01"), IP: netip.MustParseAddr("192.0.2.7"), Adapter: "eth0"},
			{MAC: mustMAC("00:0c:29:00:00:02"), IP: netip.MustParseAddr("192.0.2.8")},
			{MAC: mustMAC("00:0c:29:00:00:03"), IP: netip.MustParseAddr("fe80::1")},
			{MAC: mustMAC("00:0c:29:00:00:04")},
		},
		{{MAC: mustMAC("00:0c:29:00:00:05")}},
		{},
	}
	if diff := cmp.Diff(want, v.devices.around, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if got := v.devices.calls; len(got) != 4 || got[0] != "report" || got[1] != "report unchanged" || got[2] != got[1] || got[3] != got[1] {
		t.Errorf("with and without neighbours: %q", got)
	}
}

// TestNeighboursAreNotStored: they are other people's machines.
func TestNeighboursAreNotStored(t *testing.T) {
	for body, want := range map[string]string{
		`{"soh":{"neighbours":[{"mac":"00:0c:29:00:00:01"}]}}`:                 `{"soh":{"neighbours":null}}`,
		`{"soh":{"a":1,"neighbours" :` + "\n" + ` {"mac":"x"} ,"b":[2]}}`:      `{"soh":{"a":1,"neighbours":null ,"b":[2]}}`,
		`{"soh":{"neighbours":[]},"neighbours":[{"mac":"00:0c:29:00:00:01"}]}`: `{"soh":{"neighbours":null},"neighbours":[{"mac":"00:0c:29:00:00:01"}]}`,
	} {
		v := newWorld()
		if status, answer := v.report(t, body); status != 200 || string(v.devices.bodies[0]) != want {
			t.Errorf("%s: %d %s, stored %s", body, status, answer, v.devices.bodies)
		}
	}
}

// TestABadNeighbourIsRefusedWhereverItComes also where nothing else is new.
func TestABadNeighbourIsRefusedWhereverItComes(t *testing.T) {
	v := newWorld()
	v.report(t, soh(`"neighbours":[]`))
	status, answer := v.report(t, soh(`"neighbours":[{},{"mac":["x"]}]`))
	if want := `{"errors":[{"error_type":"400000","details":"Member soh.neighbours[1].mac must be a string"}]}`; status != 400 || answer != want {
		t.Errorf("%d %s", status, answer)
	}
	if status, _ := v.report(t, soh(`"neighbours":[],"neighbours":[]`)); status != 400 {
		t.Errorf("twice: %d", status)
	}
}

func TestSetsOfNeighbours(t *testing.T) {
	v := newWorld()
	for _, list := range []string{
		`[{"mac":"00:0c:29:00:00:01","ip":"192.0.2.7"}]`, "[ {\n\"ip\":\"192.0.2.7\", \"mac\":\"00:0c:29:00:00:01\"} ]", // the same
		`[{"mac":"00:0c:29:00:00:01","ip":"192.0.2.8"}]`, `[]`, `null`,
	} {
		v.report(t, soh(`"neighbours":`+list))
	}
	if s := v.devices.sets; len(s) != 5 || s[0] != s[1] || s[1] == s[2] || s[2] == s[3] || s[3] == s[4] {
		t.Errorf("sets: %v", s)
	}
}

// BenchmarkReportUnchangedWithNeighbours is what three hundred of them add to a report that says nothing new.
func BenchmarkReportUnchangedWithNeighbours(b *testing.B) {
	one := `{"mac":"00:0c:29:00:00:01","ip":"192.0.2.7","adapter":"Intel(R) Ethernet Connection I219-LM"}`
	body := []byte(strings.Replace(string(readSample(b, "reports/linux.json")), `"soh":{`, `"soh":{"neighbours":[`+elements(300, one)+`],`, 1))
	b.ReportAllocs()
	for b.Loop() {
		d, err := digestReport(body)
		if err != nil || d.to == 0 {
			b.Fatal(err, d)
		}
		aroundOf(body, &d)
	}
}
