package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"muster/internal/posture"
)

// Devices that were installed from one image report nearly the same, and nearly the same is found. What they have in
// common is kept once, as a base: the text that their reports and verdicts are compressed against, and the set that theirs
// differ from. Each packed report names its base: the frame by the id of its dictionary, the set at its start.
//
// A base holds only what two devices reported, and nothing that names either of them. It never changes.

// base is a base in memory.
type base struct {
	id     int64
	text   []byte
	facets []int64
	packed int // how long it is where it is stored

	encode, decode sync.Once
	encoder        *zstd.Encoder
	decoder        *zstd.Decoder
}

// compress packs a text against the base.
func (b *base) compress(text []byte) []byte {
	b.encode.Do(func() {
		b.encoder = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(windowFor(len(b.text))), zstd.WithEncoderDictRaw(uint32(b.id), b.text)))
	})
	return b.encoder.EncodeAll(text, nil)
}

func (b *base) decompress(packed []byte) ([]byte, error) {
	b.decode.Do(func() {
		b.decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxUnpacked),
			zstd.WithDecoderDictRaw(uint32(b.id), b.text)))
	})
	return b.decoder.DecodeAll(packed, nil)
}

// alone gives about how long a text of this length would be that is compressed by itself.
func (b *base) alone(length int) int { return length * b.packed / len(b.text) }

// windowFor gives how far back a text that is compressed against one of this length may refer: to the start of it, from
// the end of a text as long again.
func windowFor(length int) int {
	return min(max(1<<bits.Len(uint(2*length)), 1<<17), 1<<22)
}

// held is about how much memory a base takes: its text, and two encoders with a window and two tables each.
func (b *base) held() int {
	return len(b.text) + 8*len(b.facets) + 2*(windowFor(len(b.text))+tablesSize)
}

const tablesSize = 1 << 19

// mostHeld is how much memory all bases take that are held.
const mostHeld = 96 << 20

// baseKey is one base of one account.
type baseKey struct {
	account posture.AccountID
	id      int64
}

// described is what is known of every base of an account, to choose among them.
type described struct {
	id    int64
	kind  string
	marks marks
}

// describedLife is how long a server does not see the bases that others make, nor that one is to go.
const describedLife = time.Minute

// bases remembers bases: all of an account by their description, and those that were used last.
type bases struct {
	mu     sync.Mutex
	lists  map[posture.AccountID]describedList
	loaded map[baseKey]*heldBase
	turn   int64 // counts uses
	bytes  int

	candidates candidates
}

type describedList struct {
	at   time.Time
	list []described
}

type heldBase struct {
	*base
	used int64 // the turn of the last use
}

func (b *bases) get(key baseKey) *base {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := b.loaded[key]
	if held == nil {
		return nil
	}
	b.turn++
	held.used = b.turn
	return held.base
}

// put remembers a base, and forgets the ones that were not used for longest.
func (b *bases) put(key baseKey, one *base) *base {
	b.mu.Lock()
	defer b.mu.Unlock()
	if held := b.loaded[key]; held != nil {
		return held.base
	}
	for b.bytes > 0 && b.bytes+one.held() > mostHeld {
		var oldest baseKey
		for k, held := range b.loaded {
			if first := b.loaded[oldest]; first == nil || held.used < first.used {
				oldest = k
			}
		}
		b.bytes -= b.loaded[oldest].held()
		delete(b.loaded, oldest)
	}
	if b.loaded == nil {
		b.loaded = make(map[baseKey]*heldBase)
	}
	b.turn++
	b.loaded[key] = &heldBase{one, b.turn}
	b.bytes += one.held()
	return one
}

// errNoBase says that a stored report cannot be read, because what it was compressed against is not there.
var errNoBase = errors.New("the base of a stored report is missing")

