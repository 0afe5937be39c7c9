package posture

import (
	"encoding/hex"
	"io"
	"time"
)

// NewID makes an opaque id that sorts by the time it was made: the layout of a version 7 UUID (RFC 9562) as 32
// lower-case hexadecimal digits. random must not fail; crypto/rand.Reader does not.
func NewID(now time.Time, random io.Reader) string {
	var b [16]byte
	_, err := io.ReadFull(random, b[6:])
	if err != nil {
		panic("posture: source of randomness failed: " + err.Error())
	}
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

// IsID reports whether a text looks like what NewID makes.
func IsID(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
