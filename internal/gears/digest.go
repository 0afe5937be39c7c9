package gears

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/errs"
)

// digestVersion goes into every digest. It is to change whenever decoding learns to read something new, so that stored
// reports that say it are read once more.
const digestVersion = "muster report 5\n"

// digestOf checks that a report is one JSON object within the limits, and digests what matters of it. It is the only
// work done on a report that says what the last one said, so it reads the body once, and allocates next to nothing.
//
// Two bodies have the same digest when they differ in white space, in the order of members, or in members that change
// by themselves; any other difference shows, also in members that Muster does not know. Because of that, and because a
// digest is only stored once its report has been decoded, a report whose digest is known needs no decoding: whatever
// could be wrong with it would have been wrong then. The volatile members are checked here, since they may be wrong where
// the report is not new: the time of the scan, which is read, in full; of the others, that no number is negative.
func digestOf(body []byte) ([sha256.Size]byte, error) {
	d, err := digestReport(body)
	return d.sum, err
}

// digested is a body that was digested. Its neighbours, which the digest leaves out, are a volatile member of the state of
// health that is handled nevertheless: from and to are the end of its name and of its value, zero where there is none, and
// set tells one list from another.
type digested struct {
	sum      [sha256.Size]byte
	from, to int64
	set      uint64
}

// digestReport is digestOf for who wants to know of neighbours too.
func digestReport(body []byte) (digested, error) {
	s := newScanner(body)
	defer s.release()
	s.out = append(s.out, digestVersion...)
	if err := s.scan(); err != nil {
		return digested{}, err
	}
	s.around.sum = sha256.Sum256(s.out)
	return s.around, nil
}

// checkJSON checks a body as digestOf does.
func checkJSON(body []byte) error {
	s := newScanner(body)
	defer s.release()
	return s.scan()
}

// scanner turns a body into a canonical text: no white space, members in the order of their names, volatile ones left
// out. On the way it checks what jsontext does not: depth, repeated names, the number of members.
type scanner struct {
	dec     *jsontext.Decoder
	src     bytes.Buffer
	out     []byte   // the canonical text so far
	spare   []byte   // room for putting members in order
	frames  []frame  // the open objects and arrays
	members []member // of the open objects
	around  digested // the neighbours so far
}

// frame is one open object or array.
type frame struct {
	object  bool
	inValue bool // of an object: the name has been read, its value has not
	tidy    bool // members came in order and none is volatile, so the text stands as it is
	zone    zone
	next    zone // of the value that the last name announced
	check   rule // for that value
	start   int  // of the first member in scanner.out
	first   int  // the first of its members in scanner.members
}

// member is one member of an open object: where it stands in scanner.out.
type member struct {
	start, nameEnd, end int
	volatile            bool
}

var scanners sync.Pool

// scanOptions: repeated names are found when members are put in order; jsontext would keep a table of names for it.
var scanOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true)}

func newScanner(body []byte) *scanner {
	s, ok := scanners.Get().(*scanner)
	if !ok {
		s = &scanner{dec: new(jsontext.Decoder)}
	}
	s.src = *bytes.NewBuffer(body)
	s.dec.Reset(&s.src, scanOptions...)
	s.out, s.frames, s.members = s.out[:0], s.frames[:0], s.members[:0]
	s.around = digested{}
	return s
}

// release gives the scanner back without holding on to the body, or to the room that an unusually large one took.
func (s *scanner) release() {
	const keep = 256 << 10
	s.src = bytes.Buffer{}
	s.dec.Reset(&s.src)
	if cap(s.out) > keep || cap(s.members) > keep/32 {
		s.out, s.spare, s.members = nil, nil, nil
	}
	scanners.Put(s)
}

func (s *scanner) scan() error {
	if kind := s.dec.PeekKind(); kind != '{' && kind != jsontext.KindInvalid {
		return errs.New(errs.Invalid, "The body must be a JSON object")
	}
	for {
		if err := s.step(); err != nil {
			return s.explain(err)
		}
		if len(s.frames) == 0 {
			break
		}
	}
	end := s.dec.InputOffset()
	if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errs.New(errs.Invalid, "The body goes on after its JSON object, which ends at byte %d", end)
	}
	return nil
}

// step takes in the next name, value or bracket.
func (s *scanner) step() error {
	switch kind := s.dec.PeekKind(); kind {
	case '{', '[':
		return s.open(kind)
	case '}', ']':
		return s.close(byte(kind))
	default:
		raw, err := s.dec.ReadValue()
		if err != nil {
			return err
		}
		if f := s.top(); f.object && !f.inValue {
			return s.name(f, raw)
		}
		if err := s.top().check.broken(raw); err != nil {
			return invalidMember(s.dec.StackPointer(), err.Error())
		}
		s.out = append(s.out, raw...)
		s.valueDone()
		return nil
	}
}

func (s *scanner) top() *frame { return &s.frames[len(s.frames)-1] }

