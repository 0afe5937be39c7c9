package store

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// The devices of a chunk are told apart by their slots, small numbers. A set of slots is stored as a list of how far each lies
// above the one before, or as a bitmap, whichever is shorter.

const (
	slotList   = 1
	slotBitmap = 2
	// slotBits is how many bits a slot has at the most.
	slotBits = 20
)

// packSlots gives the stored form of slots in order.
func packSlots(set []uint32) []byte {
	if len(set) == 0 {
		return nil
	}
	list := make([]byte, 1, 2+len(set))
	list[0] = slotList
	last := uint32(0)
	for _, slot := range set {
		list = binary.AppendUvarint(list, uint64(slot-last))
		last = slot
	}
	size := int(last/8) + 1
	if len(list) <= 1+size {
		return list
	}
	bitmap := make([]byte, 1+size)
	bitmap[0] = slotBitmap
	for _, slot := range set {
		bitmap[1+slot/8] |= 1 << (slot % 8)
	}
	return bitmap
}

var errBadSlots = errors.New("a stored set of devices cannot be read")

func unpackSlots(packed []byte) ([]uint32, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	switch packed[0] {
	case slotList:
		return readSlotList(packed[1:])
	case slotBitmap:
		return readSlotBitmap(packed[1:])
	default:
		return nil, errBadSlots
	}
}

func readSlotList(packed []byte) ([]uint32, error) {
	out := make([]uint32, 0, len(packed))
	last := uint64(0)
	for len(packed) > 0 {
		step, n := binary.Uvarint(packed)
		if n <= 0 || step >= 1<<slotBits || step == 0 && len(out) > 0 {
			return nil, errBadSlots
		}
		last += step
		if last >= 1<<slotBits {
			return nil, errBadSlots
		}
		out = append(out, uint32(last))
		packed = packed[n:]
	}
	return out, nil
}

func readSlotBitmap(packed []byte) ([]uint32, error) {
	if len(packed) > 1<<slotBits/8 {
		return nil, errBadSlots
	}
	n := 0
	for _, b := range packed {
		n += bits.OnesCount8(b)
	}
	out := make([]uint32, 0, n)
	for i, b := range packed {
		for ; b != 0; b &= b - 1 {
			out = append(out, uint32(8*i+bits.TrailingZeros8(b)))
		}
	}
	return out, nil
}

// unite gives the slots that are in one of two sets, intersect those that are in both.
func unite(a, b []uint32) []uint32 {
	out := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func intersect(a, b []uint32) []uint32 {
	var out []uint32
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return out
}

// place is where a device stands: the number of its chunk, and its slot there; 0 for none.
type place int64

func placeOf(chunk int64, slot uint32) place { return place(chunk<<slotBits | int64(slot)) }

func (p place) chunk() int64 { return int64(p) >> slotBits }

func (p place) slot() uint32 { return uint32(p & (1<<slotBits - 1)) }
