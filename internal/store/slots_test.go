package store

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawSlots(t *rapid.T, name string) []uint32 {
	most := rapid.SampledFrom([]uint32{3, 40, 1023, 1<<slotBits - 1}).Draw(t, name+" up to")
	set := rapid.SliceOfDistinct(rapid.Uint32Range(0, most), func(n uint32) uint32 { return n }).Draw(t, name)
	slices.Sort(set)
	return set
}

// TestSlots: sets come back from what is stored of them, in few bytes, and are changed, united and met as a model says.
func TestSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSlots(t, "a"), drawSlots(t, "b")
		packed := packSlots(a)
		got, err := unpackSlots(packed)
		if err != nil || !slices.Equal(got, a) {
			t.Fatalf("%v became %v, %v", a, got, err)
		}
		if len(packed) > 1+3*len(a) || len(a) > 0 && len(packed) > 2+int(a[len(a)-1]/8) {
			t.Fatalf("%d slots up to %d take %d bytes", len(a), a[len(a)-1], len(packed))
		}
		in := func(set []uint32) func(uint32) bool {
			return func(slot uint32) bool { return slices.Contains(set, slot) }
		}
		if got := intersect(a, b); !slices.Equal(got, slices.DeleteFunc(slices.Clone(a), func(s uint32) bool { return !in(b)(s) })) {
			t.Fatalf("%v and %v meet in %v", a, b, got)
		}
		want := append(slices.Clone(a), slices.DeleteFunc(slices.Clone(b), in(a))...)
		slices.Sort(want)
		if got := unite(a, b); !slices.Equal(got, want) {
			t.Fatalf("%v and %v are %v", a, b, got)
		}
		model := make(map[uint32]bool)
		for _, slot := range a {
			model[slot] = true
		}
		var changes []postingChange
		for _, slot := range b {
			gone := rapid.Bool().Draw(t, "gone")
			changes = append(changes, postingChange{slot, gone})
			model[slot] = !gone
		}
		set := applyPostings(slices.Clone(a), changes)
		for slot, there := range model {
			if there != in(set)(slot) {
				t.Fatalf("after %v on %v: %v", changes, a, set)
			}
		}
		if !slices.IsSorted(set) || len(slices.Compact(slices.Clone(set))) != len(set) {
			t.Fatalf("after %v on %v: %v", changes, a, set)
		}
	})
}

func FuzzSlots(f *testing.F) {
	f.Add(packSlots([]uint32{0, 5, 1000}))
	f.Add(packSlots([]uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12}))
	f.Add([]byte{slotList, 5, 0})
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, packed []byte) {
		set, err := unpackSlots(packed)
		if err != nil {
			return
		}
		for i := range set {
			if set[i] >= 1<<slotBits || i > 0 && set[i] <= set[i-1] {
				t.Fatalf("%x is read as %v", packed, set)
			}
		}
		again, err := unpackSlots(packSlots(set))
		if err != nil || !slices.Equal(again, set) {
			t.Fatalf("%v became %v, %v", set, again, err)
		}
	})
}
