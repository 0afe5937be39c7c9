package store

import (
	"strconv"
	"strings"

	"muster/internal/device"
)

// device_words does not say which field of a device a word is from, and what is private may be among them: it was there
// before the account said so, and the addresses always are. Where anything is, a device that a word leads to has to have it
// in a field that may be shown as well. Those fields are read as they are, so that what an account decides holds at once.

// shownWord gives the condition that a word stands in a field that may be shown; none where all may.
func shownWord(word string, hidden device.Privacy) []condition {
	if !hidden.HostName && !hidden.SerialNumber && !hidden.UserName && !hidden.MACAddress {
		return nil
	}
	var c condition
	for _, field := range []struct {
		column string
		hidden bool
	}{
		{"d.host_name", hidden.HostName}, {"d.name", hidden.HostName}, {"d.serial", hidden.SerialNumber},
		// Many agents make the hardware id of the serial number, or take it for that.
		{"d.hardware_id", hidden.SerialNumber}, {"d.user_identity", hidden.UserName},
		{"d.link_username", false}, {"d.linked_id", false},
	} {
		if !field.hidden {
			// LOWER knows the letters of ASCII only; others are found as they are spelt, small or in capitals.
			lower := "LOWER(" + field.column + ") LIKE ? ESCAPE '\\'"
			c.or(lower+" OR "+lower,
				likeHolding(word), likeHolding(strings.ToUpper(word)))
		}
	}
	if low, high, ok := addressRange(word); ok && !hidden.MACAddress {
		c.or(`EXISTS (SELECT 1 FROM device_adapters a WHERE a.account_id = d.account_id AND a.device_id = d.id
			AND a.is_current = 1 AND a.mac BETWEEN ? AND ?)`, low, high)
	}
	return []condition{c}
}

// addressRange gives the addresses that begin with a word: digits, with or without colons.
func addressRange(word string) (low, high int64, ok bool) {
	const digits = 12
	hex := strings.ReplaceAll(word, ":", "")
	if hex == "" || len(hex) > digits {
		return 0, 0, false
	}
	low, err := strconv.ParseInt(hex+strings.Repeat("0", digits-len(hex)), 16, 64)
	if err != nil {
		return 0, 0, false
	}
	high, err = strconv.ParseInt(hex+strings.Repeat("f", digits-len(hex)), 16, 64)
	return low, high, err == nil
}
