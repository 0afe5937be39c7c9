// Package policy judges reports: it holds what a policy is and what it makes of one machine at one time. It is pure:
// it does no I/O and reads no clock.
package policy

import "muster/internal/posture"

// Policy says which checks matter, how much, for which machines, and what follows from the issues they raise. It is
// plain data, written as YAML or JSON: see Parse.
type Policy struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Checks are looked through in order: the first entry of a check that covers a machine holds for it, and a check
	// without such an entry is off.
	Checks []Check `json:"checks"`
	// Rules are looked through in order: the first whose conditions hold decides. The last has none.
	Rules []Rule `json:"rules"`
}

// Check switches one check on or off for some machines.
type Check struct {
	ID string `json:"check"`
	// Name tells apart entries of a check that may be made several times on one machine, each with its own parameters.
	// Of a custom check it is the id under which agents report the result.
	Name     string   `json:"name,omitempty"`
	Title    string   `json:"title,omitempty"` // of a custom check, for people
	Severity Severity `json:"severity"`
	// OS and DeviceTypes restrict the entry; empty means all. A machine that does not say what it is counts as
	// whatever is asked for: not knowing is no way out.
	OS          []posture.OSFamily   `json:"os,omitempty"`
	DeviceTypes []posture.DeviceType `json:"device_types,omitempty"`
	// OnUnknown says what becomes of unknown, stale and error; empty means Raise.
	OnUnknown OnUnknown `json:"on_unknown,omitempty"`
	// Remediation is Markdown for the owner of the machine, in the place of the text that Muster has.
	Remediation string `json:"remediation,omitempty"`

	// What follows are parameters. Each check reads some of them, and an entry may have no others.

	// MaxAge is how old definitions, lists, scans, backups, results or a start of the system may be.
	MaxAge Duration `json:"max_age,omitzero"`
	// MaxIdle is the longest idle time before the screen must lock; zero accepts any.
	MaxIdle Duration `json:"max_idle,omitzero"`
	// PatchAge is for how long a patch may have been out and be missing.
	PatchAge Duration `json:"patch_age,omitzero"`
	// Within is how far back threats count; zero counts all that are reported.
	Within Duration `json:"within,omitzero"`
	// MinVersion is the lowest version that will do.
	MinVersion string `json:"min_version,omitempty"`
	// MinFree and MinFreePercent are how much of a disk must be free.
	MinFree        Size `json:"min_free,omitzero"`
	MinFreePercent int  `json:"min_free_percent,omitempty"`
	// MinRepeats is from how many finds on a threat counts as repeated; zero means 2.
	MinRepeats int `json:"min_repeats,omitempty"`
	// Volumes are names of volumes, or system, or all; empty means system.
	Volumes []string `json:"volumes,omitempty"`
	// Allowed names products that are wanted after all, such as the remote-control tool of the organisation itself.
	Allowed []string `json:"allowed,omitempty"`
	// Products are those required, forbidden, or held to a version.
	Products []Product `json:"products,omitempty"`
	// Processes are names of programs that must not run.
	Processes []string `json:"processes,omitempty"`
	// Severities are those of missing patches that count, in their vendor's words; empty counts all.
	Severities []string `json:"severities,omitempty"`
	// Domains are directory domains of which the machine must be a member; empty accepts any.
	Domains []string `json:"domains,omitempty"`
	// MinLevel under ScoreType, CVEs and KEV choose vulnerabilities: each that any of them names counts.
	MinLevel  string   `json:"min_level,omitempty"`
	ScoreType string   `json:"score_type,omitempty"`
	CVEs      []string `json:"cves,omitempty"`
	KEV       bool     `json:"kev,omitempty"`
	// Scripts are what agents run for a custom check: the first that fits the system.
	Scripts []Script `json:"scripts,omitempty"`
}

// Product names installed products by what must agree: each member that is not empty.
type Product struct {
	// Name is the whole name, or its beginning where it ends in *. Case does not matter.
	Name     string           `json:"name,omitempty"`
	Vendor   string           `json:"vendor,omitempty"`
	Category posture.Category `json:"category,omitempty"`
	// MinVersion is the lowest version that will do.
	MinVersion string `json:"min_version,omitempty"`
	// Running asks that it runs.
	Running bool `json:"running,omitempty"`
}

