package windows

import (
	"context"
	"errors"
	"fmt"

	"muster/internal/agent/collect"
)

// protection collects what guards the machine. All that only PowerShell tells is asked in one go, as each start of it costs
// half a second.
func (m *machine) protection(ctx context.Context, s *collect.Snapshot) error {
	m.protectionMarks = m.marksOfProtection()
	found, err := m.powershell(ctx, protectionScript)
	if err != nil {
		err = fmt.Errorf("PowerShell: %w", err)
	}
	s.Encryption = collect.Of(m.encryption(ctx, found, err))
	s.Firewalls = collect.Known(m.firewalls(found, err))
	s.Antimalware = collect.Of(m.antimalware(found, err))
	s.Threats = collect.Of(threats(found, err))
	s.PasswordSet = collect.Of(m.passwordSet(found, err))
	return nil
}

// account is a local account that is not switched off.
type account struct {
	Required *bool `json:"required"`
}

// passwordSet says whether every local account has a password. Windows does not tell that of one that need not have one, or
// where it may be empty.
func (m *machine) passwordSet(found answers, err error) (bool, error) {
	const logon = currentVersion + `\Winlogon`
	if auto, bad := m.text(logon, "AutoAdminLogon"); bad == nil && auto == "1" {
		return false, nil // whoever switches it on is logged on
	}
	accounts, err := valuesOf[account](found, err, "accounts")
	if err != nil {
		return false, err
	}
	if len(accounts) == 0 {
		return false, collect.NotApplicableError("the machine has no account of its own that is switched on")
	}
	free := 0
	for _, a := range accounts {
		if a.Required == nil || !*a.Required {
			free++
		}
	}
	if free > 0 { // which ones is for no report: names of users may be private
		return false, fmt.Errorf("%d accounts need no password, and it is not told whether they have one", free)
	}
	return m.passwordNeeded(found, err)
}

// lengths is what the machine asks of its passwords.
type lengths struct {
	Minimum int `json:"minimum"`
}

// passwordNeeded says whether an account that needs a password can have an empty one: it can where none has to be longer,
// as on every Windows that nobody has told otherwise.
func (m *machine) passwordNeeded(found answers, err error) (bool, error) {
	asked, err := valuesOf[lengths](found, err, "passwords")
	switch {
	case err != nil:
		return false, err
	case len(asked) == 0 || asked[0].Minimum <= 0:
		return false, errors.New("the machine takes empty passwords, and it is not told whether there are any")
	}
	return true, nil
}

// isMissing reports whether this Windows has no such thing.
func isMissing(err error) bool {
	var m *missingError
	return errors.As(err, &m)
}
