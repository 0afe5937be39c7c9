package feed

import (
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"hash/fnv"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"

	"muster/internal/errs"
)

// A zip archive is read from its beginning, and not by the directory at its end as the standard library does: one that
// lies within another could be read that way only after it was unpacked whole. The directory is compared with what was
// found once it comes, so that an archive that is cut short or put together by hand is noticed.

// Signatures of the parts of a zip archive.
const (
	zipLocal      = 0x04034b50
	zipDescriptor = 0x08074b50
	zipDirectory  = 0x02014b50
	zipEnd64      = 0x06064b50
	zipLocator64  = 0x07064b50
	zipEnd        = 0x06054b50
)

// Ways in which the files of a zip archive are packed.
const (
	zipStored  = 0
	zipDeflate = 8
)

// Flags of the files in a zip archive.
const (
	zipEncrypted = 1 << 0
	zipStreamed  = 1 << 3 // checksum and sizes follow the file
)

// zipReader goes through a zip archive.
type zipReader struct {
	run     *run
	f       *file
	start   int64 // of the archive in the file
	inflate io.ReadCloser
	found   tally // of the files
	listed  tally // of the directory
}

// tally is a sum over files that does not depend on their order.
type tally struct {
	files uint64
	sum   uint64
}

func (t *tally) add(name string, offset uint64, m *zipMember) {
	h := fnv.New64a()
	for _, v := range []uint64{offset, uint64(m.method), uint64(m.crc), m.packed, m.size} {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, v))
	}
	_, _ = h.Write([]byte(name))
	t.files++
	t.sum += h.Sum64()
}

// zipMember is what an archive says of one of its files.
type zipMember struct {
	flags, method uint16
	crc           uint32
	packed, size  uint64
	offset        uint64 // in the directory only
}

func (r *run) zip(f *file) error {
	z := &zipReader{run: r, f: f, start: f.at()}
	for {
		signature, err := z.signature()
		if err != nil {
			return err
		}
		switch signature {
		case zipLocal:
			err = z.member()
		case zipDirectory:
			err = z.listing()
		case zipEnd64, zipLocator64:
			err = z.skipRecord(signature)
		case zipEnd:
			return z.end()
		default:
			err = f.fault(errs.Invalid, "the archive is damaged at byte %d", f.at())
		}
		if err != nil {
			return err
		}
	}
}

func (z *zipReader) signature() (uint32, error) {
	b, err := z.f.in.Peek(4)
	if err != nil {
		return 0, z.cut(err)
	}
	return binary.LittleEndian.Uint32(b), nil
}

// cut says that the archive does not go on where it has to.
func (z *zipReader) cut(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return z.f.broken(err, z.f.at())
}

// take reads a few bytes.
func (z *zipReader) take(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(z.f.in, b); err != nil {
		return nil, z.cut(err)
	}
	return b, nil
}

// member reads one file, whether it is looked into or not.
func (z *zipReader) member() error {
	offset := uint64(z.f.at() - z.start)
	m, name, err := z.header()
	if err != nil {
		return err
	}
	switch {
	case m.flags&zipEncrypted != 0:
		return z.f.fault(errs.Invalid, "%s in it is encrypted", printable(name))
	case m.method == zipStored && m.flags&zipStreamed != 0 && m.packed == 0 && !strings.HasSuffix(name, "/"):
		return z.f.fault(errs.Invalid, "%s in it is stored without its size, and cannot be read as a stream: pack it again", printable(name))
	case m.method != zipStored && m.method != zipDeflate:
		return z.f.fault(errs.Invalid, "%s in it is packed by method %d, which is not known: pack it again", printable(name), m.method)
	}
	from := z.f.at()
	content, err := z.content(m)
	if err != nil {
		return z.f.broken(err, from)
	}
	sum := &summing{r: content, crc: crc32.NewIEEE()}
	in := &unpacking{run: z.run, file: z.f, from: from, z: sum}
	if !strings.HasSuffix(name, "/") {
		if err := z.run.member(z.f, name, in); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	truth := zipMember{method: m.method, crc: sum.crc.Sum32(), packed: uint64(z.f.at() - from), size: sum.n}
	if err := z.compare(name, m, &truth); err != nil {
		return err
	}
	z.found.add(name, offset, &truth)
	return nil
}

// header reads what stands before a file.
func (z *zipReader) header() (*zipMember, string, error) {
	b, err := z.take(30)
	if err != nil {
		return nil, "", err
	}
	le := binary.LittleEndian
	m := &zipMember{
		flags: le.Uint16(b[6:]), method: le.Uint16(b[8:]), crc: le.Uint32(b[14:]),
		packed: uint64(le.Uint32(b[18:])), size: uint64(le.Uint32(b[22:])),
	}
	name, err := z.take(int(le.Uint16(b[26:])))
	if err != nil {
		return nil, "", err
	}
	extra, err := z.take(int(le.Uint16(b[28:])))
	if err != nil {
		return nil, "", err
	}
	m.wide(extra, &m.size, &m.packed)
	return m, string(name), nil
}

// wide takes the numbers that do not fit into 32 bits from where they are kept then.
func (*zipMember) wide(extra []byte, values ...*uint64) {
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, size := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			return
		}
		if id == 1 {
			field := extra[:size]
			for _, v := range values {
				if *v == 0xffffffff && len(field) >= 8 {
					*v, field = le.Uint64(field), field[8:]
				}
			}
			return
		}
		extra = extra[size:]
	}
}