// Script is what an agent runs for a custom check. Exit status 0 passes, 1 fails; any other is an error.
type Script struct {
	OS []posture.OSFamily `json:"os,omitempty"` // empty means all
	// Interpreter is sh, bash, zsh, powershell, cmd or python.
	Interpreter string   `json:"interpreter"`
	Timeout     Duration `json:"timeout,omitzero"` // zero means 30 seconds
	Text        string   `json:"text"`
	// Signature is what `muster script sign` wrote: agents of Muster run no script without one by a key that they trust.
	Signature string `json:"signature,omitempty"`
}

// Severity is how much a failed check matters.
type Severity string

const (
	// Off: the check is not made.
	Off Severity = "off"
	// Warning: an issue to be mended, not urgent.
	Warning Severity = "warning"
	// Critical: an issue to be mended at once.
	Critical Severity = "critical"
)

// issue gives the severity of the issues that a check raises.
func (s Severity) issue() posture.IssueSeverity {
	switch s {
	case Critical:
		return posture.Critical
	case Warning:
		return posture.Warning
	default:
		return posture.NoIssue
	}
}

// OnUnknown is the treatment of a check that could not be decided.
type OnUnknown string

const (
	// Raise makes an issue of it at the severity of the check.
	Raise OnUnknown = "issue"
	// LetPass treats it as passed.
	LetPass OnUnknown = "pass"
)

// Rule turns issues into a status. All its conditions must hold; a condition that is zero always does.
type Rule struct {
	Name string `json:"name"`
	// Issues is what issues there must be.
	Issues IssueState `json:"issues,omitempty"`
	// MinCritical and MinWarnings are how many issues of the severity there must be.
	MinCritical int `json:"min_critical,omitempty"`
	MinWarnings int `json:"min_warnings,omitempty"`
	// Categories ask for an issue in one of them. Checks ask that one of them did not pass, also where an issue of another
	// check accounts for it. A check is an id, or id/name for one entry of several.
	Categories []posture.Category `json:"categories,omitempty"`
	Checks     []string           `json:"checks,omitempty"`
	// MinLevel, under ScoreType, is how bad the worst open vulnerability must be. CVEs and KEV ask for an open one that is
	// listed, and for one that is known to be exploited.
	MinLevel  string   `json:"min_level,omitempty"`
	ScoreType string   `json:"score_type,omitempty"`
	CVEs      []string `json:"cves,omitempty"`
	KEV       bool     `json:"kev,omitempty"`
	// SilentFor is for how long no report must have come.
	SilentFor Duration `json:"silent_for,omitzero"`
	// Groups are names of groups, Users names of linked users; the device must have one of them. Case does not matter.
	Groups      []string             `json:"groups,omitempty"`
	Users       []string             `json:"users,omitempty"`
	OS          []posture.OSFamily   `json:"os,omitempty"`
	DeviceTypes []posture.DeviceType `json:"device_types,omitempty"`
	// Expression is a condition in CEL.
	Expression string     `json:"expression,omitempty"`
	Status     RuleStatus `json:"status"`
	// Grace is for how long an unfit device is let pass, from when it began to be unfit.
	Grace Duration `json:"grace,omitzero"`
}

// IssueState is a condition on what issues there are.
type IssueState string

const (
	// NoIssues: none at all.
	NoIssues IssueState = "none"
	// AnyIssue: at least one.
	AnyIssue IssueState = "any"
	// CriticalIssue: at least one that is critical.
	CriticalIssue IssueState = "critical"
)

// RuleStatus is what a rule may decide.
type RuleStatus string

const (
	// Compliant lets the machine pass.
	Compliant RuleStatus = "compliant"
	// NonCompliant does not.
	NonCompliant RuleStatus = "non-compliant"
)

// status gives the word of the common vocabulary; anything but Compliant is non-compliant.
func (s RuleStatus) status() posture.Status {
	if s == Compliant {
		return posture.StatusCompliant
	}
	return posture.StatusNonCompliant
}

// key tells checks apart that are made on one machine.
type key struct{ id, name string }

func (c *Check) key() key { return key{c.ID, c.Name} }

// String is the id, and the name behind a slash where there is one.
func (k key) String() string {
	if k.name == "" {
		return k.id
	}
	return k.id + "/" + k.name
}
