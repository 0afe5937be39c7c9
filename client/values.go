package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Number is a number as the server spelt it. The API sends some as numbers here and as strings there: product_id, the
// scores. "" is none.
type Number string

// UnmarshalJSON takes a number, a string and null.
func (n *Number) UnmarshalJSON(data []byte) error {
	text, err := scalar(data)
	*n = Number(strings.TrimSpace(text))
	return err
}

// MarshalJSON gives a number where it is one, and null for none.
func (n Number) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	if json.Valid([]byte(n)) && (n[0] == '-' || n[0] >= '0' && n[0] <= '9') {
		return []byte(n), nil
	}
	return json.Marshal(string(n))
}

// String gives the spelling.
func (n Number) String() string { return string(n) }

// Float64 gives the value; false if there is none.
func (n Number) Float64() (float64, bool) {
	f, err := strconv.ParseFloat(string(n), 64)
	return f, err == nil
}

// Int64 gives the value; false if there is none, or it is not a whole number.
func (n Number) Int64() (int64, bool) {
	i, err := strconv.ParseInt(string(n), 10, 64)
	return i, err == nil
}

// scalar gives the text of a JSON string or number; null is "".
func scalar(data []byte) (string, error) {
	switch {
	case len(data) == 0 || bytes.Equal(data, []byte("null")):
		return "", nil
	case data[0] == '"':
		var text string
		err := json.Unmarshal(data, &text)
		return text, err
	case data[0] == '{' || data[0] == '[':
		return "", fmt.Errorf("%s is neither a string nor a number", excerpt(data[:min(len(data), 20)]))
	default:
		return string(data), nil
	}
}

// Text is a text, or an id, that some servers send as a number.
type Text string

// UnmarshalJSON takes a string, a number and null.
func (t *Text) UnmarshalJSON(data []byte) error {
	text, err := scalar(data)
	*t = Text(text)
	return err
}

// Flag is yes or no, which the API writes as 1 and 0.
type Flag bool

// UnmarshalJSON takes numbers, of which 0 is no, true and false, these in quotes, and null.
func (f *Flag) UnmarshalJSON(data []byte) error {
	text, err := scalar(data)
	if err != nil {
		return err
	}
	if yes, err := strconv.ParseBool(text); err == nil {
		*f = Flag(yes)
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil && text != "" {
		return fmt.Errorf("%q is neither 0 nor 1", text)
	}
	*f = n != 0
	return nil
}

// MarshalJSON gives 1 or 0.
func (f Flag) MarshalJSON() ([]byte, error) {
	if f {
		return []byte("1"), nil
	}
	return []byte("0"), nil
}

// Time is a time of an answer, in UTC; zero where the answer has none. Most calls send RFC 3339, the newer logs
// milliseconds since 1970.
type Time struct{ time.Time }

// UnmarshalJSON takes RFC 3339, a date, milliseconds since 1970, and for no time null, "" and N/A.
func (t *Time) UnmarshalJSON(data []byte) error {
	text, err := scalar(data)
	if err != nil {
		return err
	}
	switch text {
	case "", "N/A":
		t.Time = time.Time{}
		return nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		t.Time = time.UnixMilli(ms).UTC()
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is not a time", text)
}

// Addresses are IP addresses. The API sends one as a string, N/A where there is none, or a list.
type Addresses []string

// UnmarshalJSON takes a string, a list of strings and null, and leaves N/A and "" out.
func (a *Addresses) UnmarshalJSON(data []byte) error {
	var list []string
	if len(data) > 0 && data[0] == '[' {
		err := json.Unmarshal(data, &list)
		if err != nil {
			return err
		}
	} else {
		text, err := scalar(data)
		if err != nil {
			return err
		}
		list = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	}
	*a = nil
	for _, text := range list {
		if text != "" && text != "N/A" {
			*a = append(*a, text)
		}
	}
	return nil
}

// Status is how a device stands. Calls spell statuses differently, and old ones number them; answers have these words.
type Status string

// The statuses. Others may be added.
const (
	Compliant         Status = "compliant"
	NonCompliant      Status = "non-compliant"
	Exempted          Status = "exempted"
	Pending           Status = "pending"
	Quarantined       Status = "quarantined"
	Installed         Status = "installed" // has an agent, which has not reported yet
	OutOfLicenceUsage Status = "out_of_license_usage"
	Unknown           Status = "unknown" // has no agent
	Ignored           Status = "ignored"
	Removed           Status = "removed" // gone, or never there
)

// statusNumbers are the statuses of the version 2 calls.
var statusNumbers = map[string]Status{"0": Compliant, "1": NonCompliant, "2": Removed, "3": Pending}

// UnmarshalJSON takes every spelling.
func (s *Status) UnmarshalJSON(data []byte) error {
	text, err := scalar(data)
	if err != nil {
		return err
	}
	*s = Status(text)
	if numbered, ok := statusNumbers[text]; ok {
		*s = numbered
	}
	if text == "non_compliant" || text == "noncompliant" {
		*s = NonCompliant
	}
	return nil
}

// Severity is how bad the worst issue is. Calls spell the absence of issues differently; answers have these words.
type Severity string

// The severities of issues.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	NoIssue  Severity = "no_issue"
)

// UnmarshalJSON takes every spelling.
func (s *Severity) UnmarshalJSON(data []byte) error {
	text, err := scalar(data)
	*s = Severity(text)
	if *s == "no_issues" {
		*s = NoIssue
	}
	return err
}

// ScoreType chooses the score by which vulnerabilities are ranked; "" is OPSWATScore.
type ScoreType string

// The score types, and what their levels are called.
const (
	OPSWATScore ScoreType = "opswat_score" // critical, important, moderate, low, unknown
	CVSS2Score  ScoreType = "cvss2_score"  // high, medium, low
	CVSS3Score  ScoreType = "cvss3_score"  // critical, high, medium, low, none
)

// Sort says what a list is sorted by; the zero value is as the call has it.
type Sort struct {
	Field string `json:"field,omitempty"`
	Order Order  `json:"order,omitempty"`
}

// Order is a direction of sorting; "" is as the call has it.
type Order string

// The orders.
const (
	Ascending  Order = "asc"
	Descending Order = "desc"
)

// IDKind says what the ids of a request are.
type IDKind int

// The kinds of ids.
const (
	// ByDevice: device ids, and MAC addresses in any writing.
	ByDevice IDKind = 0
	// ByLinkedID: the custom ids that an integrator's own link put on phones.
	ByLinkedID IDKind = 1
)
