package feed

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"
)

// packed is a file to be packed.
type packed struct {
	name string
	data []byte
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func zstded(data []byte) []byte {
	w, _ := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	return w.EncodeAll(data, nil)
}

// xzed makes an xz file without packing anything: no library here writes them.
func xzed(data []byte) []byte { return xzWith(data, 0x10) }

func xzWith(data []byte, dictionary byte) []byte {
	le, be := binary.LittleEndian, binary.BigEndian
	sum := func(b []byte) []byte { return le.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	padded := func(b []byte) []byte {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	varint := func(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }
	flags := []byte{0, 1} // a CRC32 for each block
	block := sum([]byte{2, 0, 0x21, 1, dictionary, 0, 0, 0})
	control := byte(1) // reset the dictionary
	for rest := data; len(rest) > 0; control = 2 {
		n := min(len(rest), 1<<16)
		block = append(be.AppendUint16(append(block, control), uint16(n-1)), rest[:n]...)
		rest = rest[n:]
	}
	block = append(block, 0)
	size := len(block) + 4
	block = le.AppendUint32(padded(block), crc32.ChecksumIEEE(data))
	index := sum(padded(varint(varint(varint([]byte{0}, 1), size), len(data))))
	footer := append(le.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out := append([]byte("\xfd7zXZ\x00"), sum(flags)...)
	out = append(append(out, block...), index...)
	return append(append(le.AppendUint32(out, crc32.ChecksumIEEE(footer)), footer...), "YZ"...)
}

func tarred(files ...packed) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "folder/", Typeflag: tar.TypeDir, Mode: 0o755})
	for _, f := range files {
		_ = w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644})
		_, _ = w.Write(f.data)
	}
	_ = w.Close()
	return b.Bytes()
}

// zipped packs files one way or another; streamed, their sizes follow them.
func zipped(method uint16, streamed bool, files ...packed) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	_, _ = w.Create("folder/")
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: method}
		if streamed {
			part, _ := w.CreateHeader(h)
			_, _ = part.Write(f.data)
			continue
		}
		data := f.data
		if method == zip.Deflate {
			data = deflated(f.data)
		}
		h.CRC32 = crc32.ChecksumIEEE(f.data)
		h.CompressedSize64, h.UncompressedSize64 = uint64(len(data)), uint64(len(f.data))
		part, _ := w.CreateRaw(h)
		_, _ = part.Write(data)
	}
	_ = w.SetComment("a comment")
	_ = w.Close()
	return b.Bytes()
}

func deflated(data []byte) []byte {
	packed := gzipped(data)
	return packed[10 : len(packed)-8]
}

// containers are the same three records, packed in all ways.
func containers() map[string][]byte {
	b := []byte(strings.Replace(osvA, "A-1", "B-1", 1))
	c := []byte(strings.Replace(osvA, "A-1", "C-1", 1))
	lines := []byte(osvA + "\n" + string(b) + "\n" + string(c) + "\n")
	files := []packed{{"a.json", []byte(osvA)}, {"README.md", []byte("# {")}, {"x/b.json", b}, {"other.json", []byte(`{"fetchTime":"x"}`)},
		{".hidden.json", []byte("{")}, {"empty.json", nil}, {"../c.json", c}}
	mixed := []packed{{"a.json.gz", gzipped([]byte(osvA))}, {"b.zip", zipped(zip.Deflate, true, packed{"b.json", b})},
		{"c.tar.xz", xzed(tarred(packed{"c.json.zst", zstded(c)}))}}
	return map[string][]byte{
		"plain":            lines,
		"gz":               gzipped(lines),
		"gz of two parts":  append(gzipped([]byte(osvA)), gzipped(lines[len(osvA):])...),
		"xz":               xzed(lines),
		"xz of two parts":  append(xzed([]byte(osvA)), xzed(lines[len(osvA):])...),
		"zst":              zstded(lines),
		"zst in parts":     append([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}, zstded(lines)...),
		"tar":              tarred(files...),
		"tar.gz":           gzipped(tarred(files...)),
		"tar.xz":           xzed(tarred(files...)),
		"tar.zst":          zstded(tarred(files...)),
		"zip streamed":     zipped(zip.Deflate, true, files...),
		"zip":              zipped(zip.Deflate, false, files...),
		"zip stored":       zipped(zip.Store, false, files...),
		"zip.zip":          zipped(zip.Store, false, packed{"all.zip", zipped(zip.Deflate, true, files...)}),
		"zip.zip deflated": zipped(zip.Deflate, true, packed{"all.zip", zipped(zip.Deflate, false, files...)}),
		"mixed tar":        tarred(mixed...),
		"mixed zip":        zipped(zip.Deflate, true, mixed...),
	}
}