// base gives a base by its id.
func (s *Store) base(ctx context.Context, account posture.AccountID, id int64) (*base, error) {
	key := baseKey{account, id}
	if one := s.bases.get(key); one != nil {
		return one, nil
	}
	var packed []byte
	err := s.queryRow(ctx, "SELECT content FROM report_bases WHERE account_id = ? AND id = ?", account, id).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: %d of account %d", errNoBase, id, account)
	}
	if err != nil {
		return nil, err
	}
	one, err := unpackBase(id, packed)
	if err != nil {
		return nil, fmt.Errorf("reading base %d of account %d: %w", id, account, err)
	}
	return s.bases.put(key, one), nil
}

// leastBase is how long the text of a base is at least; a dictionary may not be shorter.
const leastBase = 64

var errBadBase = errors.New("a stored base cannot be read")

// pack gives the stored form of a base. It has a checksum.
func (b *base) pack() []byte {
	facets := packFacets(b.facets)
	content := binary.AppendUvarint(nil, uint64(len(facets)))
	return encoder.EncodeAll(append(append(content, facets...), b.text...), nil)
}

func unpackBase(id int64, packed []byte) (*base, error) {
	content, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadBase, err)
	}
	length, n := binary.Uvarint(content)
	if n <= 0 || length > uint64(len(content)-n) {
		return nil, errBadBase
	}
	facets, err := unpackFacets(content[n : n+int(length)])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadBase, err)
	}
	text := content[n+int(length):]
	if id < 1 || id > maxBaseID || len(text) < leastBase {
		return nil, errBadBase
	}
	return &base{id: id, facets: facets, text: text, packed: len(packed)}, nil
}

// describedBases lists the bases of an account that may be chosen.
func (s *Store) describedBases(ctx context.Context, account posture.AccountID) ([]described, error) {
	now := s.now()
	s.bases.mu.Lock()
	known, ok := s.bases.lists[account]
	s.bases.mu.Unlock()
	if age := now.Sub(known.at); ok && age >= 0 && age < describedLife {
		return known.list, nil
	}
	var out []described
	err := s.query(ctx, func(r scanner) error {
		var d described
		var packed []byte
		err := r.Scan(&d.id, &d.kind, &packed)
		d.marks.unpack(packed)
		out = append(out, d)
		return err
	}, "SELECT id, kind, marks FROM report_bases WHERE account_id = ? AND retired_at = 0 ORDER BY id", account)
	if err != nil {
		return nil, err
	}
	s.bases.mu.Lock()
	defer s.bases.mu.Unlock()
	if s.bases.lists == nil {
		s.bases.lists = make(map[posture.AccountID]describedList)
	}
	s.bases.lists[account] = describedList{now, out}
	return out, nil
}

// forgetDescribed has the list of an account read anew.
func (b *bases) forgetDescribed(account posture.AccountID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.lists, account)
}

// chooseBase gives the base that is most like a device, and how many marks they have in common; nil where none is like it.
func (s *Store) chooseBase(ctx context.Context, account posture.AccountID, kind string, m *marks) (*base, int, error) {
	list, err := s.describedBases(ctx, account)
	if err != nil {
		return nil, 0, err
	}
	var best *described
	most := alike/2 - 1
	for i := range list {
		if n := list[i].likeness(kind, m); n > most {
			best, most = &list[i], n
		}
	}
	if best == nil {
		return nil, 0, nil
	}
	b, err := s.base(ctx, account, best.id)
	return b, best.marks.common(m), err
}

func (d *described) likeness(kind string, m *marks) int {
	n := d.marks.common(m)
	if d.kind == kind {
		n += sameKind
	}
	return n
}

const (
	// alike is how many of its marks a device has in common with one that it could share a base with.
	alike = numMarks / 2
	// sameKind is how many marks it counts to be of the same kind.
	sameKind = numMarks / 4
)

// numMarks is how many marks a set has.
const numMarks = 32

// marks tell about how alike two sets are: each is the least of one part of a set's hashed members, so that the share of
// marks that are equal is about that of the members that are common.
type marks [numMarks]uint32

func marksOf(set []int64) marks {
	var m marks
	for i := range m {
		m[i] = 1<<32 - 1
	}
	for _, f := range set {
		h := uint64(f) * 0x9E3779B97F4A7C15
		h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
		h = (h ^ h>>27) * 0x94D049BB133111EB
		h ^= h >> 31
		m[h>>59] = min(m[h>>59], uint32(h))
	}
	return m
}

