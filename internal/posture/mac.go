package posture

import (
	"encoding/hex"
	"net"
	"strings"
)

// MAC is a 48-bit adapter address.
type MAC [6]byte

// ParseMAC reads an adapter address in any common writing: colons, hyphens, dots or nothing between the digits, any
// case. It refuses longer addresses (EUI-64, InfiniBand): they name no Ethernet or Wi-Fi adapter.
func ParseMAC(s string) (MAC, bool) {
	var m MAC
	if len(s) == 12 {
		_, err := hex.Decode(m[:], []byte(s))
		return m, err == nil
	}
	if len(s) != 17 && len(s) != 14 {
		return MAC{}, false
	}
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != len(m) {
		return MAC{}, false
	}
	copy(m[:], hw)
	return m, true
}

// String gives lower-case digits with colons, as the reference writes them.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var b [17]byte
	for i, v := range m {
		b[i*3], b[i*3+1] = digits[v>>4], digits[v&15]
		if i < 5 {
			b[i*3+2] = ':'
		}
	}
	return string(b[:])
}

// LocallyAdministered reports whether the address was made up rather than burnt in: a randomised Wi-Fi address, a
// virtual adapter.
func (m MAC) LocallyAdministered() bool { return m[0]&2 != 0 }

// Identifies reports whether the address can tell one machine from another: universally administered, not multicast,
// not all zeros.
func (m MAC) Identifies() bool { return m[0]&3 == 0 && m != MAC{} }

// placeholders are what firmware reports where its maker wrote no serial number.
var placeholders = map[string]bool{
	"default string": true, "to be filled by o.e.m.": true, "to be filled by o.e.m": true, "system serial number": true,
	"not specified": true, "not applicable": true, "not available": true, "none": true, "n/a": true, "na": true,
	"unknown": true, "invalid": true, "empty": true, "o.e.m.": true, "oem": true, "null": true, "serial": true,
	"chassis serial number": true, "base board serial number": true, "system product name": true,
	"0123456789": true, "1234567890": true, "123456789": true, "12345678": true,
	"03000200-0400-0500-0006-000700080009": true,
}

// IdentifyingNumber normalises a serial number or hardware id (trimmed, lower case), and gives "" for one that
// identifies nothing: a placeholder, or the same character over and over.
func IdentifyingNumber(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) < 4 || placeholders[s] {
		return ""
	}
	first := rune(0)
	for _, r := range s {
		if r == '-' || r == ' ' || r == '.' || r == ':' {
			continue
		}
		if first == 0 {
			first = r
		}
		if r != first {
			return s
		}
	}
	return ""
}
