package linux

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
)

// elfFile is a program that may be anybody's, for debug/elf to read. That takes whatever sizes the program's tables name, and
// unpacks what they call packed: some kilobytes on the disk could ask for all memory there is. So the tables are read and
// looked at first, and stay as they were looked at whatever becomes of the file; and of the rest so much is read and no more.
type elfFile struct {
	r             io.ReaderAt
	header, table []byte
	tableAt       int64
	left          int
}

// Bounds of a program in Go. The largest have some dozens of sections, whose names take less than a kilobyte, and 100 kB
// of modules.
const (
	maxSections = 1000
	maxNames    = 1 << 20
	maxELF      = 16 << 20
)

// newELF looks at the tables of a program; false for what is none of a common kind.
func newELF(r io.ReaderAt) (*elfFile, bool) {
	header := make([]byte, 64)
	if _, err := r.ReadAt(header, 0); err != nil || string(header[:4]) != elf.ELFMAG {
		return nil, false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(header[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	var at int64
	var size, count, names int
	switch elf.Class(header[elf.EI_CLASS]) {
	case elf.ELFCLASS64:
		at, size = int64(min(order.Uint64(header[40:]), 1<<62)), 64
		count, names = int(order.Uint16(header[60:])), int(order.Uint16(header[62:]))
		if int(order.Uint16(header[58:])) != size {
			return nil, false
		}
	case elf.ELFCLASS32:
		at, size = int64(order.Uint32(header[32:])), 40
		count, names = int(order.Uint16(header[48:])), int(order.Uint16(header[50:]))
		if int(order.Uint16(header[46:])) != size {
			return nil, false
		}
	default:
		return nil, false
	}
	if count == 0 || count > maxSections || names >= count {
		return nil, false
	}
	table := make([]byte, count*size)
	if _, err := r.ReadAt(table, at); err != nil {
		return nil, false
	}
	for i := range count {
		section := table[i*size : (i+1)*size]
		flags, length := uint64(order.Uint32(section[8:])), uint64(order.Uint32(section[20:]))
		if size == 64 {
			flags, length = order.Uint64(section[8:]), order.Uint64(section[32:])
		}
		if i == names && (length > maxNames || elf.SectionFlag(flags)&elf.SHF_COMPRESSED != 0) {
			return nil, false
		}
	}
	return &elfFile{r: r, header: header, table: table, tableAt: at, left: maxELF}, true
}

var errTooLarge = errors.New("more is to be read than there can be of a program's modules")

// ReadAt reads the file, but for what was looked at.
func (e *elfFile) ReadAt(p []byte, off int64) (int, error) {
	if len(p) > e.left {
		return 0, errTooLarge
	}
	n, err := e.r.ReadAt(p, off)
	e.left -= n
	over(p[:n], off, e.header, 0)
	over(p[:n], off, e.table, e.tableAt)
	return n, err
}

// over writes what is known of a file over what was read of it, where both are of the same part.
func over(read []byte, readAt int64, known []byte, knownAt int64) {
	from, to := max(readAt, knownAt), min(readAt+int64(len(read)), knownAt+int64(len(known)))
	if from < to {
		copy(read[from-readAt:to-readAt], known[from-knownAt:])
	}
}
