package device

import (
	"context"
	"crypto/subtle"

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
	if !holds(&c, key, token) || !c.valid() && !c.lapsed() {
		return Ref{}, errUnknownAgent()
	}
	if c.lapsed() {
		err = s.revive(ctx, ref)
	}
	return ref, err
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

// Standing says which device calls and what its agent should do, also one whose device was retired or deleted, or whose
// device was left without it. Unauthenticated: the credentials belong to no device, live or gone, of that id.
func (s *Service) Standing(ctx context.Context, deviceID, key, token string) (Ref, Standing, error) {
	c, err := s.store.CredentialsAnywhere(ctx, deviceID)
	if errs.Is(err, errs.NotFound) {
		return Ref{}, 0, errUnknownAgent()
	}
	if err != nil {
		return Ref{}, 0, err
	}
	if !holds(&c, key, token) {
		return Ref{}, 0, errUnknownAgent()
	}
	ref := Ref{Account: c.Account, ID: deviceID}
	switch {
	case c.lapsed():
		err = s.revive(ctx, ref)
		if err != nil {
			return Ref{}, 0, err
		}
	case !c.valid():
		return ref, StandingRemoved, nil
	}
	s.seen.note(ref, s.clock())
	return ref, StandingGood, nil
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
	err := s.remove(ctx, ref, removal{lifecycle: Retired, kind: event.Retired})
	if errs.Is(err, errs.NotFound) {
		return errUnknownAgent()
	}
	return err
}
