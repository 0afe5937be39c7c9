package admin

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"
)

func unmarshal(text []byte, into any) error { return json.Unmarshal(text, into) }

// Group is a part of the account's devices.
type Group struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Description  string    `json:"description"`
	Domain       string    `json:"domain"`
	AutoJoin     bool      `json:"auto_join"`
	Policy       string    `json:"policy"` // its id
	JoinRule     string    `json:"join_rule"`
	JoinOrder    int       `json:"join_order"`
	RemoveUnseen string    `json:"remove_unseen"` // 90d, or 0s
	Devices      int64     `json:"devices"`
	Revision     int64     `json:"revision"`
	CreatedAt    time.Time `json:"created_at"`
	ModifiedAt   time.Time `json:"modified_at"`
	Tag          string    `json:"-"`
}

func (g *Group) setTag(string) { g.Tag = revisionTag(g.Revision) }

// GroupChange is what is to be about a group; what is nil stays, or is the default in a new one.
type GroupChange struct {
	Name         *string `json:"name,omitempty"`
	Description  *string `json:"description,omitempty"`
	Domain       *string `json:"domain,omitempty"`
	AutoJoin     *bool   `json:"auto_join,omitempty"`
	Policy       *string `json:"policy,omitempty"`
	JoinRule     *string `json:"join_rule,omitempty"`
	JoinOrder    *int    `json:"join_order,omitempty"`
	RemoveUnseen *string `json:"remove_unseen,omitempty"`
}

// Groups walks through the groups in the order in which they were made.
func (c *Client) Groups(ctx context.Context) iter.Seq2[Group, error] {
	return all[Group](ctx, c, "groups", nil)
}

// Group gives one group.
func (c *Client) Group(ctx context.Context, id string) (Group, error) {
	return fetch[Group](ctx, c, get(below("groups", id), nil))
}

// CreateGroup makes a group; a name is needed.
func (c *Client) CreateGroup(ctx context.Context, change GroupChange) (Group, error) {
	return send[Group](ctx, c, http.MethodPost, "groups", "", change)
}

// ChangeGroup changes a group and gives it back.
func (c *Client) ChangeGroup(ctx context.Context, id, tag string, change GroupChange) (Group, error) {
	return send[Group](ctx, c, http.MethodPatch, below("groups", id), tag, change)
}

// DeleteGroup deletes a group. Its devices are moved to another one, if moveTo names it; else there must be none.
func (c *Client) DeleteGroup(ctx context.Context, id, tag, moveTo string) error {
	query := url.Values{}
	if moveTo != "" {
		query.Set("move_to", moveTo)
	}
	return c.remove(ctx, below("groups", id), tag, query)
}

// Exemption lets a device pass whatever its policy says.
type Exemption struct {
	DeviceID string    `json:"device_id"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"` // zero for good
	By       string    `json:"by"`
}

// Exemptions walks through the devices that are exempted, in the order of their enrolment.
func (c *Client) Exemptions(ctx context.Context) iter.Seq2[Exemption, error] {
	return all[Exemption](ctx, c, "exemptions", nil)
}

// Exemption gives that of a device. IsNotFound: there is no such device, or it is not exempted.
func (c *Client) Exemption(ctx context.Context, device string) (Exemption, error) {
	return fetch[Exemption](ctx, c, get(below("devices", device, "exemption"), nil))
}

// Exempt lets a device pass until a time, or for good when it is zero.
func (c *Client) Exempt(ctx context.Context, device, reason string, until time.Time) (Exemption, error) {
	body := map[string]any{"reason": reason}
	if !until.IsZero() {
		body["until"] = until.UTC()
	}
	return send[Exemption](ctx, c, http.MethodPut, below("devices", device, "exemption"), "", body)
}

// Unexempt ends an exemption.
func (c *Client) Unexempt(ctx context.Context, device string) error {
	return c.remove(ctx, below("devices", device, "exemption"), "", nil)
}

