package device

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/internal/posture"
)

// credentialReads is a store that counts how often credentials are read. Nothing else is asked of it.
type credentialReads struct {
	Agents
	n int
}

func (r *credentialReads) Credentials(context.Context, posture.AccountID, string) (Credentials, error) {
	r.n++
	return Credentials{}, nil
}

// TestCredentialsAreReadAgainBitByBit: a fleet that calls every minute has its credentials read in the first, and then never
// again many of them at once, nor any later than they are believed.
func TestCredentialsAreReadAgainBitByBit(t *testing.T) {
	const devices, minutes = 1000, 60
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	store := new(credentialReads)
	cache := newCredentialCache(store, func() time.Time { return at })
	total := 0
	for minute := range minutes {
		store.n = 0
		for i := range devices {
			if _, err := cache.find(t.Context(), Ref{Account: 1, ID: fmt.Sprint("device-", i)}); err != nil {
				t.Fatal(err)
			}
		}
		if minute == 0 && store.n != devices || minute > 0 && store.n > devices/3 {
			t.Errorf("in minute %d the credentials of %d in %d devices are read", minute, store.n, devices)
		}
		total += store.n
		at = at.Add(time.Minute)
	}
	if least := devices * minutes / int(credentialLife/time.Minute); total < least {
		t.Errorf("credentials are read %d times in an hour, and at least %d were to be", total, least)
	}
}
