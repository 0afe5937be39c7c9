package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Account is an account with its counts.
type Account struct {
	Name           string `json:"name"`
	Email          string `json:"email"`
	LastLogin      Time   `json:"last_login"` // of the owner, to the console
	Created        Time   `json:"date_created"`
	DevicesAllowed int64  `json:"devices_allowed"`
	DevicesUsed    int64  `json:"devices_used"`
	LicenseKey     string `json:"license_key"`

	ByStatus        []StatusCount   `json:"devices_by_status"`
	ByIssue         []SeverityCount `json:"devices_by_issue_severity"`
	ByVulnerability []LevelCount    `json:"devices_by_vulnerability_severity"`
}

// StatusCount is how many devices have a status.
type StatusCount struct {
	Status  Status `json:"status"`
	Devices int64  `json:"number_of_devices"`
}

// SeverityCount is how many devices have issues of a severity as their worst.
type SeverityCount struct {
	Severity Severity `json:"severity"`
	Devices  int64    `json:"number_of_devices"`
}

// LevelCount is how many devices have a vulnerability of a level as their worst. The levels are those of the score type
// that was asked for.
type LevelCount struct {
	Level   string `json:"severity"`
	Devices int64  `json:"number_of_devices"`
}

// AccountQuery chooses how vulnerabilities are ranked.
type AccountQuery struct {
	ScoreType ScoreType `json:"score_type,omitempty"`
}

// Account gives the account of the application: Account Details v3.2.
func (c *Client) Account(ctx context.Context, q AccountQuery) (Account, error) {
	return fetch[Account](ctx, c, post("/v3.2/account", q))
}

// CategoryPolicy is what a policy asks for in one category.
type CategoryPolicy struct {
	// AppliesTo has the device types: laptop, desktop, server, vm.
	AppliesTo map[string]Flag
	// Checks are by their names, such as Installed and Running.
	Checks map[string]Check
}

// Check is one thing that a policy looks at.
type Check struct {
	Description string `json:"desc"`
	Alert       Flag   `json:"alert"` // failing it is an issue
	Critical    Flag   `json:"critical"`
	Remediation Flag   `json:"remediation"` // the device's owner is told what to do
}

// UnmarshalJSON reads a category, whose members are apply_to and its checks.
func (p *CategoryPolicy) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	err := json.Unmarshal(data, &members)
	if err != nil {
		return err
	}
	*p = CategoryPolicy{Checks: make(map[string]Check, len(members))}
	for name, raw := range members {
		if name == "apply_to" {
			err = json.Unmarshal(raw, &p.AppliesTo)
		} else if len(raw) > 0 && raw[0] == '{' { // anything else is news, and no check
			var check Check
			err = json.Unmarshal(raw, &check)
			p.Checks[name] = check
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// AccountPolicy gives the default policy, by category: Account Policy v2.
func (c *Client) AccountPolicy(ctx context.Context) (map[string]CategoryPolicy, error) {
	out, err := fetch[struct {
		Policy map[string]CategoryPolicy `json:"policy"`
	}](ctx, c, get("/v2/account/policy", nil))
	return out.Policy, err
}

// Section is a part of an account's configuration.
type Section string

// The sections.
const (
	CrossDomainAPI   Section = "cross-domain-api"
	RegistrationCode Section = "regcode"
)

// Configuration is what was asked for of an account's configuration.
type Configuration struct {
	// CrossDomain is how programs on a machine talk to its agent; nil if it was not asked for.
	CrossDomain *CrossDomain `json:"cross-domain-api"`
	// RegistrationCode is what agents enrol with; "" if it was not asked for.
	RegistrationCode string `json:"regcode"`
}

// CrossDomain is the configuration of the agents' own API.
type CrossDomain struct {
	Enabled Flag `json:"enabled"`
	Port    int  `json:"port"`
}

// Configuration gives sections of the account's configuration, all of them if none is named: Account Configuration v3.1.
func (c *Client) Configuration(ctx context.Context, sections ...Section) (Configuration, error) {
	if len(sections) == 0 {
		sections = []Section{CrossDomainAPI, RegistrationCode}
	}
	return fetch[Configuration](ctx, c, post("/v3.1/configuration", map[string][]Section{"sections": sections}))
}

// Group is a part of an account's devices.
type Group struct {
	ID          Text   `json:"group_id"`
	Name        string `json:"group_name"`
	Domain      string `json:"domain_name"` // the directory domain that it is kept in step with
	AutoJoin    Flag   `json:"auto_join"`   // devices may join when they register
	PolicyID    Text   `json:"policy_id"`
	PolicyName  string `json:"policy_name"`
	Devices     int64  `json:"number_of_devices"`
	Description string `json:"description"`
	Created     Time   `json:"created_date"`
	Modified    Time   `json:"last_modified"`
}

// GroupsQuery chooses groups.
type GroupsQuery struct {
	Search string `json:"search,omitempty"` // part of the name of a group or its policy
	// Sort is by group_name (the default), domain_name, policy_name, number_of_devices or last_update.
	Sort  Sort `json:"sort,omitzero"`
	Page  int  `json:"page,omitempty"`  // from 1
	Limit int  `json:"limit,omitempty"` // at most 50; 0 is 10
}

// Groups gives a page of groups: Get Groups v3.
func (c *Client) Groups(ctx context.Context, q GroupsQuery) ([]Group, error) {
	return fetch[[]Group](ctx, c, post("/v3/groups", q))
}

// AllGroups walks the groups from q.Page on.
func (c *Client) AllGroups(ctx context.Context, q GroupsQuery) iter.Seq2[Group, error] {
	q.Limit = orDefault(q.Limit, maxPage)
	return byPage(q.Page, q.Limit, func(page int) ([]Group, error) {
		q.Page = page
		return c.Groups(ctx, q)
	})
}

// maxPage is the largest page of most calls. Walks use it unless told otherwise: it takes the fewest calls.
const maxPage = 50
