package windows

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"muster/internal/agent/collect"
)

// firmware is what is read of the SMBIOS table.
type firmware struct {
	vendor, model, serial string
	uuid                  string // "" where there is none
	chassis               []byte // kinds, as DSP0134 numbers them
	battery               bool
}

// Kinds of structures.
const (
	smbiosSystem  = 1
	smbiosChassis = 3
	smbiosBattery = 22
	smbiosEnd     = 127
)

// parseFirmware reads the SMBIOS table as GetSystemFirmwareTable gives it: RawSMBIOSData, whose last member is the table
// of DSP0134.
func parseFirmware(raw []byte) (firmware, error) {
	const head = 8
	if len(raw) < head {
		return firmware{}, errors.New("the SMBIOS table is cut off")
	}
	mixedEndian := binary.BigEndian.Uint16(raw[1:3]) >= 0x0206
	table := raw[head:]
	if n := binary.LittleEndian.Uint32(raw[4:8]); uint64(n) < uint64(len(table)) {
		table = table[:n]
	}
	var f firmware
	found := false
	for len(table) >= 4 {
		kind, size := table[0], int(table[1])
		if size < 4 || size > len(table) {
			break
		}
		fields, texts := table[:size], table[size:]
		end := bytes.Index(texts, []byte{0, 0})
		if end < 0 {
			break
		}
		table, texts = texts[end+2:], texts[:end]
		switch kind {
		case smbiosSystem:
			if !found {
				found = true
				f.system(fields, texts, mixedEndian)
			}
		case smbiosChassis:
			if size > 5 {
				f.chassis = append(f.chassis, fields[5]&0x7f) // the highest bit says that there is a lock
			}
		case smbiosBattery:
			f.battery = true
		case smbiosEnd:
			table = nil
		}
	}
	if !found {
		return firmware{}, errors.New("the SMBIOS table says nothing of the system")
	}
	return f, nil
}

func (f *firmware) system(fields, texts []byte, mixedEndian bool) {
	text := func(at int) string {
		if at >= len(fields) || fields[at] == 0 {
			return ""
		}
		all := bytes.Split(texts, []byte{0})
		if n := int(fields[at]); n <= len(all) {
			return collect.Plain(strings.ToValidUTF8(string(all[n-1]), ""))
		}
		return ""
	}
	f.vendor, f.model, f.serial = text(4), text(5), text(7)
	if len(fields) >= 24 {
		f.uuid = uuidText(fields[8:24], mixedEndian)
	}
}

// uuidText writes a UUID as people know it. From SMBIOS 2.6 on its first three numbers have their lowest octet first.
func uuidText(b []byte, mixedEndian bool) string {
	u := bytes.Clone(b)
	if mixedEndian {
		u = []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}
		u = append(u, b[8:]...)
	}
	digits := hex.EncodeToString(u)
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}
