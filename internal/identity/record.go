package identity

import (
	"context"
	"fmt"
	"strings"

	"muster/internal/event"
	"muster/internal/posture"
)

// configured makes the event that tells of what an administrator changed. The text must hold no secret: logs are read by
// programs that may read devices only, and a licence key or registration code lets anybody enrol.
func (s *Service) configured(ctx context.Context, account posture.AccountID, format string, args ...any) event.Event {
	at := s.stamp()
	return event.Event{
		Account: account, ID: posture.NewID(at, s.random), At: at, Kind: event.Configured,
		Actor: event.Actor(ctx), Detail: fmt.Sprintf(format, args...),
	}
}

// accountChanged tells how an account changed; there is no event where it did not.
func (s *Service) accountChanged(ctx context.Context, before, after *Account) []event.Event {
	var what []string
	note := func(name string, old, now any) {
		if old != now {
			what = append(what, fmt.Sprintf("%s %v -> %v", name, old, now))
		}
	}
	note("name", quoted(before.Name), quoted(after.Name))
	note("e-mail", quoted(before.Email), quoted(after.Email))
	note("devices allowed", before.DevicesAllowed, after.DevicesAllowed)
	note("cross-domain enabled", before.CrossDomain.Enabled, after.CrossDomain.Enabled)
	note("cross-domain port", before.CrossDomain.Port, after.CrossDomain.Port)
	if len(what) == 0 {
		return nil
	}
	return []event.Event{s.configured(ctx, after.ID, "Account changed: %s", strings.Join(what, ", "))}
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
