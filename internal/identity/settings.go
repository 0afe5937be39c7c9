package identity

import (
	"cmp"
	"context"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
	"muster/internal/run"
)

// Settings are what an account decides about itself. They are stored as JSON: members may be added, never renamed. The
// zero value is that of an account that never decided anything.
type Settings struct {
	Privacy   Privacy   `json:"privacy"`
	Removal   Removal   `json:"removal"`
	Licence   Licence   `json:"licence"`
	Retention Retention `json:"retention"`
	Agents    Agents    `json:"agents"`
	// Vulnerabilities is how they are ranked.
	Vulnerabilities Vulnerabilities `json:"vulnerabilities"`
}

// Privacy says what is private: agents are told not to report it, what comes nevertheless is not stored, and no answer of
// the API shows it.
type Privacy struct {
	UserName     bool `json:"user_name"`
	HostName     bool `json:"host_name"`
	PublicIP     bool `json:"public_ip"`
	MACAddress   bool `json:"mac_address"`
	LocalIP      bool `json:"local_ip"`
	Geolocation  bool `json:"geolocation"`
	SerialNumber bool `json:"serial_number"`
	// OtherApplications are those of categories in which no policy of the account makes a check.
	OtherApplications bool `json:"other_applications"`
}

// Removal says which devices leave the inventory by themselves.
type Removal struct {
	// Unseen are devices with an agent that was not heard of for so long. A group may have another time.
	Unseen RemovalRule `json:"unseen"`
	// NonCompliant are devices whose status was non-compliant for so long without a break.
	NonCompliant RemovalRule `json:"non_compliant"`
	// WithoutAgent are devices without an agent that came in, or were last heard of, so long ago. There is nothing to
	// uninstall on them.
	WithoutAgent RemovalRule `json:"without_agent"`
	// Erase removes at once what is known of a device that goes, but for what tells it apart.
	Erase bool `json:"erase"`
}

// RemovalRule is one reason to remove devices.
type RemovalRule struct {
	Enabled    bool `json:"enabled"`
	AfterHours int  `json:"after_hours"`
	// Uninstall tells the agent to remove itself. Otherwise the device comes back with the next contact of its agent.
	Uninstall bool `json:"uninstall"`
}

// After is the time of the rule; 0 where it is switched off.
func (r RemovalRule) After() time.Duration {
	if !r.Enabled {
		return 0
	}
	return time.Duration(r.AfterHours) * time.Hour
}

// Licence says what happens at the limit of the account, and near it.
type Licence struct {
	AtLimit AtLimit `json:"at_limit"`
	// WarnPercent is how much of the licence is in use when a warning shows; 0 stands for DefaultWarnPercent.
	WarnPercent int `json:"warn_percent"`
}

// AtLimit is what happens to a device for which there is no room.
type AtLimit string

const (
	// HoldAtLimit keeps it, listed as out of licence and not judged, until there is room. It is the default, as is "".
	HoldAtLimit AtLimit = "hold"
	// RefuseAtLimit keeps nothing of a device that is not known already.
	RefuseAtLimit AtLimit = "refuse"
)

// DefaultWarnPercent is how much of a licence is in use when a warning shows, unless the account says otherwise.
const DefaultWarnPercent = 90

// Near reports whether so much of the limit is used that a warning is due.
func (l Licence) Near(used, allowed int64) bool {
	percent := int64(l.WarnPercent)
	if percent == 0 {
		percent = DefaultWarnPercent
	}
	return used*100 >= allowed*percent
}

// Retention says for how long the past is kept. The server may have a shorter time for all accounts.
type Retention struct {
	// EventDays is for the record of events; 0 leaves it to the server.
	EventDays int `json:"event_days"`
	// RemovedDays is for devices that are not there any more; 0 stands for as long as events.
	RemovedDays int `json:"removed_days"`
}

// Events gives the days for which events are kept, of which 0 is for good. The server's own days are the most.
func (r Retention) Events(server int) int { return fewerDays(r.EventDays, server) }

// Removed gives the days for which devices that left are kept, of which 0 is for good.
func (r Retention) Removed(server int) int { return fewerDays(r.RemovedDays, r.Events(server)) }

