package store

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func randomSet(rnd *rand.Rand) []int64 {
	var out []int64
	for range rnd.IntN(50) {
		out = append(out, facetOf(facetKind(1+rnd.Int64N(5)), rnd.Int64N(1<<rnd.IntN(48))))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestPackedFacets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		set := randomSet(rnd)
		got, err := unpackFacets(packFacets(set))
		if diff := cmp.Diff(set, got); err != nil || diff != "" {
			t.Fatalf("%s, %v", diff, err)
		}
	}
	for name, damaged := range map[string][]byte{"cut": {0x80}, "too far": binary.AppendUvarint(nil, 1<<63)} {
		if _, err := unpackFacets(damaged); err == nil {
			t.Errorf("%s: was read", name)
		}
	}
}

// TestDifferences applies them, and must arrive at the new set.
func TestDifferences(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		old, now := randomSet(rnd), randomSet(rnd)
		now = append(now, old[:len(old)/2]...)
		slices.Sort(now)
		now = slices.Compact(now)
		added, gone := differences(old, now)
		got := slices.DeleteFunc(slices.Clone(old), func(f int64) bool { return slices.Contains(gone, f) })
		got = append(got, added...)
		slices.Sort(got)
		if !slices.Equal(got, now) || slices.ContainsFunc(added, func(f int64) bool { return slices.Contains(old, f) }) {
			t.Fatalf("from %v to %v: added %v, gone %v", old, now, added, gone)
		}
	}
}

func TestBatches(t *testing.T) {
	for n := range 1500 {
		list := make([]int, n)
		for i := range list {
			list[i] = i
		}
		var got []int
		sizes := make(map[int]bool)
		check := func(part []int) error {
			got = append(got, part...)
			sizes[len(part)] = true
			return nil
		}
		if err := inBatches(list, check); err != nil || !slices.Equal(got, list) {
			t.Fatalf("batches of %d: %v, %v", n, got, err)
		}
		for size := range sizes {
			if !slices.Contains(batchSizes[:], size) {
				t.Fatalf("a batch of %d", size)
			}
		}
		got = nil
		if err := inLookups(list, check); err != nil || !slices.Equal(slices.Compact(got), list) {
			t.Fatalf("lookups of %d: %v, %v", n, got, err)
		}
	}
}

// TestDictionaryBound: what is remembered is bounded, and what is used stays for a while.
func TestDictionaryBound(t *testing.T) {
	var d dictionary
	key := func(n int) dictKey {
		var k dictKey
		binary.LittleEndian.PutUint64(k[:], uint64(n))
		return k
	}
	const many = 3*dictionaryLimit + 7
	for n := range many {
		d.put([]dictKey{key(n)}, []dictIDs{{id: int64(n) + 1}})
	}
	if got := len(d.young) + len(d.old); got > 2*dictionaryLimit {
		t.Errorf("%d are remembered", got)
	}
	ids := make([]dictIDs, 2)
	if !d.get([]dictKey{key(many - 1), key(many - 100)}, ids) || ids[1].id != many-99 {
		t.Errorf("the last are %v", ids)
	}
	if d.get([]dictKey{key(0), key(many - 1)}, ids) || ids[0].id != 0 || ids[1].id != many {
		t.Errorf("the first is %v", ids)
	}
}
