package storetest

import (
	"context"
	"testing"

	"muster/internal/device"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
)

// everything gives all live devices of an account in the order of their enrolment.
func everything(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) []device.Device {
	t.Helper()
	list, next, err := s.Select(ctx, account, device.Query{Window: page.Window{Limit: 10_000}})
	if err != nil || next != "" {
		t.Fatalf("listing everything: next %q, %v", next, err)
	}
	return list
}