func TestContainers(t *testing.T) {
	for name, data := range containers() {
		g := readWith("all", bytes.NewReader(data), Options{})
		if g.err != nil || g.ids() != "A-1 B-1 C-1" {
			t.Errorf("%s: %v, %v", name, g.ids(), g.err)
		}
		if strings.HasPrefix(name, "zip") && g.head.Ignored != 4 {
			t.Errorf("%s: %d files were ignored", name, g.head.Ignored)
		}
	}
	g := readWith("all.tar", bytes.NewReader(containers()["mixed tar"]), Options{})
	if got := strings.Join(g.paths, "; "); got != "all.tar > a.json.gz; all.tar > b.zip > b.json; all.tar > c.tar.xz > c.json.zst" {
		t.Error(got)
	}
}

// A file that is cut anywhere is an error, of whatever kind it is, and never a feed with fewer entries.
func TestContainersCutShort(t *testing.T) {
	for name, data := range containers() {
		if name == "plain" || strings.HasSuffix(name, "of two parts") {
			continue // may end after any record
		}
		for n := 0; n < len(data); n += 1 + len(data)/100 {
			if strings.HasPrefix(name, "tar.") || !strings.HasPrefix(name, "tar") || n < len(data)-endBlocks {
				g := readWith("all", bytes.NewReader(data[:n]), Options{})
				if g.err == nil {
					t.Errorf("%s: cut at %d of %d bytes gives %q", name, n, len(data), g.ids())
				}
			}
		}
		if g := readWith("all", bytes.NewReader(append(data[:len(data):len(data)], "more"...)), Options{}); g.err == nil {
			t.Errorf("%s: something that follows is no error", name)
		}
	}
}

