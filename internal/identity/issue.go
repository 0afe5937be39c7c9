package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/netip"
	"time"

	"muster/internal/errs"
	"muster/internal/identity/scope"
	"muster/internal/posture"
	"muster/internal/ratelimit"
)

const (
	// AccessTokenLife is how long an access token lasts: the odd figure is what the original says.
	AccessTokenLife = 43199 * time.Second
	// RefreshTokenLife is how long a refresh token lasts that is not used.
	RefreshTokenLife = 30 * 24 * time.Hour
	// RefreshOverlap is how long a refresh token still works after its first use: the answer may have been lost, or two
	// workers may have shared the token.
	RefreshOverlap = time.Minute
)

// How many failed attempts a minute are borne before even the right secret is refused. The first is for one client from
// one origin, so that nobody can lock out a client from elsewhere. The second is for one origin, whatever clients it
// names; it is wider because a whole office may sit behind one address.
const (
	failuresByClient = 10
	failuresByOrigin = 60
)

var (
	// ErrUnsupportedGrant is the cause of an Invalid error: the type of grant is not known here.
	ErrUnsupportedGrant = errors.New("unsupported grant type")
	// ErrInvalidGrant is the cause of an Invalid error: what was to be exchanged for a token is unknown, has expired, or
	// belongs to another client.
	ErrInvalidGrant = errors.New("invalid grant")
)

// Client is an application that says who it is.
type Client struct {
	ID     string
	Secret string
	From   netip.Addr // where the call came from; the zero Addr for calls from within
}

// TokenRequest asks for a token.
type TokenRequest struct {
	GrantType    string
	Client       Client
	RefreshToken string // for the grant type refresh_token
}

// Issued is a new pair of tokens. This is the only time that their texts are seen.
type Issued struct {
	AccessToken  string
	RefreshToken string
	ExpiresIn    int // seconds that the access token lasts
	Permission   scope.Permission
	ClientID     string
	Account      posture.AccountID
}

// exchange answers the request of a client that proved who it is. It holds what is peculiar to one grant type; Issue
// does what all share, so that none can forget it.
type exchange func(s *Service, ctx context.Context, app Application, req TokenRequest) (Issued, error)

// exchangeOf is the list of grant types. Another one is added here.
func exchangeOf(grantType string) (exchange, bool) {
	switch grantType {
	case "client_credentials":
		return (*Service).exchangeCredentials, true
	case "refresh_token":
		return (*Service).exchangeRefresh, true
	default:
		return nil, false
	}
}

// Issue answers a request for a token (RFC 6749, 4.4 and 6). Tokens issued earlier live on. Invalid: something is
// missing; or, with the cause ErrUnsupportedGrant or ErrInvalidGrant, what these say. Unauthenticated: the client is not
// known, is revoked, or its secret is wrong. RateLimited: too many failed attempts; ratelimit.DecisionOf says how long.
func (s *Service) Issue(ctx context.Context, req TokenRequest) (Issued, error) {
	if req.GrantType == "" {
		return Issued{}, errs.InvalidField("grant_type", "Missing grant type")
	}
	answer, ok := exchangeOf(req.GrantType)
	if !ok {
		return Issued{}, errs.Wrap(errs.Invalid, ErrUnsupportedGrant, "Unsupported grant type")
	}
	app, err := s.authenticateClient(ctx, req.Client)
	if err != nil {
		return Issued{}, err
	}
	return answer(s, ctx, app, req)
}

// ClientCredentials is Issue for the grant type client_credentials and a call from within.
func (s *Service) ClientCredentials(ctx context.Context, clientID, secret string) (Issued, error) {
	return s.Issue(ctx, TokenRequest{GrantType: "client_credentials", Client: Client{ID: clientID, Secret: secret}})
}

// Refresh is Issue for the grant type refresh_token and a call from within.
func (s *Service) Refresh(ctx context.Context, clientID, secret, refreshToken string) (Issued, error) {
	client := Client{ID: clientID, Secret: secret}
	return s.Issue(ctx, TokenRequest{GrantType: "refresh_token", Client: client, RefreshToken: refreshToken})
}