// Quarantine holds a device back whatever its policy says.
type Quarantine struct {
	DeviceID string    `json:"device_id"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	By       string    `json:"by"`
}

// Quarantines walks through the devices that are quarantined, in the order of their enrolment.
func (c *Client) Quarantines(ctx context.Context) iter.Seq2[Quarantine, error] {
	return all[Quarantine](ctx, c, "quarantines", nil)
}

// Quarantine gives that of a device. IsNotFound: there is no such device, or it is not quarantined.
func (c *Client) Quarantine(ctx context.Context, device string) (Quarantine, error) {
	return fetch[Quarantine](ctx, c, get(below("devices", device, "quarantine"), nil))
}

// Hold quarantines a device until it is released.
func (c *Client) Hold(ctx context.Context, device, reason string) (Quarantine, error) {
	return send[Quarantine](ctx, c, http.MethodPut, below("devices", device, "quarantine"), "", map[string]any{"reason": reason})
}

// Release ends a quarantine. A reason may be "".
func (c *Client) Release(ctx context.Context, device, reason string) error {
	query := url.Values{}
	if reason != "" {
		query.Set("reason", reason)
	}
	return c.remove(ctx, below("devices", device, "quarantine"), "", query)
}

// Verdict is why a device stands where it does.
type Verdict struct {
	DeviceID      string    `json:"device_id"`
	Status        string    `json:"status"` // with exemption and quarantine
	Judged        string    `json:"judged"` // what its policy says
	Severity      string    `json:"severity"`
	Rule          string    `json:"rule"`
	Policy        string    `json:"policy"`
	PolicyVersion int64     `json:"policy_version"`
	At            time.Time `json:"at"` // zero for never judged
	FailingSince  time.Time `json:"failing_since"`
	GraceUntil    time.Time `json:"grace_until"`
	NextChange    time.Time `json:"next_change"`
	Issues        []Issue   `json:"issues"`
	Checks        []Check   `json:"checks"`
	Unread        []Unread  `json:"unread"`
}

// Unread is a fact that the agent of a device has no value of.
type Unread struct {
	Fact  string `json:"fact"`  // firewall, screen_lock, software.dpkg
	State string `json:"state"` // unreadable, or not_applicable where there cannot be any
	Why   string `json:"why"`
}

// Check is what one check found on a device.
type Check struct {
	Check    string `json:"check"`
	Name     string `json:"name"`
	Title    string `json:"title"`
	Category string `json:"category"`
	Outcome  string `json:"outcome"` // pass, fail, unknown, stale or error
	Severity string `json:"severity"`
	Product  string `json:"product"`
	Evidence string `json:"evidence"`
	Entry    int    `json:"entry"`
}

// Issue is a check that did not pass.
type Issue struct {
	Check
	Remediation string    `json:"remediation"` // Markdown
	Since       time.Time `json:"since"`
}

// Verdict tells why a device stands where it does.
func (c *Client) Verdict(ctx context.Context, device string) (Verdict, error) {
	return fetch[Verdict](ctx, c, get(below("devices", device, "verdict"), nil))
}

// Conflict is several devices that look like one machine.
type Conflict struct {
	Kind    string              `json:"kind"`  // hardware_id, serial_number or adapters
	Value   string              `json:"value"` // "" where the account keeps it private
	Devices []ConflictingDevice `json:"devices"`
	More    bool                `json:"more"` // there are others
}

// ConflictingDevice is one of them.
type ConflictingDevice struct {
	ID     string    `json:"id"`
	Status string    `json:"status"`
	SeenAt time.Time `json:"seen_at"`
}

// Conflicts walks through the devices that look like one machine: conflicts first, then duplicates.
func (c *Client) Conflicts(ctx context.Context) iter.Seq2[Conflict, error] {
	return all[Conflict](ctx, c, "conflicts", nil)
}

// MergeDevices makes one of two devices that are one machine; the survivor keeps its id.
func (c *Client) MergeDevices(ctx context.Context, survivor, other string) error {
	k, err := with(http.MethodPost, below("devices", survivor, "merge"), "", map[string]any{"other": other})
	if err == nil {
		_, err = c.do(ctx, k)
	}
	return err
}

// SplitDevices says that the hardware id of a device identifies no machine, and gives how many devices had it.
func (c *Client) SplitDevices(ctx context.Context, device string) (int, error) {
	out, err := fetch[struct {
		Devices int `json:"devices"`
	}](ctx, c, call{method: http.MethodPost, path: below("devices", device, "split")})
	return out.Devices, err
}
