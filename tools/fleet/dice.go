package fleet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// dice are numbers that look random and follow from where they begin: the same machine must come out on every computer
// and with every version of Go.
type dice uint64

// next gives the next number (SplitMix64).
func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	return scramble(uint64(*d))
}

// below gives a number from 0 to n-1.
func (d *dice) below(n int) int { return int(d.next() >> 33 % uint64(n)) }

// percent is true so often.
func (d *dice) percent(p int) bool { return d.below(100) < p }

func one[T any](d *dice, of []T) T { return of[d.below(len(of))] }

// scramble spreads a number over all 64 bits. No two numbers give the same.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// mix makes one number of two. For one a, no two b give the same.
func mix(a, b uint64) uint64 { return scramble(scramble(a) + b) }

// identity is what tells one machine from all others: for one seed, no two numbers give anything in common.
type identity struct {
	seed, n uint64
	// mark is the last bit of every address, 1 for the demo: its machines and random ones can be on one server.
	mark uint32
}

func (id identity) number() uint64 { return mix(id.seed, id.n) }

// mac makes an adapter address of a maker's first three bytes; a machine has at most four adapters. After two million
// machines the addresses begin again.
func (id identity) mac(maker string, adapter int) string {
	const odd = 0x5bd1e9 // spreads neighbours, and keeps them apart
	low := uint32((4*id.n+uint64(adapter))*odd+scramble(id.seed))<<1&0xffffff | id.mark
	return fmt.Sprintf("%s:%02x:%02x:%02x", maker, low>>16, low>>8&0xff, low&0xff)
}

// hardwareID is a UUID, or the same without hyphens as Linux has it.
func (id identity) hardwareID(hyphens bool) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], id.number())
	binary.BigEndian.PutUint64(raw[8:], mix(^id.seed, id.n))
	s := hex.EncodeToString(raw[:])
	if !hyphens {
		return s
	}
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// machineID is a hash, as agents make it of an id of the system.
func (id identity) machineID() string {
	return fmt.Sprintf("%016x%016x", mix(id.seed^0x3ac41d, id.n), mix(^id.seed^0x3ac41d, id.n))
}

func (id identity) serial() string {
	return strings.ToUpper(strconv.FormatUint(mix(id.seed^0x5e71a1, id.n), 36))
}

// addresses come from the networks set aside for documentation.
func (id identity) addresses(adapter int) (v4, v6 string) {
	x := 4*id.n + uint64(adapter)
	net := [...]string{"192.0.2.", "198.51.100.", "203.0.113."}[x/250%3]
	return net + strconv.FormatUint(1+x%250, 10), "2001:db8:" + strconv.FormatUint(x>>16&0xffff, 16) + "::" + strconv.FormatUint(1+x&0xffff, 16)
}
