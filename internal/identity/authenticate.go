package identity

import (
	"context"
	"time"

	"muster/internal/errs"
	"muster/internal/identity/scope"
)

// Grant is what the holder of an access token may do.
type Grant struct {
	Account    Account
	ClientID   string
	Permission scope.Permission
	RateLimit  int // of the application: calls a minute and operation; 0 is no limit, DefaultRateLimit the server's
}

// Authenticate says what an access token stands for. It answers from memory for up to a second. Unauthenticated: the
// token is absent, unknown, has expired or is no access token, or its application is revoked.
func (s *Service) Authenticate(ctx context.Context, accessToken string) (Grant, error) {
	if accessToken == "" {
		return Grant{}, errs.New(errs.Unauthenticated, "An access token is needed")
	}
	hash, now := HashOf(accessToken), s.now()
	if g, ok := s.grants.get(hash, now); ok {
		return g, nil
	}
	version := s.grants.version()
	token, err := s.liveToken(ctx, hash, now)
	if err != nil {
		return Grant{}, err
	}
	g, err := s.grantBehind(ctx, token)
	if err != nil {
		return Grant{}, err
	}
	s.grants.put(hash, g, earlier(now.Add(cacheLife), token.ExpiresAt), version)
	return g, nil
}

// refusedToken is the same for every reason, so that nobody learns from it which tokens once existed.
func refusedToken() error {
	return errs.New(errs.Unauthenticated, "The access token is not valid or has expired")
}

func (s *Service) liveToken(ctx context.Context, hash Hash, now time.Time) (Token, error) {
	token, err := s.tokens.FindToken(ctx, hash)
	if errs.Is(err, errs.NotFound) {
		return Token{}, refusedToken()
	}
	if err != nil {
		return Token{}, err
	}
	if token.Kind != AccessToken || !now.Before(token.ExpiresAt) {
		return Token{}, refusedToken()
	}
	return token, nil
}

// grantBehind looks at the application as it is now: a token never outlives it, nor allows more than it.
func (s *Service) grantBehind(ctx context.Context, token Token) (Grant, error) {
	app, err := s.usable(ctx, token.ClientID)
	if errs.Is(err, errs.Unauthenticated) {
		return Grant{}, refusedToken()
	}
	if err != nil {
		return Grant{}, err
	}
	account, err := s.accounts.AccountByID(ctx, token.Account)
	if errs.Is(err, errs.NotFound) {
		return Grant{}, refusedToken()
	}
	if err != nil {
		return Grant{}, err
	}
	may := token.Permission.Within(app.Permission)
	return Grant{Account: account, ClientID: app.ClientID, Permission: may, RateLimit: app.RateLimit}, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
