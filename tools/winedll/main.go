// Command winedll writes the bcryptprimitives.dll that Wine 8.0 lacks and every Go program for Windows asks for: one function,
// ProcessPrng, which it hands on to one of Wine's own that does the same. It is for trying the agent, and never shipped.
//
//	winedll $WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: winedll FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], library(), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "winedll:", err)
		os.Exit(1)
	}
}

const (
	section = 0x1000 // where the only section is in memory
	aligned = 0x200  // what begins in the file begins at a multiple of it
)

// exports is the directory of what the library has: one name that is a forwarder.
func exports() []byte {
	const head = 40 // IMAGE_EXPORT_DIRECTORY
	const functions, names, ordinals = head, head + 4, head + 8
	const texts = head + 10
	library, function, target := "bcryptprimitives.dll\x00", "ProcessPrng\x00", "advapi32.SystemFunction036\x00"
	at := func(offset int) uint32 { return uint32(section + offset) }
	functionAt := texts + len(library)
	var b bytes.Buffer
	put(&b, uint32(0), uint32(0), uint32(0), at(texts), uint32(1), uint32(1), uint32(1), at(functions), at(names), at(ordinals))
	put(&b, at(functionAt+len(function)), at(functionAt), uint16(0))
	b.WriteString(library + function + target)
	return b.Bytes()
}

// library is the whole file, in the format PE32+ for amd64.
func library() []byte {
	data := exports()
	var b bytes.Buffer
	b.WriteString("MZ")
	b.Write(make([]byte, 58))
	put(&b, uint32(64))
	b.WriteString("PE\x00\x00")
	// IMAGE_FILE_HEADER: amd64, one section, a library.
	put(&b, uint16(0x8664), uint16(1), uint32(0), uint32(0), uint32(0), uint16(240), uint16(0x2022))
	// IMAGE_OPTIONAL_HEADER64
	put(&b, uint16(0x20b), uint16(14), uint32(0), uint32(aligned), uint32(0), uint32(0), uint32(section))
	put(&b, uint64(0x180000000), uint32(section), uint32(aligned), uint16(6), uint16(0), uint16(0), uint16(0), uint16(6), uint16(0))
	put(&b, uint32(0), uint32(2*section), uint32(aligned), uint32(0), uint16(3), uint16(0x160))
	put(&b, uint64(1<<20), uint64(section), uint64(1<<20), uint64(section), uint32(0), uint32(16))
	put(&b, uint32(section), uint32(len(data)))
	b.Write(make([]byte, 15*8)) // the other directories
	// IMAGE_SECTION_HEADER: data that is only read.
	b.WriteString(".rdata\x00\x00")
	put(&b, uint32(len(data)), uint32(section), uint32(aligned), uint32(aligned), uint32(0), uint32(0), uint32(0), uint32(0x40000040))
	return append(fill(b.Bytes()), fill(data)...)
}

func put(b *bytes.Buffer, fields ...any) {
	for _, f := range fields {
		if err := binary.Write(b, binary.LittleEndian, f); err != nil {
			panic(err) // a buffer takes all, and each is of fixed size
		}
	}
}

// fill makes it as long as a part of the file has to be.
func fill(b []byte) []byte { return append(b, make([]byte, aligned-len(b)%aligned)...) }
