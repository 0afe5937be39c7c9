package admin

import (
	"context"
	"time"

	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
)

// Accounts is what this door asks about accounts and applications. package identity says what each method does.
type Accounts interface {
	Account(ctx context.Context, id posture.AccountID) (identity.Account, error)
	UpdateAccount(ctx context.Context, id posture.AccountID, c identity.AccountChange) (identity.Account, error)
	StoredSettings(ctx context.Context, account posture.AccountID) (identity.Settings, int64, error)
	UpdateSettings(ctx context.Context, account posture.AccountID, expected *int64, change func(*identity.Settings) error) (identity.Settings, int64, error)
	RotateRegistrationCode(ctx context.Context, id posture.AccountID) (identity.Account, error)
	RegistrationCodes(ctx context.Context, account posture.AccountID) ([]identity.RegistrationCode, error)
	RegistrationCode(ctx context.Context, account posture.AccountID, id string) (identity.RegistrationCode, error)
	CreateRegistrationCode(ctx context.Context, n identity.NewRegistrationCode) (identity.RegistrationCode, error)
	RevokeRegistrationCode(ctx context.Context, account posture.AccountID, id string) (identity.RegistrationCode, error)
	CreateApplication(ctx context.Context, n identity.NewApplication) (app identity.Application, secret string, err error)
	ListApplications(ctx context.Context, account posture.AccountID) ([]identity.Application, error)
	RevokeApplication(ctx context.Context, account posture.AccountID, clientID string) error
}

// Devices is what this door asks of the inventory. package device says what each method does.
type Devices interface {
	grouping
	exempting
	vulnerabilities
	Find(ctx context.Context, account posture.AccountID, sel device.Selector) (device.Device, error)
	Select(ctx context.Context, account posture.AccountID, q device.Query) ([]device.Device, string, error)
	Conflicts(ctx context.Context, account posture.AccountID, w page.Window) (list []device.Clash, next string, err error)
	Merge(ctx context.Context, account posture.AccountID, survivor, other, actor string) error
	Split(ctx context.Context, account posture.AccountID, hardwareID, actor string) (int, error)
	// Verdict gives what was last thought of a device. NotFound: it never reported.
	Verdict(ctx context.Context, account posture.AccountID, id string) (posture.Verdict, error)
	// LastReport gives the last report and when it came. NotFound: none.
	LastReport(ctx context.Context, account posture.AccountID, id string) (*posture.Report, time.Time, error)
	Events(ctx context.Context, account posture.AccountID, q device.EventQuery) ([]device.LogEntry, string, error)
}

type grouping interface {
	GroupNames(ctx context.Context, account posture.AccountID) (map[posture.GroupID]string, error)
	Groups(ctx context.Context, account posture.AccountID) ([]device.Group, error)
	CreateGroup(ctx context.Context, account posture.AccountID, c device.GroupChange, actor string) (device.Group, error)
	UpdateGroup(ctx context.Context, account posture.AccountID, id posture.GroupID, c device.GroupChange, actor string) (device.Group, error)
	DissolveGroup(ctx context.Context, account posture.AccountID, id, into posture.GroupID, expect *int64, actor string) (int, error)
	DeleteGroup(ctx context.Context, account posture.AccountID, id posture.GroupID, expect *int64, actor string) error
}

type exempting interface {
	Exempt(ctx context.Context, account posture.AccountID, id, reason string, until time.Time) error
	Unexempt(ctx context.Context, account posture.AccountID, id string) error
	Quarantine(ctx context.Context, account posture.AccountID, id, reason string) error
	Release(ctx context.Context, account posture.AccountID, id, reason string) error
}
