package posture

import (
	"strconv"
	"strings"
)

// AccountID names one account. Every stored thing belongs to exactly one.
type AccountID int64

// GroupID names one device group within an account.
type GroupID int64

// DefaultGroup is the group every account has from its first moment.
const DefaultGroup GroupID = 1

// PolicyID names one policy within an account.
type PolicyID int64

// DefaultPolicy is the policy every account has from its first moment.
const DefaultPolicy PolicyID = 1

// PolicyRef names one version of a policy. What a version says never changes.
type PolicyRef struct {
	ID      PolicyID
	Version int64 // from 1; 0 while the account has nothing stored but the default policy that Muster comes with
}

// String is the policy and the version with a dot between them, as verdicts have it.
func (r PolicyRef) String() string {
	return strconv.FormatInt(int64(r.ID), 10) + "." + strconv.FormatInt(r.Version, 10)
}

// ParsePolicyRef reads what PolicyRef.String writes.
func ParsePolicyRef(s string) (PolicyRef, bool) {
	id, version, ok := strings.Cut(s, ".")
	r := PolicyRef{}
	n, err := strconv.ParseInt(id, 10, 64)
	if !ok || err != nil {
		return r, false
	}
	r.ID = PolicyID(n)
	r.Version, err = strconv.ParseInt(version, 10, 64)
	return r, err == nil
}

// Status is where a device stands. The numbers are stored: never renumber.
type Status uint8

const (
	// StatusUnknown: seen or imported, no agent reports for it.
	StatusUnknown Status = 0
	// StatusInstalled: an agent enrolled and has not reported yet.
	StatusInstalled Status = 1
	// StatusPending: a verdict is outstanding.
	StatusPending Status = 2
	// StatusCompliant: the policy finds the device fit.
	StatusCompliant Status = 3
	// StatusNonCompliant: the policy finds it unfit.
	StatusNonCompliant Status = 4
	// StatusInGrace: unfit, with time left to mend it.
	StatusInGrace Status = 5
	// StatusExempted: an administrator let it pass.
	StatusExempted Status = 6
	// StatusQuarantined: held back whatever the policy says.
	StatusQuarantined Status = 7
	// StatusOutOfLicence: enrolled beyond the licence; kept, listed, not evaluated.
	StatusOutOfLicence Status = 8
	// StatusIgnored: an unknown device an administrator chose not to see.
	StatusIgnored Status = 9
)

// NumStatuses is how many statuses there are.
const NumStatuses = 10

// Statuses lists every status in the order of their stored numbers.
var Statuses = [NumStatuses]Status{
	StatusUnknown, StatusInstalled, StatusPending, StatusCompliant, StatusNonCompliant,
	StatusInGrace, StatusExempted, StatusQuarantined, StatusOutOfLicence, StatusIgnored,
}

var statusNames = [...]string{
	"unknown", "installed", "pending", "compliant", "non-compliant",
	"in-grace", "exempted", "quarantined", "out-of-license-usage", "ignored",
}

// String gives Muster's own spelling. Each compatible call spells statuses its own way: see package api.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "invalid"
}

// Monitored reports whether a device with this status uses a licence and counts among devices_used.
func (s Status) Monitored() bool {
	switch s {
	case StatusUnknown, StatusOutOfLicence, StatusIgnored:
		return false
	default:
		return true
	}
}

// IssueSeverity is how bad the worst issue of a device, or one issue, is. The numbers are stored.
type IssueSeverity uint8

const (
	// NoIssue: nothing to mend.
	NoIssue IssueSeverity = 0
	// Warning: to be mended, not urgent.
	Warning IssueSeverity = 1
	// Critical: to be mended at once.
	Critical IssueSeverity = 2
)

// String gives Muster's own spelling.
func (s IssueSeverity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	default:
		return "no_issue"
	}
}

// ScoreType chooses which of its scores a vulnerability is ranked by.
type ScoreType uint8

const (
	// ScoreOpswat is Muster's open formula in the place of the original's own score: docs/vulnerability-score.md.
	ScoreOpswat ScoreType = 0
	// ScoreCVSS2 is the CVSS v2 base score.
	ScoreCVSS2 ScoreType = 1
	// ScoreCVSS3 is the CVSS v3.0 or v3.1 base score.
	ScoreCVSS3 ScoreType = 2
	// NumScoreTypes is how many there are.
	NumScoreTypes = 3
)

// String gives the name that the compatible API uses.
func (t ScoreType) String() string {
	return [...]string{"opswat_score", "cvss2_score", "cvss3_score"}[t]
}

// Level is a rank of vulnerability. Its name depends on the score type: LevelHigh is `important` under opswat_score.
// The numbers are stored.
type Level uint8

const (
	// LevelUnknown: no open vulnerability, or none that is scored.
	LevelUnknown Level = 0
	// LevelLow is the lowest scored level.
	LevelLow Level = 1
	// LevelMedium is `moderate` under opswat_score.
	LevelMedium Level = 2
	// LevelHigh is `important` under opswat_score.
	LevelHigh Level = 3
	// LevelCritical does not occur under cvss2_score.
	LevelCritical Level = 4
)

// NumLevels is how many levels there are.
const NumLevels = 5

// Levels holds one level for each score type, indexed by ScoreType.
type Levels [NumScoreTypes]Level

// Worst gives the higher of both under each score type.
func (l Levels) Worst(o Levels) Levels {
	for i := range l {
		l[i] = max(l[i], o[i])
	}
	return l
}

// Cell is the one place in the account's counts where a live device stands.
type Cell struct {
	Group    GroupID
	Status   Status
	Severity IssueSeverity
	Levels   Levels
}
