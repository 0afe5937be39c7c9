package linux

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"

	"muster/internal/agent/host"
)

// programWith makes a program of nothing but the names of its sections, which say of themselves what they like.
func programWith(flags elf.SectionFlag, size uint64, names []byte) []byte {
	var b bytes.Buffer
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: 64, Ehsize: 64, Shentsize: 64, Shnum: 2, Shstrndx: 1,
	}
	copy(header.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	for _, part := range []any{
		header, elf.Section64{},
		elf.Section64{Type: uint32(elf.SHT_STRTAB), Flags: uint64(flags), Off: 192, Size: size, Addralign: 1}, names,
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// packed makes zeros without an end look like a section.
func packed(t *testing.T, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, elf.Chdr64{Type: uint32(elf.COMPRESS_ZLIB), Size: uint64(size), Addralign: 1}); err != nil {
		t.Fatal(err)
	}
	w := zlib.NewWriter(&b)
	for range size >> 20 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestProgramsThatAskForMemory: a small file that anybody may have put there costs no more than it is.
func TestProgramsThatAskForMemory(t *testing.T) {
	const much = 64 << 20
	bomb := packed(t, much)
	for name, program := range map[string][]byte{
		"names without an end": programWith(0, much, nil),
		"packed names":         programWith(elf.SHF_COMPRESSED, uint64(len(bomb)), bomb),
	} {
		root := t.TempDir()
		path := filepath.Join(root, "program")
		if err := os.WriteFile(path, program, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 2*much); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found := goModules(&host.Host{Files: os.DirFS(root)}, "program")
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; found != nil || took > 24<<20 {
			t.Errorf("%s: %v, and it took %d bytes", name, found, took)
		}
	}
}

// TestProgramThatChanges: what was looked at stays, whatever becomes of the file.
func TestProgramThatChanges(t *testing.T) {
	before := programWith(0, 10, []byte("\x00.shstrtab\x00"))
	after := programWith(elf.SHF_COMPRESSED, 1<<40, nil)
	file := bytes.Clone(before)
	e, ok := newELF(bytes.NewReader(file))
	if !ok {
		t.Fatal("it was not taken for a program")
	}
	copy(file, after)
	got := make([]byte, 192)
	if _, err := e.ReadAt(got, 0); err != nil || !bytes.Equal(got, before[:192]) {
		t.Errorf("%v, %x", err, got)
	}
	middle := make([]byte, 40)
	if _, err := e.ReadAt(middle, 100); err != nil || !bytes.Equal(middle, before[100:140]) {
		t.Errorf("%v, %x", err, middle)
	}
	if _, err := e.ReadAt(make([]byte, maxELF), 0); err == nil {
		t.Error("everything was read")
	}
}

// FuzzELF: whatever is read of a program, none is larger than it may be.
func FuzzELF(f *testing.F) {
	f.Add(programWith(0, 10, []byte("\x00.shstrtab\x00")))
	f.Add(programWith(elf.SHF_COMPRESSED, 1<<40, nil))
	own, err := os.ReadFile("/proc/self/exe")
	if err == nil && len(own) > 1<<16 {
		f.Add(own[:1<<16])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h := &host.Host{Files: fstest.MapFS{"program": {Data: raw}}}
		for _, a := range goModules(h, "program") {
			if a.Name == "" || a.Version == "" {
				t.Errorf("%+v", a)
			}
		}
	})
}
