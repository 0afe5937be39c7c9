package identity

import (
	"context"
	"time"

	"muster/internal/errs"
)

// ImportToken stores an access token whose text is given: the demo's are in its documentation. Invalid: the text is no
// fit token, or expires is past. Unauthenticated: there is no such application, or it is revoked. Conflict: the token
// is stored already.
func (s *Service) ImportToken(ctx context.Context, clientID, text string, expires time.Time) error {
	now := s.stamp()
	var m mistakes
	m.checkSecret("access_token", text)
	m.check(expires.After(now), "expires", "expires must be in the future")
	if err := m.err(); err != nil {
		return err
	}
	app, err := s.usable(ctx, clientID)
	if err != nil {
		return err
	}
	token := tokenOf(text, AccessToken, app, app.Permission, now, expires.UTC().Truncate(time.Millisecond))
	return s.tokens.CreateTokens(ctx, []Token{token}, Hash{}, time.Time{})
}

// RevokeToken ends an access or refresh token: at once in this process, within a second or two in others. A token that
// does not exist is as good as revoked.
func (s *Service) RevokeToken(ctx context.Context, token string) error {
	hash := HashOf(token)
	defer s.grants.drop(hash)
	if err := s.tokens.DeleteToken(ctx, hash); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return nil
}

// Revoke is RevokeToken at the wish of a client (RFC 7009, 2). Unauthenticated and RateLimited: as for Issue. Invalid:
// no token was named; or, with the cause ErrInvalidGrant, it was issued to another client.
func (s *Service) Revoke(ctx context.Context, c Client, token string) error {
	app, err := s.authenticateClient(ctx, c)
	if err != nil {
		return err
	}
	if token == "" {
		return errs.InvalidField("token", "Missing token")
	}
	found, err := s.tokens.FindToken(ctx, HashOf(token))
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if found.ClientID != app.ClientID {
		return errs.Wrap(errs.Invalid, ErrInvalidGrant, "The token was issued to another client")
	}
	return s.RevokeToken(ctx, token)
}

// SweepTokens removes the tokens that have expired and says how many there were.
func (s *Service) SweepTokens(ctx context.Context) (int64, error) {
	return s.tokens.DeleteExpiredTokens(ctx, s.stamp())
}