// A byte that was changed is noticed by every form that has checksums, or changes nothing.
func TestContainersDamaged(t *testing.T) {
	all := containers()
	for _, name := range []string{"gz", "xz", "zst", "tar.xz", "zip", "zip streamed", "zip stored"} {
		data := all[name]
		for i := 0; i < len(data); i += 1 + len(data)/200 {
			changed := bytes.Clone(data)
			changed[i] ^= 0x10
			g := readWith("all", bytes.NewReader(changed), Options{})
			if g.err == nil && g.ids() != "A-1 B-1 C-1" && !strings.HasPrefix(name, "zip") {
				t.Errorf("%s: byte %d changed gives %q", name, i, g.ids())
			}
			if g.err == nil && len(g.entries) != 3 {
				t.Errorf("%s: byte %d changed gives %q", name, i, g.ids())
			}
		}
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	broken := packed{"deep/x.json", []byte(osvA[:100])}
	g := readWith("all.zip", bytes.NewReader(zipped(zip.Deflate, true, packed{"a.json", []byte(osvA)}, broken)), Options{})
	g.fails(t, "all.zip > deep/x.json: the file is cut short: its JSON breaks off at byte 100")
	g = readWith("a.gz", bytes.NewReader(gzipped([]byte(osvA))[:80]), Options{})
	g.fails(t, "a.gz: the file is cut short at byte 80")
	g = readWith("a.tar", bytes.NewReader(tarred(packed{"a\x1b[2J.json", []byte("{\"id\":\"x\"")})), Options{})
	g.fails(t, `a.tar > "a\x1b[2J.json": the file is cut short`)
	for _, tc := range []struct {
		change func([]byte)
		want   string
	}{
		{func(b []byte) { b[6] |= 1 }, "encrypted"},
		{func(b []byte) { b[8] = 12 }, "method 12"},
		{func(b []byte) { b[14] ^= 1 }, "checksum or size differ"},
		{func(b []byte) { b[len(b)-22-46-6+16] ^= 1 }, "names 1 files that are not those found, 1"},
	} {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		part, _ := w.CreateRaw(&zip.FileHeader{Name: "a.json", CRC32: crc32.ChecksumIEEE([]byte(osvA)),
			CompressedSize64: uint64(len(osvA)), UncompressedSize64: uint64(len(osvA))})
		_, _ = io.WriteString(part, osvA)
		_ = w.Close()
		data := b.Bytes()
		tc.change(data)
		readWith("a.zip", bytes.NewReader(data), Options{}).fails(t, tc.want)
	}
}

func TestSeveralFormatsInOne(t *testing.T) {
	kev := `{"catalogVersion":"1","count":1,"vulnerabilities":[{"cveID":"CVE-2026-0001"}]}`
	data := tarred(packed{"a.json", []byte(osvA)}, packed{"kev.json", []byte(kev)})
	readWith("all.tar", bytes.NewReader(data), Options{}).fails(t, "all.tar > kev.json: it holds kev, and what was read before osv")
	readWith("all.tar", bytes.NewReader(tarred(packed{"a.txt", []byte(osvA)})), Options{}).fails(t, "no feed was found")
	readWith("all.gz", bytes.NewReader(gzipped([]byte("text"))), Options{}).fails(t, "none of the feeds")
}

func TestBombs(t *testing.T) {
	zeros := packed{"a.txt", make([]byte, 20<<20)} // nobody looks into it, but it is unpacked
	nest := []byte(osvA)
	for range 8 {
		nest = gzipped(nest)
	}
	for name, tc := range map[string]struct {
		data []byte
		lim  Limits
		want string
	}{
		"ratio of gz":    {gzipped(tarred(zeros)), Limits{Ratio: 100}, "more than 100 times its size"},
		"ratio of zip":   {zipped(zip.Deflate, true, zeros), Limits{Ratio: 100}, "more than 100 times its size"},
		"ratio of zst":   {zstded(tarred(zeros)), Limits{Ratio: 100}, "more than 100 times its size"},
		"in all":         {tarred(packed{"a.gz", gzipped(tarred(zeros))}, packed{"b.gz", gzipped(tarred(zeros))}), Limits{Total: 30 << 20, Ratio: 1e6}, "unpacked it is larger than 30 MiB"},
		"depth":          {nest, Limits{}, "more than 6 containers within each other"},
		"files":          {tarred(packed{"a", nil}, packed{"b", nil}, packed{"c", nil}), Limits{Entries: 2}, "more than 2 files"},
		"memory of xz":   {xzWith([]byte(osvA), 0x1e), Limits{Window: 1 << 20}, "more than 1 MiB of memory"},
		"memory of xz 2": {xzWith([]byte(osvA), 40), Limits{}, "more than 128 MiB of memory"},
	} {
		g := readWith("bomb", bytes.NewReader(tc.data), Options{Limits: tc.lim})
		if g.err == nil || !strings.Contains(g.err.Error(), tc.want) {
			t.Errorf("%s: %v", name, g.err)
		}
	}
}

func TestReadFS(t *testing.T) {
	folder := fstest.MapFS{
		"b/b.json":        {Data: []byte(strings.Replace(osvA, "A-1", "B-1", 1))},
		"a.json.gz":       {Data: gzipped([]byte(osvA))},
		"LICENSE":         {Data: []byte("{")},
		".git/x.json":     {Data: []byte("{")},
		"notes/note.json": {Data: []byte(`{"x":1}`)},
	}
	var paths []string
	h, err := ReadFS("feeds", folder, Options{}, func(i Item) error { paths = append(paths, i.Path); return nil })
	if err != nil || fmt.Sprint(paths) != "[feeds/a.json.gz feeds/b/b.json]" || h.Files != 2 || h.Ignored != 1 {
		t.Errorf("%v, %v, %+v", err, paths, h)
	}
	delete(folder, "a.json.gz")
	delete(folder, "b/b.json")
	if _, err := ReadFS("feeds", folder, Options{}, nil); err == nil || err.Error() != "feeds: no feed was found in it" {
		t.Error(err)
	}
}

// largeForm is a zip archive with one stored file, with all numbers in the form for large archives.
func largeForm(name string, data []byte) []byte {
	le := binary.LittleEndian
	const none = 0xffffffff
	numbers := func(b []byte, values ...int) []byte {
		b = le.AppendUint16(le.AppendUint16(b, 1), uint16(8*len(values)))
		for _, v := range values {
			b = le.AppendUint64(b, uint64(v))
		}
		return b
	}
	sum := crc32.ChecksumIEEE(data)
	sizes := func(b []byte) []byte { return le.AppendUint32(le.AppendUint32(le.AppendUint32(b, sum), none), none) }
	local := le.AppendUint32(nil, zipLocal)
	local = append(local, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	local = le.AppendUint16(le.AppendUint16(sizes(local), uint16(len(name))), 4+5+4+16)
	local = append(append(local, name...), 0x99, 0x99, 5, 0, 1, 2, 3, 4, 5) // a field that is not known comes first
	local = append(numbers(local, len(data), len(data)), data...)
	directory := le.AppendUint32(nil, zipDirectory)
	directory = append(directory, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	directory = le.AppendUint16(le.AppendUint16(sizes(directory), uint16(len(name))), 4+24)
	directory = append(directory, make([]byte, 10)...)
	directory = append(le.AppendUint32(directory, none), name...)
	directory = numbers(directory, len(data), len(data), 0)
	end := le.AppendUint64(le.AppendUint32(nil, zipEnd64), 44)
	end = append(end, make([]byte, 44)...)
	end = append(le.AppendUint32(end, zipLocator64), make([]byte, 16)...)
	end = append(le.AppendUint32(end, zipEnd), make([]byte, 18)...)
	return append(append(local, directory...), end...)
}

func TestLargeZip(t *testing.T) {
	data := largeForm("a.json", []byte(osvA))
	if g := readWith("a.zip", bytes.NewReader(data), Options{}); g.err != nil || g.ids() != "A-1" {
		t.Error(g.err, g.ids())
	}
	for n := range data {
		if g := readWith("a.zip", bytes.NewReader(data[:n]), Options{}); g.err == nil {
			t.Errorf("cut at %d of %d bytes is no error", n, len(data))
		}
	}
	other := bytes.Clone(data)
	other[len(other)-22-20-56-8] ^= 1 // where the directory says that the file begins
	readWith("a.zip", bytes.NewReader(other), Options{}).fails(t, "that are not those found")
}
