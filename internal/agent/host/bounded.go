package host

import "bytes"

// Bounded keeps the beginning of what a program writes, and tells somebody when there is more.
type Bounded struct {
	Most int    // bytes
	Full func() // called once; nil: the rest is passed over

	kept       bytes.Buffer
	overflowed bool
}

// Write keeps what there is room for. It never fails.
func (b *Bounded) Write(p []byte) (int, error) {
	keep := min(len(p), b.Most-b.kept.Len())
	b.kept.Write(p[:keep])
	if keep < len(p) && !b.overflowed {
		b.overflowed = true
		if b.Full != nil {
			b.Full()
		}
	}
	return len(p), nil
}

// Bytes is what was kept.
func (b *Bounded) Bytes() []byte { return b.kept.Bytes() }

// String is what was kept, as a text.
func (b *Bounded) String() string { return b.kept.String() }

// Overflowed reports whether more was written than was kept.
func (b *Bounded) Overflowed() bool { return b.overflowed }
