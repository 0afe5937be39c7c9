package identity

import (
	"context"
	"strings"

	"muster/internal/errs"
	"muster/internal/identity/scope"
	"muster/internal/posture"
)

// NewApplication is what an application is made from. ClientID and Secret are for imports and for the demo; they are
// made up when empty.
type NewApplication struct {
	Account    posture.AccountID
	Name       string
	Permission scope.Permission
	RateLimit  int // calls a minute and operation; 0 is no limit, DefaultRateLimit the server's

	ClientID string
	Secret   string
}

// CreateApplication makes an application and gives its secret, which is shown this once. Invalid: something about it
// cannot be accepted, and the text says everything that is wrong. NotFound: there is no such account. Conflict: the
// client id is taken.
func (s *Service) CreateApplication(ctx context.Context, n NewApplication) (app Application, secret string, err error) {
	n.Name = strings.TrimSpace(n.Name)
	if err := n.validate(); err != nil {
		return Application{}, "", err
	}
	if _, err := s.accounts.AccountByID(ctx, n.Account); err != nil {
		return Application{}, "", err
	}
	if err := s.nameClient(&n); err != nil {
		return Application{}, "", err
	}
	app = Application{
		Account: n.Account, ClientID: n.ClientID, Name: n.Name, Permission: n.Permission,
		RateLimit: n.RateLimit, SecretHash: HashOf(n.Secret), CreatedAt: s.stamp(),
	}
	registered := s.configured(ctx, app.Account, "Application registered: %q (%s), permission %s", app.Name, app.ClientID, string(app.Permission))
	if err := s.applications.CreateApplication(ctx, app, registered); err != nil {
		return Application{}, "", err
	}
	return app, n.Secret, nil
}

func (n *NewApplication) validate() error {
	var m mistakes
	m.checkName(n.Name)
	m.checkPermission(n.Permission)
	m.checkRateLimit(n.RateLimit)
	m.checkClientID(n.ClientID)
	if n.Secret != "" {
		m.checkSecret("client_secret", n.Secret)
	}
	return m.err()
}

// nameClient makes up the credentials that were left empty.
func (s *Service) nameClient(n *NewApplication) (err error) {
	if n.ClientID == "" {
		if n.ClientID, err = s.randomText(clientIDLength); err != nil {
			return err
		}
	}
	if n.Secret == "" {
		n.Secret, err = s.randomText(clientSecretLength)
	}
	return err
}

// ListApplications gives the account's applications, revoked ones too, oldest first.
func (s *Service) ListApplications(ctx context.Context, account posture.AccountID) ([]Application, error) {
	return s.applications.ListApplications(ctx, account)
}

// RevokeApplication ends an application and every token it holds: at once in this process, within a second or two in
// others. NotFound: the account has no such application.
func (s *Service) RevokeApplication(ctx context.Context, account posture.AccountID, clientID string) error {
	defer s.grants.clear()
	return s.applications.RevokeApplication(ctx, account, clientID, s.stamp(), s.configured(ctx, account, "Application revoked: %s", clientID))
}

// usable gives an application that may act. Unauthenticated: it does not exist, or is revoked.
func (s *Service) usable(ctx context.Context, clientID string) (Application, error) {
	none := errs.New(errs.Unauthenticated, "There is no such application, or it is revoked")
	if !fitsClientID(clientID) {
		return Application{}, none
	}
	app, err := s.applications.ApplicationByClientID(ctx, clientID)
	if errs.Is(err, errs.NotFound) || err == nil && !app.RevokedAt.IsZero() {
		return Application{}, none
	}
	return app, err
}