func (s *scanner) open(kind jsontext.Kind) error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	if len(s.frames) == maxDepth {
		return invalidMember(s.dec.StackPointer(), "is nested more than 64 levels deep")
	}
	z := zoneRoot
	if len(s.frames) > 0 {
		z = s.top().inner()
	}
	s.out = append(s.out, byte(kind))
	s.frames = append(s.frames, frame{
		object: kind == '{', tidy: true, zone: z, start: len(s.out), first: len(s.members),
	})
	return nil
}

// inner gives the zone of a value in this frame: what its name announced, or that of the array it stands in.
func (f *frame) inner() zone {
	if f.object {
		return f.next
	}
	return f.zone
}

func (s *scanner) close(kind byte) error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	f := s.top()
	if f.object {
		if err := s.arrange(f); err != nil {
			return err
		}
	}
	s.out = append(s.out, kind)
	s.members = s.members[:f.first]
	s.frames = s.frames[:len(s.frames)-1]
	if len(s.frames) > 0 {
		s.valueDone()
	}
	return nil
}

// name takes in the name of a member.
func (s *scanner) name(f *frame, raw jsontext.Value) error {
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = plainName(raw)
	}
	if len(s.members)-f.first == maxMembers {
		return invalidMember(s.dec.StackPointer(), "is one member too many: an object may have 10000")
	}
	m := member{start: len(s.out), nameEnd: len(s.out) + len(raw), volatile: f.zone.volatile(raw)}
	if len(s.members) > f.first {
		last := s.members[len(s.members)-1]
		if bytes.Compare(s.out[last.start:last.nameEnd], raw) >= 0 {
			f.tidy = false
		}
	}
	if m.volatile {
		f.tidy = false
	}
	f.next, f.check, f.inValue = f.zone.child(raw), f.zone.rule(raw), true
	isScanTime := f.zone == zoneRoot && string(raw) == `"scan_time"`
	s.members = append(s.members, m)
	s.out = append(append(s.out, raw...), ':')
	if isScanTime {
		return s.scanTime()
	}
	if f.next == zoneAround {
		s.around.from = s.dec.InputOffset()
	}
	return nil
}

// plainName rewrites a name that has escapes, so that every spelling of one name is the same.
func plainName(raw jsontext.Value) jsontext.Value {
	// Neither call can fail: the name has been read as valid JSON.
	name, _ := jsontext.AppendUnquote(nil, raw)
	out, _ := jsontext.AppendQuote(nil, name)
	return out
}

// scanTime checks the one volatile member that is read when a report is decoded, so its form too.
func (s *scanner) scanTime() error {
	raw, err := s.dec.ReadValue()
	if err != nil {
		return err
	}
	if _, err := parseMoment(raw); err != nil {
		return invalidMember(s.dec.StackPointer(), err.Error())
	}
	s.valueDone()
	return nil
}

// valueDone ends the value of a member or an element.
func (s *scanner) valueDone() {
	s.out = append(s.out, ',')
	if f := s.top(); f.object {
		f.inValue = false
		m := &s.members[len(s.members)-1]
		m.end = len(s.out)
		if f.next == zoneAround {
			s.around.to, s.around.set = s.dec.InputOffset(), maphash.Bytes(setSeed, s.out[m.nameEnd:m.end])
		}
	}
}

// setSeed is that of what tells lists of neighbours apart, which is kept in memory only.
var setSeed = maphash.MakeSeed()

// arrange puts the members of an object in order and leaves out the volatile ones. A name that occurs twice is refused:
// programs differ in which of the two they believe, and what was stored must not depend on that.
func (s *scanner) arrange(f *frame) error {
	if f.tidy {
		return nil
	}
	ms := s.members[f.first:]
	slices.SortFunc(ms, func(a, b member) int {
		return bytes.Compare(s.out[a.start:a.nameEnd], s.out[b.start:b.nameEnd])
	})
	s.spare = s.spare[:0]
	for i, m := range ms {
		name := s.out[m.start:m.nameEnd]
		if i > 0 && bytes.Equal(name, s.out[ms[i-1].start:ms[i-1].nameEnd]) {
			return invalidMember(s.dec.StackPointer()+"/"+pointerToken(name), "occurs twice")
		}
		if !m.volatile {
			s.spare = append(s.spare, s.out[m.start:m.end]...)
		}
	}
	s.out = append(s.out[:f.start], s.spare...)
	return nil
}

// explain says where a body stops being JSON. The texts of the parser are not passed on: they change between versions.
func (s *scanner) explain(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF):
		return errs.New(errs.Invalid, "The body is empty; a JSON object is expected")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errs.Wrap(errs.Invalid, err, "The body ends before its JSON does%s", where(s.dec.StackPointer()))
	case errors.As(err, &syntax):
		return errs.Wrap(errs.Invalid, err, "The body is not valid JSON at byte %d%s", syntax.ByteOffset, where(syntax.JSONPointer))
	default:
		return err
	}
}
