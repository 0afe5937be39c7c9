package store

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawSet(t *rapid.T, name string) []int64 {
	set := rapid.SliceOfDistinct(rapid.Int64Range(1<<48, 1<<48+60), func(f int64) int64 { return f }).Draw(t, name)
	slices.Sort(set)
	return set
}

// TestSetsAgainstABase: whatever differs, a set comes back from what is stored of it.
func TestSetsAgainstABase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &base{id: rapid.Int64Range(1, maxBaseID).Draw(t, "id"), facets: drawSet(t, "base")}
		set := drawSet(t, "set")
		packed := packSet(b, set)
		id, rest, err := baseOfSet(packed)
		if err != nil {
			t.Fatal(err)
		}
		if len(set) == 0 {
			if len(packed) != 0 {
				t.Fatalf("nothing is stored as %x", packed)
			}
			return
		}
		got, err := applySet(b.facets, rest)
		if err != nil || id != b.id || !slices.Equal(got, set) {
			t.Fatalf("%v became %v of base %d, %v", set, got, id, err)
		}
		id, rest, err = baseOfSet(packFacets(set))
		if err != nil || id != 0 || !bytes.Equal(rest, packFacets(set)) {
			t.Fatalf("a set of no base is taken for one of base %d, %v", id, err)
		}
	})
}

func FuzzStoredSet(f *testing.F) {
	b := &base{id: 3, facets: []int64{1<<48 + 1, 2<<48 + 5, 4<<48 + 9}}
	f.Add(packSet(b, []int64{1<<48 + 1, 4<<48 + 7}))
	f.Add(packFacets(b.facets))
	f.Add([]byte{relativeSet, 3, 200})
	f.Fuzz(func(t *testing.T, packed []byte) {
		id, rest, err := baseOfSet(packed)
		if err != nil || id == 0 {
			return
		}
		set, err := applySet(b.facets, rest)
		if err != nil {
			return
		}
		again, err := applySet(b.facets, mustRest(t, packSet(b, set)))
		if len(set) > 0 && (err != nil || !slices.Equal(again, set)) {
			t.Errorf("%v became %v, %v", set, again, err)
		}
	})
}

func mustRest(t *testing.T, packed []byte) []byte {
	t.Helper()
	_, rest, err := baseOfSet(packed)
	if err != nil {
		t.Fatal(err)
	}
	return rest
}

func FuzzStoredBase(f *testing.F) {
	b := &base{facets: []int64{1, 2, 3}, text: []byte(strings.Repeat("text ", 20))}
	f.Add(b.pack())
	f.Add(encoder.EncodeAll([]byte{9, 1}, nil))
	f.Fuzz(func(t *testing.T, packed []byte) {
		if len(packed) > 1<<8 { // a few bytes may stand for many
			return
		}
		one, err := unpackBase(1, packed)
		if err != nil {
			if !errors.Is(err, errBadBase) {
				t.Error(err)
			}
			return
		}
		if len(one.text) < leastBase {
			t.Errorf("a base with the text %q", one.text)
		}
	})
}

func TestMarksTellHowAlikeSetsAre(t *testing.T) {
	set := make([]int64, 600)
	for i := range set {
		set[i] = facetOf(facetProduct, int64(i))
	}
	whole := marksOf(set)
	drifted, other := slices.Clone(set), slices.Clone(set)
	for i := range set {
		if i%20 == 0 {
			drifted[i] += 5000
		}
		other[i] += 100_000
	}
	d, o := marksOf(drifted), marksOf(other)
	if n := whole.common(&d); n < 24 {
		t.Errorf("of sets that differ by a twentieth, %d of %d marks are common", n, numMarks)
	}
	if n := whole.common(&o); n > 2 {
		t.Errorf("of sets that have nothing in common, %d of %d marks are common", n, numMarks)
	}
	var back marks
	back.unpack(whole.pack())
	if back != whole {
		t.Error("marks do not come back from what is stored")
	}
}

func TestCommonHoldsNoNames(t *testing.T) {
	first := []byte(`{"host":"alpha","apps":[{"name":"a","version":"1"},{"name":"b","version":"1"},{"name":"of alpha"}]}`)
	second := []byte(`{"host":"beta-host","apps":[{"name":"a","version":"1"},{"name":"b","version":"2"},{"name":"of alpha"}]}`)
	if got := string(common(first, second, nil)); got != `{"name":"a","version":"1"},{"name":"of alpha"}]}` {
		t.Errorf("common: %s", got)
	}
	if got := string(common(first, second, [][]byte{[]byte("alpha")})); got != `{"name":"a","version":"1"},` {
		t.Errorf("common without names: %s", got)
	}
}

// TestBasesAreBounded: however many there are, few are held.
func TestBasesAreBounded(t *testing.T) {
	var held bases
	text := make([]byte, 1<<20)
	for id := range int64(200) {
		held.put(baseKey{1, id}, &base{id: id, text: text})
	}
	if held.bytes > mostHeld || len(held.loaded) < 2 || len(held.loaded) > 50 {
		t.Errorf("%d bases take %d bytes", len(held.loaded), held.bytes)
	}
	if held.get(baseKey{1, 199}) == nil || held.get(baseKey{1, 0}) != nil {
		t.Error("the ones that were not used for longest are to be forgotten")
	}
}
