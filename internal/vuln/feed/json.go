package feed

import (
	"errors"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/errs"
)

// lenient: publishers repeat members and break characters, and a feed is not refused for that.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// jsonReader goes through a file of JSON, of which it keeps one value at a time.
type jsonReader struct {
	f     *file
	dec   *jsontext.Decoder
	meter meter
}

func (r *run) reader(f *file) *jsonReader {
	j := &r.json
	j.f = f
	j.meter = meter{file: f, limit: r.opt.Limits.Item, left: r.opt.Limits.Item}
	if j.dec == nil {
		j.dec = jsontext.NewDecoder(&j.meter, lenient)
	} else {
		j.dec.Reset(&j.meter, lenient)
	}
	return j
}

// meter bounds what is read for one value. What is buffered ahead counts for the value before it: this is a bound on
// memory, not an exact measure.
type meter struct {
	file        *file
	limit, left int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, m.file.fault(errs.TooLarge, "the record at byte %d is larger than %d MiB", m.file.at()-m.limit, m.limit>>20)
	}
	n, err := m.file.in.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}

// value reads the next value whole. It is valid until the next call.
func (j *jsonReader) value() (jsontext.Value, error) {
	j.meter.left = j.meter.limit
	v, err := j.dec.ReadValue()
	if err != nil {
		return nil, j.fault(err)
	}
	return v, nil
}

// into reads the next value into what dst points to. It reports whether the value is of that form; an error is one of the
// file.
func (j *jsonReader) into(dst any) (bool, error) {
	v, err := j.value()
	if err != nil {
		return false, err
	}
	return fits(v, dst), nil
}

func fits(v jsontext.Value, dst any) bool { return json.Unmarshal(v, dst, lenient) == nil }

func (j *jsonReader) skip() error {
	j.meter.left = j.meter.limit
	if err := j.dec.SkipValue(); err != nil {
		return j.fault(err)
	}
	return nil
}

// fault says where the file is broken. The texts of the library change and are not shown.
func (j *jsonReader) fault(err error) error {
	at := j.dec.InputOffset()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at = syntax.ByteOffset
	}
	var own *errs.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errs.Wrap(errs.Invalid, err, "%s: the file is cut short: its JSON breaks off at byte %d", j.f.path, at)
	case syntax != nil:
		return errs.Wrap(errs.Invalid, err, "%s: what stands at byte %d is not JSON", j.f.path, at)
	default:
		return j.f.broken(err, at)
	}
}

// object goes through the members of the object that comes next. Whoever is told of a member reads or skips its value.
func (j *jsonReader) object(member func(name string) error) error {
	return j.inside('{', '}', func() error {
		name, err := j.dec.ReadToken()
		if err != nil {
			return j.fault(err)
		}
		return member(name.String())
	})
}

// array goes through the elements of the array that comes next. Whoever is told of an element reads or skips it.
func (j *jsonReader) array(element func() error) error { return j.inside('[', ']', element) }

func (j *jsonReader) inside(open, closing jsontext.Kind, each func() error) error {
	j.meter.left = j.meter.limit
	if kind := j.dec.PeekKind(); kind != open && kind != 0 {
		return j.f.fault(errs.Invalid, "at byte %d there is %s in the place of %s", j.dec.InputOffset(), kind, open)
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return j.fault(err)
	}
	for j.dec.PeekKind() != closing {
		j.meter.left = j.meter.limit
		if err := each(); err != nil {
			return err
		}
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return j.fault(err)
	}
	return nil
}

// records goes through a file that is one record, several after each other, or an array of them.
func (j *jsonReader) records(record func(v jsontext.Value) error) error {
	one := func() error {
		v, err := j.value()
		if err != nil {
			return err
		}
		return record(v)
	}
	if j.dec.PeekKind() == '[' {
		if err := j.array(one); err != nil {
			return err
		}
		return j.end()
	}
	for {
		j.meter.left = j.meter.limit
		if j.ended() {
			return j.end()
		}
		if err := one(); err != nil {
			return err
		}
	}
}

// ended reports whether the file ends here.
func (j *jsonReader) ended() bool {
	if j.dec.PeekKind() != 0 {
		return false
	}
	_, err := j.dec.ReadToken()
	return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// end wants nothing to follow. Reading on to the very end is also what makes unpackers compare their checksums.
func (j *jsonReader) end() error {
	j.meter.left = j.meter.limit
	switch _, err := j.dec.ReadToken(); {
	case err == nil:
		return j.f.fault(errs.Invalid, "the feed ends before byte %d, and something follows", j.dec.InputOffset())
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	default:
		return j.fault(err)
	}
}
