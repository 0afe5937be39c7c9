package host

import "testing"

func TestBounded(t *testing.T) {
	t.Parallel()
	told := 0
	b := &Bounded{Most: 5, Full: func() { told++ }}
	for _, part := range []string{"abc", "de"} {
		if n, err := b.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%q: %d, %v", part, n, err)
		}
	}
	if b.String() != "abcde" || b.Overflowed() || told != 0 {
		t.Errorf("what fits: %q, %t, told %d times", b.String(), b.Overflowed(), told)
	}
	for range 2 {
		if n, err := b.Write([]byte("fgh")); n != 3 || err != nil {
			t.Errorf("too much: %d, %v", n, err)
		}
	}
	if string(b.Bytes()) != "abcde" || !b.Overflowed() || told != 1 {
		t.Errorf("too much: %q, %t, told %d times", b.Bytes(), b.Overflowed(), told)
	}
}