// content is a file as it was before it was packed. It ends with the file: the archive goes on behind it.
func (z *zipReader) content(m *zipMember) (io.Reader, error) {
	if m.method == zipStored {
		return &exactly{r: z.f.in, left: m.packed}, nil
	}
	if again, ok := z.inflate.(flate.Resetter); ok {
		if err := again.Reset(z.f.in, nil); err != nil {
			return nil, err
		}
	} else {
		z.inflate = flate.NewReader(z.f.in)
	}
	return z.inflate, nil
}

// exactly reads so many bytes and takes an earlier end for an error.
type exactly struct {
	r    io.Reader
	left uint64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(uint64(len(p)), e.left)])
	e.left -= uint64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// summing adds up what passes.
type summing struct {
	r   io.Reader
	crc hash.Hash32
	n   uint64
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	_, _ = s.crc.Write(p[:n])
	s.n += uint64(n)
	return n, err
}

// compare holds a file to what the archive says of it, before the file or behind it.
func (z *zipReader) compare(name string, said, truth *zipMember) error {
	fits := said.crc == truth.crc && said.packed == truth.packed && said.size == truth.size
	if said.flags&zipStreamed != 0 {
		var err error
		if fits, err = z.descriptor(truth); err != nil {
			return err
		}
	}
	if !fits {
		return z.f.fault(errs.Invalid, "%s in it is damaged: checksum or size differ", printable(name))
	}
	return nil
}

// descriptor reads the checksum and sizes that follow a file. It may begin with a signature or not, and have numbers of
// 32 bits or of 64: what fits is what it is. The long form is tried first, since the short one may be its beginning.
func (z *zipReader) descriptor(truth *zipMember) (bool, error) {
	le := binary.LittleEndian
	long := le.AppendUint64(le.AppendUint64(le.AppendUint32(nil, truth.crc), truth.packed), truth.size)
	short := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, truth.crc), uint32(truth.packed)), uint32(truth.size))
	signature := le.AppendUint32(nil, zipDescriptor)
	next, err := z.f.in.Peek(4 + len(long))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, z.f.broken(err, z.f.at())
	}
	for _, form := range [][]byte{append(signature, long...), long, append(signature, short...), short} {
		if strings.HasPrefix(string(next), string(form)) {
			_, _ = z.f.in.Discard(len(form))
			return true, nil
		}
	}
	if err != nil {
		return false, z.cut(err)
	}
	return false, nil
}

// listing reads an entry of the directory.
func (z *zipReader) listing() error {
	b, err := z.take(46)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	m := &zipMember{
		method: le.Uint16(b[10:]), crc: le.Uint32(b[16:]),
		packed: uint64(le.Uint32(b[20:])), size: uint64(le.Uint32(b[24:])), offset: uint64(le.Uint32(b[42:])),
	}
	name, err := z.take(int(le.Uint16(b[28:])))
	if err != nil {
		return err
	}
	extra, err := z.take(int(le.Uint16(b[30:])))
	if err != nil {
		return err
	}
	if _, err := z.take(int(le.Uint16(b[32:]))); err != nil { // a comment
		return err
	}
	m.wide(extra, &m.size, &m.packed, &m.offset)
	z.listed.add(string(name), m.offset, m)
	return nil
}

// skipRecord leaves out the records of large archives: they repeat what is known.
func (z *zipReader) skipRecord(signature uint32) error {
	if signature == zipLocator64 {
		_, err := z.take(20)
		return err
	}
	b, err := z.take(12)
	if err != nil {
		return err
	}
	size := binary.LittleEndian.Uint64(b[4:])
	if size > peekSize {
		return z.f.fault(errs.Invalid, "the archive is damaged at byte %d", z.f.at())
	}
	_, err = z.take(int(size))
	return err
}

// end reads the record that ends an archive, and wants the directory to name what was found.
func (z *zipReader) end() error {
	b, err := z.take(22)
	if err != nil {
		return err
	}
	if _, err := z.take(int(binary.LittleEndian.Uint16(b[20:]))); err != nil { // a comment
		return err
	}
	if z.found != z.listed {
		return z.f.fault(errs.Invalid, "the archive is damaged: its directory names %d files that are not those found, %d", z.listed.files, z.found.files)
	}
	switch _, err := z.f.in.Peek(1); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return z.f.broken(err, z.f.at())
	default:
		return z.f.fault(errs.Invalid, "the archive ends at byte %d, and something follows", z.f.at())
	}
}
