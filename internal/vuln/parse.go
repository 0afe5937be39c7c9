package vuln

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"

	"muster/internal/errs"
)

// limits bound what is read, so that a broken or hostile feed ends in an error and not in want of memory.
type limits struct {
	bytes      int64 // in all
	entryBytes int64 // of one entry
	entries    int
}

// defaultLimits are several times what the largest public databases need.
var defaultLimits = limits{bytes: 2 << 30, entryBytes: 16 << 20, entries: 1_000_000}

// Parse reads a catalogue: a JSON array of entries, or entries one after the other (such as one a line).
func Parse(r io.Reader) (*Catalogue, error) {
	b := newBuilder()
	if err := Decode(r, func(e *Entry) error { b.add(e); return nil }); err != nil {
		return nil, err
	}
	return b.finish(), nil
}

// Decode reads what Parse reads and hands over one entry at a time. It stops at the first error of its own or of each.
func Decode(r io.Reader, each func(*Entry) error) error { return decode(r, defaultLimits, each) }

func decode(r io.Reader, lim limits, each func(*Entry) error) error {
	meter := &meter{r: r, left: lim.bytes, entry: lim.entryBytes}
	buffered := bufio.NewReader(meter)
	list, err := isList(buffered)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return readError(err)
	}
	dec := json.NewDecoder(buffered)
	if list {
		_, _ = dec.Token() // the bracket that isList saw
	}
	for n := 0; !list || dec.More(); n++ {
		meter.entry = lim.entryBytes
		var e Entry
		err := dec.Decode(&e)
		switch {
		case errors.Is(err, io.EOF) && !list:
			return nil
		case err != nil:
			return readError(err)
		case n >= lim.entries:
			return errs.New(errs.TooLarge, "the catalogue has more than %d entries", lim.entries)
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	return endOfList(dec)
}

// isList reports whether the first character that is not a blank opens an array.
func isList(r *bufio.Reader) (bool, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return false, err
		}
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b == '[', r.UnreadByte()
		}
	}
}

// endOfList wants the closing bracket and nothing after it.
func endOfList(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return readError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errs.New(errs.Invalid, "the list of vulnerabilities is followed by something else")
	}
	return nil
}

func readError(err error) error {
	var own *errs.Error
	if errors.As(err, &own) {
		return own
	}
	return errs.Wrap(errs.Invalid, err, "the catalogue is not a list of vulnerabilities in OSV form")
}

// meter stops reading where a limit is passed. What is buffered ahead counts for the entry before it: the limit of one
// entry is a bound on memory, not an exact measure.
type meter struct {
	r           io.Reader
	left, entry int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 || m.entry <= 0 {
		// One more byte decides whether the input just ended or goes on beyond the limit.
		if n, err := m.r.Read(p[:min(1, len(p))]); n == 0 {
			return 0, err
		}
		return 0, errs.New(errs.TooLarge, "the catalogue or one of its entries is too large")
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left, m.entry)])
	m.left -= int64(n)
	m.entry -= int64(n)
	return n, err
}
