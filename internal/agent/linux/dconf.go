package linux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
)

// dconfDatabase is a compiled database of dconf, as far as it is wanted here: flags, numbers, and which keys its users may
// not change.
type dconfDatabase struct {
	flags   map[string]bool
	numbers map[string]uint32
	locks   map[string]bool
}

// Parts of the format (GVDB): a signature, then a table of hashes, whose items have 24 bytes. Numbers are in the order of
// the machine, which is little on all of ours.
const (
	dconfSignature = "GVariant"
	dconfHeader    = 24
	dconfItem      = 24
	dconfDepth     = 32
	dconfNoParent  = 0xffffffff
)

var errNoDconf = errors.New("it is no database of dconf that can be read")

// parseDconf reads a compiled database.
func parseDconf(raw []byte) (dconfDatabase, error) {
	db := dconfDatabase{flags: map[string]bool{}, numbers: map[string]uint32{}, locks: map[string]bool{}}
	if len(raw) < dconfHeader || string(raw[:8]) != dconfSignature {
		return db, errNoDconf
	}
	items, ok := dconfItems(dconfRange(raw, raw[16:24]))
	if !ok {
		return db, errNoDconf
	}
	for i := range items {
		name := dconfName(raw, items, i)
		value := dconfRange(raw, items[i][16:24])
		switch kind := items[i][14]; {
		case kind == 'H' && name == ".locks":
			locks, ok := dconfItems(value)
			if !ok {
				return db, errNoDconf
			}
			for j := range locks {
				db.locks[dconfName(raw, locks, j)] = true
			}
		case kind == 'v' && len(value) == 3 && bytes.HasSuffix(value, []byte("\x00b")):
			db.flags[name] = value[0] != 0
		case kind == 'v' && len(value) == 6 && bytes.HasSuffix(value, []byte("\x00u")):
			db.numbers[name] = binary.LittleEndian.Uint32(value)
		}
	}
	return db, nil
}

// dconfRange gives the bytes that a pointer, a start and an end, points to; none where it points elsewhere.
func dconfRange(raw, pointer []byte) []byte {
	start, end := uint64(binary.LittleEndian.Uint32(pointer)), uint64(binary.LittleEndian.Uint32(pointer[4:]))
	if start > end || end > uint64(len(raw)) {
		return nil
	}
	return raw[start:end]
}

// dconfItems gives the items of a table.
func dconfItems(table []byte) ([][]byte, bool) {
	if len(table) < 8 {
		return nil, false
	}
	bloom := uint64(binary.LittleEndian.Uint32(table) & (1<<27 - 1))
	buckets := uint64(binary.LittleEndian.Uint32(table[4:]))
	skip := 8 + 4*(bloom+buckets)
	if skip > uint64(len(table)) {
		return nil, false
	}
	var items [][]byte
	for rest := table[skip:]; len(rest) >= dconfItem; rest = rest[dconfItem:] {
		items = append(items, rest[:dconfItem])
	}
	return items, true
}

// dconfName puts the name of an item together from those of the items that it is in.
func dconfName(raw []byte, items [][]byte, i int) string {
	var parts []string
	at := uint32(i)
	for range dconfDepth {
		if uint64(at) >= uint64(len(items)) {
			break
		}
		item := items[at]
		start, size := uint64(binary.LittleEndian.Uint32(item[8:])), uint64(binary.LittleEndian.Uint16(item[12:]))
		if start+size > uint64(len(raw)) {
			return ""
		}
		parts = append(parts, string(raw[start:start+size]))
		if at = binary.LittleEndian.Uint32(item[4:]); at == dconfNoParent {
			break
		}
	}
	var name strings.Builder
	for j := len(parts) - 1; j >= 0; j-- {
		name.WriteString(parts[j])
	}
	return name.String()
}