// authenticateClient gives the application that knows the secret. The guard is asked first: otherwise a guess beyond the
// bound would still be a guess.
func (s *Service) authenticateClient(ctx context.Context, c Client) (Application, error) {
	refused := errs.New(errs.Unauthenticated, "Bad client credentials")
	if c.ID == "" || c.Secret == "" {
		return Application{}, refused
	}
	bounds := guessBounds(c)
	if err := s.guard.Check(bounds...); err != nil {
		return Application{}, err
	}
	app, err := s.usable(ctx, c.ID)
	if err != nil && !errs.Is(err, errs.Unauthenticated) {
		return Application{}, err
	}
	hash := HashOf(c.Secret)
	// An unknown client is compared too, with a hash that nothing has.
	if same := subtle.ConstantTimeCompare(hash[:], app.SecretHash[:]) == 1; !same || err != nil {
		s.guard.Failed(bounds...)
		return Application{}, refused
	}
	return app, nil
}

func guessBounds(c Client) []ratelimit.Bound {
	origin := ratelimit.Origin(c.From)
	bounds := []ratelimit.Bound{{Key: ratelimit.Guess("client", origin+" "+c.ID), Limit: failuresByClient}}
	if origin != "" {
		bounds = append(bounds, ratelimit.Bound{Key: ratelimit.Guess("origin", origin), Limit: failuresByOrigin})
	}
	return bounds
}

// exchangeCredentials also gives a refresh token, which RFC 6749, 4.4.3 advises against: clients written for this API
// know how to refresh, and this grant is where they get something to refresh with.
func (s *Service) exchangeCredentials(ctx context.Context, app Application, _ TokenRequest) (Issued, error) {
	return s.issue(ctx, app, app.Permission, Hash{}, time.Time{})
}

// exchangeRefresh gives a new pair and lets the old refresh token run out. A token that is used again after that is merely
// refused: clients do it by accident, and revoking the new pair would lock them out.
func (s *Service) exchangeRefresh(ctx context.Context, app Application, req TokenRequest) (Issued, error) {
	if req.RefreshToken == "" {
		return Issued{}, errs.InvalidField("refresh_token", "Missing refresh token")
	}
	now := s.stamp()
	old, err := s.tokens.FindToken(ctx, HashOf(req.RefreshToken))
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Issued{}, err
	}
	if err != nil || old.Kind != RefreshToken || old.ClientID != app.ClientID || !now.Before(old.ExpiresAt) {
		return Issued{}, errs.Wrap(errs.Invalid, ErrInvalidGrant, "Invalid refresh token")
	}
	return s.issue(ctx, app, old.Permission.Within(app.Permission), old.Hash, now.Add(RefreshOverlap))
}

// issue makes and stores a pair. The token `retire`, if limit is set, ends by then.
func (s *Service) issue(
	ctx context.Context, app Application, permission scope.Permission, retire Hash, limit time.Time,
) (Issued, error) {
	access, err := s.newToken()
	if err != nil {
		return Issued{}, err
	}
	refresh, err := s.newToken()
	if err != nil {
		return Issued{}, err
	}
	now := s.stamp()
	err = s.tokens.CreateTokens(ctx, []Token{
		tokenOf(access, AccessToken, app, permission, now, now.Add(AccessTokenLife)),
		tokenOf(refresh, RefreshToken, app, permission, now, now.Add(RefreshTokenLife)),
	}, retire, limit)
	if err != nil {
		return Issued{}, err
	}
	return Issued{
		AccessToken: access, RefreshToken: refresh, ExpiresIn: int(AccessTokenLife / time.Second),
		Permission: permission, ClientID: app.ClientID, Account: app.Account,
	}, nil
}

func tokenOf(text string, kind TokenKind, app Application, p scope.Permission, created, expires time.Time) Token {
	return Token{
		Hash: HashOf(text), Kind: kind, Account: app.Account, ClientID: app.ClientID,
		Permission: p, CreatedAt: created, ExpiresAt: expires,
	}
}
