package common_test

import (
	"testing"

	"muster/internal/agent/common"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	const uuid, digits = "4C4C4544-0042-3510-8054-B5C04F4D3432", "4c4c45440042351080 54b5c04f4d3432"
	// The values must never change: each would make all machines new ones. openssl dgst -sha256 -hmac gives the same.
	if got, ok := common.HardwareID(uuid); !ok || got != "c0c07dd4aff3fdd1e9e12e34086d9f19" {
		t.Errorf("hardware id %q", got)
	}
	if got, ok := common.MachineID("b08dfa6083e7567a1921a715000001fb\n"); !ok || got != "9d70f5434d525c3a765fdb7b101134d5" {
		t.Errorf("machine id %q", got)
	}
	for _, other := range []string{"{4c4c4544-0042-3510-8054-b5c04f4d3432}", "4c4c4544004235108054b5c04f4d3432\n"} {
		a, _ := common.HardwareID(uuid)
		if b, ok := common.HardwareID(other); !ok || a != b {
			t.Errorf("%q is the same id, and made %q of it instead of %q", other, b, a)
		}
	}
	for _, bad := range []string{
		"", "\n", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "03000200-0400-0500-0006-000700080009",
		"4C4C4544-0000-2010-8020-80C04F202020", "Not Settable", "4C4C4544-0042-3510-8054", digits,
	} {
		if got, ok := common.HardwareID(bad); ok {
			t.Errorf("%q made the id %q", bad, got)
		}
	}
	for _, bad := range []string{"", "uninitialized\n", "00000000000000000000000000000000"} {
		if got, ok := common.MachineID(bad); ok {
			t.Errorf("%q made the id %q", bad, got)
		}
	}
}

func TestIsSerial(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"B5BTM42", "C02XK1ZHJG5M", "PF2ABCDE", "VMware-56 4d a1 b2", "MJ00123", "10000000abcdef01"} {
		if !common.IsSerial(s) {
			t.Errorf("%q is a serial number", s)
		}
	}
	for _, s := range []string{
		"", " ", "Default string", "To Be Filled By O.E.M.", "To be filled by O.E.M.", "System Serial Number", "0", "00000000", "XXXXXXX", "None",
		"N/A", "Not Specified", "INVALID", "123456789", "0123456789", "1234567890", "................", "System Product Name",
	} {
		if common.IsSerial(s) {
			t.Errorf("%q is no serial number", s)
		}
	}
}

func FuzzIDs(f *testing.F) {
	f.Add("4C4C4544-0042-3510-8054-B5C04F4D3432")
	f.Add("Default string")
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := common.HardwareID(s); ok != (len(id) == 32) {
			t.Errorf("%q: %q", s, id)
		}
		if id, ok := common.MachineID(s); ok != (len(id) == 32) {
			t.Errorf("%q: %q", s, id)
		}
		common.IsSerial(s)
	})
}