// fewerDays gives the smaller of two numbers of days, of which 0 is no limit.
func fewerDays(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Agents is what the agents of the account are told.
type Agents struct {
	// PingSeconds and ReportSeconds are how often they call; 0 stands for the defaults below.
	PingSeconds   int     `json:"ping_seconds"`
	ReportSeconds int     `json:"report_seconds"`
	AskUser       AskUser `json:"ask_user"`
	NotifyInstall bool    `json:"notify_install"`
	// EnrolByLicenseKey lets agents register that know no more than the licence key of the account.
	EnrolByLicenseKey bool `json:"enrol_by_license_key"`
	// DiscoverNeighbours has agents report which other machines they see on their network.
	DiscoverNeighbours bool `json:"discover_neighbours"`
}

// AskUser says whether agents ask their user who they are.
type AskUser struct {
	Enabled bool   `json:"enabled"`
	Pattern string `json:"pattern"` // a regular expression that an answer has to match; "" for any
	Message string `json:"message"` // the question
}

const (
	// DefaultPing is how often agents ping unless the account says otherwise.
	DefaultPing = time.Minute
	// DefaultReport is how often they report.
	DefaultReport = time.Hour
)

// PingEvery gives how often agents ping.
func (a Agents) PingEvery() time.Duration { return secondsOr(a.PingSeconds, DefaultPing) }

// ReportEvery gives how often agents report.
func (a Agents) ReportEvery() time.Duration { return secondsOr(a.ReportSeconds, DefaultReport) }

func secondsOr(n int, otherwise time.Duration) time.Duration {
	if n == 0 {
		return otherwise
	}
	return time.Duration(n) * time.Second
}

// Vulnerabilities is what the account decided about how bad vulnerabilities are.
type Vulnerabilities struct {
	Levels VulnerabilityLevels `json:"levels"`
}

// VulnerabilityLevels are the lowest opswat_score of each level; what is above 0 and below Moderate is low. 0 stands for the
// defaults below.
type VulnerabilityLevels struct {
	Moderate  int `json:"moderate"`
	Important int `json:"important"`
	Critical  int `json:"critical"`
}

// The levels unless the account says otherwise: see docs/vulnerability-score.md.
const (
	DefaultModerate  = 25
	DefaultImportant = 50
	DefaultCritical  = 75
)

// Thresholds are the lowest opswat_score of each level, as they hold.
type Thresholds struct{ Critical, Important, Moderate float64 }

// Thresholds gives those that hold.
func (v Vulnerabilities) Thresholds() Thresholds {
	l := v.Levels
	return Thresholds{
		Critical: float64(cmp.Or(l.Critical, DefaultCritical)), Important: float64(cmp.Or(l.Important, DefaultImportant)),
		Moderate: float64(cmp.Or(l.Moderate, DefaultModerate)),
	}
}

// Settings gives what an account decided about itself. It answers from memory for up to a second. NotFound: there is no
// such account.
func (s *Service) Settings(ctx context.Context, account posture.AccountID) (Settings, error) {
	now := s.now()
	if known, ok := s.decided.get(account, now); ok {
		return known, nil
	}
	version := s.decided.version()
	found, _, err := s.settings.AccountSettings(ctx, account)
	if err != nil {
		return Settings{}, err
	}
	s.decided.put(account, found, now.Add(cacheLife), version)
	return found, nil
}

// StoredSettings gives the settings as they are stored now, and their revision. NotFound: there is no such account.
func (s *Service) StoredSettings(ctx context.Context, account posture.AccountID) (Settings, int64, error) {
	return s.settings.AccountSettings(ctx, account)
}

// UpdateSettings changes the settings of an account and gives them back with their revision. Where they are as they were
// before, nothing is stored. The actor of the context is who did it. The change may be run more than once; its error is
// given back. Stale: expected is not nil and not the revision of what is stored. Invalid: something about the result
// cannot be accepted, and the text says everything that is wrong. NotFound: there is no such account.
func (s *Service) UpdateSettings(ctx context.Context, account posture.AccountID, expected *int64, change func(*Settings) error) (Settings, int64, error) {
	// Even a change that failed may have been made: the connection can break after the commit.
	defer s.decided.drop(account)
	rejudge := false
	found, at, err := s.settings.UpdateAccountSettings(ctx, account, func(now *Settings, revision int64) (SettingsChange, error) {
		if expected != nil && *expected != revision {
			return SettingsChange{}, errs.New(errs.Stale, "The settings were changed meanwhile: they are at revision %d, not %d", revision, *expected)
		}
		before := *now
		err := change(now)
		if err == nil {
			err = now.Validate()
		}
		if err != nil {
			return SettingsChange{}, err
		}
		what := now.changesFrom(before)
		if len(what) == 0 {
			return SettingsChange{}, nil
		}
		rejudge = now.Vulnerabilities.Thresholds() != before.Vulnerabilities.Thresholds()
		return s.settingsChange(ctx, account, what, rejudge), nil
	})
	if err == nil && rejudge && s.rejudging != nil {
		s.rejudging(account)
	}
	return found, at, err
}

// settingsChange is what is stored with changed settings. Other levels of vulnerabilities are those of every device.
func (s *Service) settingsChange(ctx context.Context, account posture.AccountID, what []string, rejudge bool) SettingsChange {
	e := s.configured(ctx, account, "Settings changed: %s", strings.Join(what, ", "))
	out := SettingsChange{Events: []event.Event{e}}
	if rejudge {
		out.Rejudge = &run.Run{
			Account: account, ID: posture.NewID(e.At, s.random), Kind: run.Rematch, Actor: e.Actor, CreatedAt: e.At,
		}
	}
	return out
}
