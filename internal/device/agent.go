package device

import (
	"context"
	"crypto/subtle"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Authenticate names the device that a pair of credentials belongs to. The two may come in either order.
// Unauthenticated: unknown, retired, deleted, or of another device or account.
func (s *Service) Authenticate(ctx context.Context, account posture.AccountID, deviceID, key, token string) (Ref, error) {
	ref := Ref{Account: account, ID: deviceID}
	c, err := s.auth.find(ctx, ref)
	if errs.Is(err, errs.NotFound) {
		return Ref{}, errUnknownAgent()
	}
	if err != nil {
		return Ref{}, err
	}
	if c.Lifecycle != Live || !holds(&c, key, token) {
		return Ref{}, errUnknownAgent()
	}
	return ref, nil
}

// AuthenticateAny is Authenticate for the calls that name the account and not the device.
func (s *Service) AuthenticateAny(ctx context.Context, account posture.AccountID, key, token string) (Ref, error) {
	if key == "" || token == "" {
		return Ref{}, errUnknownAgent()
	}
	id, err := s.store.IDByCredentials(ctx, account, credentialDigest(key, token))
	if errs.Is(err, errs.NotFound) {
		return Ref{}, errUnknownAgent()
	}
	return Ref{Account: account, ID: id}, err
}

// Standing says what a calling agent should do, also one whose device was retired or deleted.
// Unauthenticated: the credentials belong to no device, live or gone, of that id.
func (s *Service) Standing(ctx context.Context, deviceID, key, token string) (Standing, error) {
	c, err := s.store.CredentialsAnywhere(ctx, deviceID)
	if errs.Is(err, errs.NotFound) {
		return 0, errUnknownAgent()
	}
	if err != nil {
		return 0, err
	}
	if !holds(&c, key, token) {
		return 0, errUnknownAgent()
	}
	if c.Lifecycle != Live {
		return StandingRemoved, nil
	}
	s.seen.note(Ref{Account: c.Account, ID: deviceID}, s.clock())
	return StandingGood, nil
}

func holds(c *Credentials, key, token string) bool {
	return len(c.Digest) > 0 && key != "" && token != "" &&
		subtle.ConstantTimeCompare(c.Digest, credentialDigest(key, token)) == 1
}

// Ping notes that the device was in contact.
func (s *Service) Ping(_ context.Context, ref Ref) { s.seen.note(ref, s.clock()) }

// Summary says what is thought of a device, for its own agent.
func (s *Service) Summary(ctx context.Context, ref Ref) (Summary, error) {
	d, err := s.store.Device(ctx, ref.Account, ref.ID)
	if errs.Is(err, errs.NotFound) {
		return Summary{}, errUnknownAgent()
	}
	if err != nil {
		return Summary{}, err
	}
	s.seen.overlay(&d)
	return Summary{Status: d.Cell.Status, Issues: d.Issues, SeenAt: d.SeenAt}, nil
}

// Retire takes a device out of the inventory on its agent's word. Its credentials end at once.
func (s *Service) Retire(ctx context.Context, ref Ref) error {
	err := s.remove(ctx, ref, Retired, event.Retired)
	if errs.Is(err, errs.NotFound) {
		return errUnknownAgent()
	}
	return err
}

// remove ends the life of a device. NotFound: no such live device.
func (s *Service) remove(ctx context.Context, ref Ref, to Lifecycle, kind event.Kind) error {
	at := s.clock()
	err := s.changeLive(ctx, ref, func(tx Tx, old, d *Device) error {
		d.Lifecycle, d.Conflict, d.NextChange = to, false, time.Time{}
		err := endConflict(ctx, tx, old)
		if err != nil {
			return err
		}
		err = tx.Update(ctx, old, d)
		if err != nil {
			return err
		}
		err = dropFacets(ctx, tx, old, d)
		if err != nil {
			return err
		}
		err = tx.Revoke(ctx, ref, at)
		if err != nil {
			return err
		}
		return tx.Record(ctx, s.newEvent(at, kind, d, old.Cell.Status))
	})
	s.auth.forget(ref)
	return err
}