func (m *marks) common(o *marks) int {
	n := 0
	for i := range m {
		if m[i] == o[i] {
			n++
		}
	}
	return n
}

func (m *marks) pack() []byte {
	out := make([]byte, 0, 4*numMarks)
	for _, v := range m {
		out = binary.LittleEndian.AppendUint32(out, v)
	}
	return out
}

// unpack reads what pack wrote. Marks of another length are those of nothing.
func (m *marks) unpack(packed []byte) {
	for i := range m {
		m[i] = 0
		if len(packed) == 4*numMarks {
			m[i] = binary.LittleEndian.Uint32(packed[4*i:])
		}
	}
}

// packSet gives the stored form of a set of facets in order, as what differs from that of a base.
func packSet(b *base, set []int64) []byte {
	if b == nil || len(set) == 0 {
		return packFacets(set)
	}
	added, gone := differences(b.facets, set)
	head := packFacets(added)
	out := append(make([]byte, 0, 16+len(head)), relativeSet)
	out = binary.AppendUvarint(out, uint64(b.id))
	out = binary.AppendUvarint(out, uint64(len(head)))
	return append(append(out, head...), packFacets(gone)...)
}

// relativeSet begins a set that differs from that of a base. Others begin with a facet, which is larger.
const relativeSet = 1

// baseOfSet gives the base that a packed set differs from, 0 for none, and what follows.
func baseOfSet(packed []byte) (id int64, rest []byte, err error) {
	if len(packed) == 0 || packed[0] != relativeSet {
		return 0, packed, nil
	}
	n, size := binary.Uvarint(packed[1:])
	if size <= 0 || n == 0 || n > maxBaseID {
		return 0, nil, errBadFacets
	}
	return int64(n), packed[1+size:], nil
}

// maxBaseID is what fits into a frame as the id of its dictionary.
const maxBaseID = 1<<31 - 1

// unpackSet reads a set of facets.
func (s *Store) unpackSet(ctx context.Context, account posture.AccountID, packed []byte) ([]int64, error) {
	id, rest, err := baseOfSet(packed)
	if err != nil || id == 0 {
		if err == nil {
			return unpackFacets(packed)
		}
		return nil, err
	}
	b, err := s.base(ctx, account, id)
	if err != nil {
		return nil, err
	}
	return applySet(b.facets, rest)
}

// applySet makes a set of that of a base and what differs.
func applySet(from []int64, rest []byte) ([]int64, error) {
	length, n := binary.Uvarint(rest)
	if n <= 0 || length > uint64(len(rest)-n) {
		return nil, errBadFacets
	}
	added, err := unpackFacets(rest[n : n+int(length)])
	if err != nil {
		return nil, err
	}
	gone, err := unpackFacets(rest[n+int(length):])
	if err != nil {
		return nil, err
	}
	kept, unknown := differences(gone, from) // what of the base is not gone
	if len(unknown) > 0 {
		return nil, errBadFacets
	}
	out := make([]int64, 0, len(kept)+len(added))
	for len(kept) > 0 && len(added) > 0 {
		switch cmp.Compare(kept[0], added[0]) {
		case -1:
			out, kept = append(out, kept[0]), kept[1:]
		case 1:
			out, added = append(out, added[0]), added[1:]
		default:
			return nil, errBadFacets
		}
	}
	return append(append(out, kept...), added...), nil
}

// baseOfFrame gives the base that a text was compressed against, 0 for none.
func baseOfFrame(packed []byte) int64 {
	var h zstd.Header
	err := h.Decode(packed)
	if err != nil {
		return 0 // whoever unpacks it says so
	}
	return int64(h.DictionaryID)
}

// unpack reads a text that was compressed, with or without a base.
func (s *Store) unpack(ctx context.Context, account posture.AccountID, packed []byte) ([]byte, error) {
	id := baseOfFrame(packed)
	if id == 0 {
		return decoder.DecodeAll(packed, nil)
	}
	b, err := s.base(ctx, account, id)
	if err != nil {
		return nil, err
	}
	return b.decompress(packed)
}
