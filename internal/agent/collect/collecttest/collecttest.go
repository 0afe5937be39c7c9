// Package collecttest is what tests of collectors have in common, whatever system they are for.
package collecttest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/internal/agent/collect"
	"muster/internal/posture"
)

// None is a fact that does not apply, and why.
func None[T any](why string) collect.Fact[T] { return collect.DoesNotApply[T](why) }

// Unread is a fact that could not be read, and why.
func Unread[T any](why string) collect.Fact[T] { return collect.CouldNotReadf[T]("%s", why) }

// Same compares what was found with what should be.
func Same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// At is a time as RFC 3339 writes it.
func At(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// MAC is an address in any common writing.
func MAC(text string) posture.MAC {
	m, ok := posture.ParseMAC(text)
	if !ok {
		panic(text)
	}
	return m
}
