package api

import (
	"time"

	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/posture"
)

// accountDetails answers with the account and how many of its devices stand where.
func (d *door) accountDetails(c *call) error {
	by := posture.ScoreOpswat
	if c.version >= v32 {
		by = choice(&c.params, "score_type", inBody, scoreTypes, by)
	}
	if c.params.err != nil {
		return c.params.err
	}
	counts, err := d.Devices.Counts(c.r.Context(), c.account.ID)
	if err != nil {
		return err
	}
	c.answer(renderAccount(c.version, &c.account, &counts, by))
	return nil
}

// accountHead is what all versions begin with.
type accountHead struct {
	Name        string `json:"name"`
	Email       string `json:"email,omitempty"`
	LastLogin   string `json:"last_login,omitempty"`
	DateCreated string `json:"date_created"`
	Allowed     int64  `json:"devices_allowed"`
	Used        int64  `json:"devices_used"`
}

// accountV2 has flat counters.
type accountV2 struct {
	accountHead
	Uncompliant int64 `json:"devices_uncompliant"`
	Critical    int64 `json:"devices_critical"`
	Issues      int64 `json:"devices_issues"`
}

// accountV3 adds two members to v2.
type accountV3 struct {
	accountV2
	Unknown    int64  `json:"devices_unknown"`
	LicenseKey string `json:"license_key"`
}

// accountV31 has lists in the place of the counters; v3.2 differs in the score type only.
type accountV31 struct {
	accountHead
	ByStatus        []statusCount   `json:"devices_by_status"`
	ByIssue         []severityCount `json:"devices_by_issue_severity"`
	ByVulnerability []severityCount `json:"devices_by_vulnerability_severity"`
	LicenseKey      string          `json:"license_key"`
}

type statusCount struct {
	Status  string `json:"status"`
	Devices int64  `json:"number_of_devices"`
}

type severityCount struct {
	Severity string `json:"severity"`
	Devices  int64  `json:"number_of_devices"`
}

// renderAccount gives the answer of a version.
func renderAccount(v version, a *identity.Account, n *device.Counts, by posture.ScoreType) any {
	head := accountHead{
		Name: a.Name, Email: a.Email, LastLogin: timestamp(a.LastLogin), DateCreated: timestamp(a.CreatedAt),
		Allowed: a.DevicesAllowed, Used: n.Used(),
	}
	if v >= v31 {
		return accountV31{
			accountHead:     head,
			ByStatus:        countStatuses(n),
			ByIssue:         countSeverities(n.Severity[:], accountSeverities),
			ByVulnerability: countSeverities(n.Levels[by][:], accountLevels[by]),
			LicenseKey:      a.LicenseKey,
		}
	}
	flat := accountV2{
		accountHead: head,
		Uncompliant: n.Status[posture.StatusNonCompliant],
		Critical:    n.Severity[posture.Critical],
		Issues:      n.Severity[posture.Critical] + n.Severity[posture.Warning],
	}
	if v >= v3 {
		return accountV3{accountV2: flat, Unknown: n.Status[posture.StatusUnknown], LicenseKey: a.LicenseKey}
	}
	return flat
}

func countStatuses(n *device.Counts) []statusCount {
	out := make([]statusCount, len(accountStatuses))
	for i, s := range accountStatuses {
		out[i] = statusCount{s.word, n.Status[s.means]}
	}
	return out
}

// countSeverities lists every word of a table, also where no device stands under it.
func countSeverities[T ~uint8](counts []int64, table []spelling[T]) []severityCount {
	out := make([]severityCount, len(table))
	for i, s := range table {
		out[i] = severityCount{s.word, counts[s.means]}
	}
	return out
}

// timestamp writes a time as all calls do: UTC, seconds, Z. The zero time, which means never, gives "".
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
