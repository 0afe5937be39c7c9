// Package identity knows who calls: accounts, the OAuth applications that act for them, and the tokens they carry. It
// declares the storage it needs as small interfaces and does no I/O of its own. Secrets leave this package once, when
// they are made; only their digests are stored.
package identity

import (
	"context"
	"crypto/sha256"
	"time"

	"muster/internal/event"
	"muster/internal/identity/scope"
	"muster/internal/posture"
	"muster/internal/run"
)

// Account is a tenant: it owns devices, applications and everything else.
type Account struct {
	ID               posture.AccountID
	Name             string
	Email            string    // the owner's
	LastLogin        time.Time // of the owner; zero for never
	CreatedAt        time.Time
	DevicesAllowed   int64
	LicenseKey       string // 32 lower-case hexadecimal digits in new accounts
	RegistrationCode string // 8 of A-Z and 0-9
	// CrossDomain says whether agents answer pages in the machine's own browser, and on which port. Muster only keeps it.
	CrossDomain CrossDomain
}

// CrossDomain is the setting of the endpoint's own interface.
type CrossDomain struct {
	Enabled bool
	Port    int
}

// DefaultCrossDomainPort is that of new accounts.
const DefaultCrossDomainPort = 11369

// DefaultRateLimit says that an application has no rate limit of its own.
const DefaultRateLimit = -1

// Application is a program that may call the API for one account.
type Application struct {
	Account    posture.AccountID
	ClientID   string // 48 of A-Z and 0-9
	Name       string
	Permission scope.Permission
	// RateLimit is its own limit of calls a minute and operation; 0 is no limit, DefaultRateLimit the server's.
	RateLimit  int
	SecretHash Hash
	CreatedAt  time.Time
	RevokedAt  time.Time // zero while it may be used
}

// Hash is the SHA-256 of a secret. Secrets are random and long, so a slow hash would add nothing.
type Hash [sha256.Size]byte

// HashOf digests a secret.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// TokenKind tells access tokens from refresh tokens. The numbers are stored.
type TokenKind uint8

const (
	// AccessToken opens the API.
	AccessToken TokenKind = 1
	// RefreshToken is exchanged for a new pair.
	RefreshToken TokenKind = 2
)

// Token is a stored token: its digest, never its text.
type Token struct {
	Hash       Hash
	Kind       TokenKind
	Account    posture.AccountID
	ClientID   string
	Permission scope.Permission
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// AccountStore keeps accounts. Find methods give NotFound when there is none.
type AccountStore interface {
	// CreateAccount stores a new account under a new id, with its default device group, and gives it back. It records the
	// events as of that account, in the same step. Conflict: the licence key, registration code or name is taken.
	CreateAccount(ctx context.Context, a Account, events ...event.Event) (Account, error)
	AccountByID(ctx context.Context, id posture.AccountID) (Account, error)
	AccountByName(ctx context.Context, name string) (Account, error)
	AccountByLicenseKey(ctx context.Context, key string) (Account, error)
	AccountByRegistrationCode(ctx context.Context, code string) (Account, error)
	// ListAccounts gives all accounts in the order of their ids.
	ListAccounts(ctx context.Context) ([]Account, error)
	// UpdateAccount loads, changes and stores an account, and records the events that the change gives, as one step. The
	// change may be run more than once.
	UpdateAccount(ctx context.Context, id posture.AccountID, change func(*Account) ([]event.Event, error)) (Account, error)
}

// ApplicationStore keeps applications. Find methods give NotFound when there is none.
type ApplicationStore interface {
	// CreateApplication stores a new application and records the events, as one step. Conflict: the client id is taken.
	CreateApplication(ctx context.Context, a Application, events ...event.Event) error
	ApplicationByClientID(ctx context.Context, clientID string) (Application, error)
	// ListApplications gives the account's applications, revoked ones too, oldest first.
	ListApplications(ctx context.Context, account posture.AccountID) ([]Application, error)
	// RevokeApplication ends the application, deletes its tokens and records the events as one step; the events only if it
	// was not revoked before. NotFound: no such application in the account.
	RevokeApplication(ctx context.Context, account posture.AccountID, clientID string, at time.Time, events ...event.Event) error
}

// TokenStore keeps tokens. FindToken gives NotFound when there is none.
type TokenStore interface {
	// CreateTokens stores all of them or none. When limit is not zero the time of expiry of the token `retire` is
	// brought forward to it, if it is later, in the same step. Conflict: one of them is stored already.
	CreateTokens(ctx context.Context, tokens []Token, retire Hash, limit time.Time) error
	FindToken(ctx context.Context, h Hash) (Token, error)
	DeleteToken(ctx context.Context, h Hash) error
	// DeleteExpiredTokens removes those that expired before the time and says how many.
	DeleteExpiredTokens(ctx context.Context, before time.Time) (int64, error)
}

// SettingsStore keeps what accounts decided about themselves. Both give NotFound where there is no such account.
type SettingsStore interface {
	// AccountSettings gives the settings and how often they were stored, from 1.
	AccountSettings(ctx context.Context, id posture.AccountID) (Settings, int64, error)
	// UpdateAccountSettings loads, changes and stores the settings under the next revision, and what the change gives, as one
	// step. A change that gives no events stores nothing. It may be run more than once.
	UpdateAccountSettings(ctx context.Context, id posture.AccountID, change func(s *Settings, revision int64) (SettingsChange, error)) (Settings, int64, error)
}

// SettingsChange is what is stored with changed settings.
type SettingsChange struct {
	Events []event.Event
	// Rejudge, where not nil, is the work that follows where devices are judged otherwise from now on. Whoever judges by what
	// the account said of vulnerabilities before is told so.
	Rejudge *run.Run
}
