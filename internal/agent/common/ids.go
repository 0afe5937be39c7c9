package common

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// The keys are public: they make ids of this product's own from those of firmware and system, so that what stands in a
// report opens nothing that knows a machine by its real id.
const (
	hardwareKey = "muster hardware id"
	machineKey  = "muster machine id"
)

// HardwareID makes the id of the hardware, 32 hex digits, of the UUID in its firmware; false for one that identifies
// nothing. The same machine has the same id under every system.
func HardwareID(uuid string) (string, bool) {
	digits := hexDigits(uuid)
	if len(digits) != 32 || nonsenseUUID(digits) {
		return "", false
	}
	return hashed(hardwareKey, digits), true
}

// MachineID makes the id of the installed system, 32 hex digits, of the one that the system gave itself; false for none.
func MachineID(id string) (string, bool) {
	digits := hexDigits(id)
	if len(digits) != 32 || same(digits) {
		return "", false
	}
	return hashed(machineKey, digits), true
}

func hashed(key, digits string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(digits))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// hexDigits gives the digits of an id in lower case, "" for what is none.
func hexDigits(id string) string {
	id = strings.ToLower(strings.Trim(strings.TrimSpace(id), "{}"))
	id = strings.ReplaceAll(id, "-", "")
	if strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// nonsense are UUIDs that makers of boards left as they found them, so that thousands of machines have them.
var nonsense = []string{
	"03000200040005000006000700080009", "00020003000400050006000700080009", "12345678123456781234567812345678",
	"0123456789abcdef0123456789abcdef", "1234567812345678" + "90abcddeefaabbcc", "fefefefefefefefefefefefefefefefe",
	"4c4c4544000020108020" + "80c04f202020", // a maker's pattern around an empty serial number
}

func nonsenseUUID(digits string) bool { return same(digits) || slices.Contains(nonsense, digits) }

// same reports whether a text is one character again and again.
func same(s string) bool { return strings.Trim(s, s[:1]) == "" }

// IsSerial reports whether a serial number (or a name of a maker or a model) is one, and not what firmware says where
// nobody filled it in.
func IsSerial(s string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" || same(s) {
		return false
	}
	if slices.Contains(placeholders, strings.Trim(s, " .-_*[]<>()")) {
		return false
	}
	return !strings.HasPrefix(s, "to be filled") && !strings.HasPrefix(s, "123456789") && !strings.HasPrefix(s, "0123456789")
}

var placeholders = []string{
	"", "default string", "default", "none", "null", "unknown", "undefined", "empty", "n/a", "na", "not available", "not applicable",
	"not specified", "not present", "not set", "not settable", "invalid", "oem", "o.e.m", "serial", "serial number", "system serial number",
	"system manufacturer", "system product name", "system name", "system version", "product name", "chassis serial number",
	"base board serial number", "sn", "ssn", "no asset tag", "asset tag", "filled by o.e.m", "type2 - board serial number", "1234567", "12345678", "123456",
}
