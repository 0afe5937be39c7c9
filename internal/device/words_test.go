package device_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		d    device.Device
		want []string
	}{
		{device.Device{}, nil},
		{device.Device{HostName: "Lab-07.Example.test"}, []string{"07", "example", "lab", "lab-07.example.test", "test"}},
		{device.Device{Name: " Ola's  PC-07\t"}, []string{"07", "ola", "ola's", "ola's  pc-07", "pc", "pc-07", "s"}},
		{device.Device{Serial: "sn-1", HardwareID: "SN-1"}, []string{"1", "sn", "sn-1"}},
		{device.Device{LinkedID: "Asset-9"}, []string{"9", "asset", "asset-9"}},
		{device.Device{Link: device.LinkedUser{Username: "kari", Group: "staff"}, UserIdentity: "\xffx\x00y"}, []string{"kari", "x", "y", "\uFFFDx", "\uFFFDx y"}},
	} {
		if diff := cmp.Diff(c.want, device.Words(&c.d)); diff != "" {
			t.Errorf("%+v: %s", c.d, diff)
		}
	}
	long := device.Words(&device.Device{Name: strings.Repeat("xø ", 3000), HostName: "y" + strings.Repeat("ø", 3000)})
	for _, w := range long {
		if len(w) > 64 || !utf8.ValidString(w) {
			t.Errorf("%q is kept", w)
		}
	}
	many := ""
	for i := range 300 {
		many += string(rune('a'+i%26)) + string(rune('a'+i/26)) + " "
	}
	if n := len(device.Words(&device.Device{Name: many, HostName: many, UserIdentity: many})); n > 64 {
		t.Errorf("%d words are kept", n)
	}
}

func TestSearchWords(t *testing.T) {
	for search, want := range map[string][]string{
		"": nil, " \t\n": nil, "Kari  LAB-07 kari": {"kari", "lab-07"}, "00-0C-29-00-00-01": {"000c29000001"}, "00:0c": {"00:0c"},
		"\xff": {"\uFFFD"}, "x\x00y": {"x", "y"}, strings.Repeat("z", 500): {strings.Repeat("z", 64)},
	} {
		got, err := device.SearchWords(search)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %s, %v", search, diff, err)
		}
	}
	_, err := device.SearchWords("1 2 3 4 5 6 7 8 9")
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("nine words: %v", err)
	}
}
