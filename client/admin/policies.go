package admin

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const mediaYAML = "application/yaml"

// Policy is what devices are judged by. Its version is its revision.
type Policy struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Version    int64     `json:"version"`
	CreatedAt  time.Time `json:"created_at"`
	ModifiedAt time.Time `json:"modified_at"`
	Author     string    `json:"author"`
	Note       string    `json:"note"`
	// Document is what it says, as JSON; not there in lists.
	Document json.RawMessage `json:"document"`
	Tag      string          `json:"-"`
}

func (p *Policy) setTag(string) { p.Tag = revisionTag(p.Version) }

// PolicyVersion is one version of a policy.
type PolicyVersion struct {
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
	Author  string    `json:"author"`
	Note    string    `json:"note"`
}

// Difference is one difference between two policies.
type Difference struct {
	Kind   string `json:"kind"` // policy, check or rule
	What   string `json:"what"`
	Member string `json:"member"`
	Before string `json:"before"`
	After  string `json:"after"`
	Text   string `json:"text"` // the whole of it in words
}

// Policies walks through the policies, the default one first, without what they say.
func (c *Client) Policies(ctx context.Context) iter.Seq2[Policy, error] {
	return all[Policy](ctx, c, "policies", nil)
}

// Policy gives one policy with what it says.
func (c *Client) Policy(ctx context.Context, id string) (Policy, error) {
	return fetch[Policy](ctx, c, get(below("policies", id), nil))
}

// PolicyYAML gives what a policy says as YAML, and the tag of its version.
func (c *Client) PolicyYAML(ctx context.Context, id string) (document []byte, tag string, err error) {
	k := get(below("policies", id), nil)
	k.accept = mediaYAML
	a, err := c.do(ctx, k)
	return a.body, a.header.Get("ETag"), err
}

// document is a call with a policy as YAML or JSON.
func document(method, path, tag, note string, text []byte) call {
	k := call{method: method, path: path, tag: tag, body: text, media: mediaYAML, query: url.Values{}}
	if note != "" {
		k.query.Set("note", note)
	}
	return k
}

// CreatePolicy makes a policy of a document, YAML or JSON. The note may be "".
func (c *Client) CreatePolicy(ctx context.Context, text []byte, note string) (Policy, error) {
	return fetch[Policy](ctx, c, document(http.MethodPost, "policies", "", note, text))
}

// SavePolicy makes a document the current version of a policy.
func (c *Client) SavePolicy(ctx context.Context, id, tag string, text []byte, note string) (Policy, error) {
	return fetch[Policy](ctx, c, document(http.MethodPut, below("policies", id), tag, note, text))
}

// DeletePolicy deletes a policy that no group has.
func (c *Client) DeletePolicy(ctx context.Context, id, tag string) error {
	return c.remove(ctx, below("policies", id), tag, nil)
}

// PolicyVersions walks through the versions of a policy, the newest first.
func (c *Client) PolicyVersions(ctx context.Context, id string) iter.Seq2[PolicyVersion, error] {
	return all[PolicyVersion](ctx, c, below("policies", id, "versions"), nil)
}

// PolicyVersion gives one version with what it says.
func (c *Client) PolicyVersion(ctx context.Context, id string, version int64) (Policy, error) {
	return fetch[Policy](ctx, c, get(below("policies", id, "versions", strconv.FormatInt(version, 10)), nil))
}

// RollbackPolicy makes what an earlier version said the current version, as a new one.
func (c *Client) RollbackPolicy(ctx context.Context, id, tag string, version int64, note string) (Policy, error) {
	body := map[string]any{"version": version}
	if note != "" {
		body["note"] = note
	}
	return send[Policy](ctx, c, http.MethodPost, below("policies", id, "rollback"), tag, body)
}

// PolicyDiff walks through the differences between two versions of a policy.
func (c *Client) PolicyDiff(ctx context.Context, id string, from, to int64) iter.Seq2[Difference, error] {
	return all[Difference](ctx, c, below("policies", id, "diff"), url.Values{
		"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)},
	})
}

// ComparePolicy gives the differences between the current version of a policy and a document.
func (c *Client) ComparePolicy(ctx context.Context, id string, text []byte) ([]Difference, error) {
	out, err := fetch[struct {
		Items []Difference `json:"items"`
	}](ctx, c, document(http.MethodPost, below("policies", id, "diff"), "", "", text))
	return out.Items, err
}

// Run is work over many devices that takes its time.
type Run struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`  // reevaluate, dry-run, regroup or rematch
	State     string    `json:"state"` // waiting, running, done, failed or cancelled
	Group     string    `json:"group"`
	Policy    string    `json:"policy"`
	Total     int64     `json:"total"`
	Done      int64     `json:"done"`
	Changed   int64     `json:"changed"`
	Failed    int64     `json:"failed"`
	Message   string    `json:"message"`
	Actor     string    `json:"actor"`
	CreatedAt time.Time `json:"created_at"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Result    *Trial    `json:"result"` // of a dry run; not there in lists
}

// Ended reports whether nothing more will come of the run.
func (r *Run) Ended() bool { return r.State == "done" || r.State == "failed" || r.State == "cancelled" }

// Trial is what a dry run has found.
type Trial struct {
	Devices int64         `json:"devices"`
	Changed int64         `json:"changed"`
	Failed  int64         `json:"failed"`
	Changes []TrialChange `json:"changes"`
	Groups  []TrialGroup  `json:"groups"`
	Checks  []struct {
		Check string `json:"check"`
		Now   int64  `json:"now"`
		Then  int64  `json:"then"`
	} `json:"checks"`
	Examples []struct {
		DeviceID string `json:"device_id"`
		Name     string `json:"name"`
		From     string `json:"from"`
		To       string `json:"to"`
		Rule     string `json:"rule"`
	} `json:"examples"`
}

// TrialChange is how many devices would change from one status to another.
type TrialChange struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Devices int64  `json:"devices"`
}

// TrialGroup is what would happen to a group.
type TrialGroup struct {
	Group   string        `json:"group_id"`
	Devices int64         `json:"devices"`
	Changes []TrialChange `json:"changes"`
}

// DryRun says which devices a trial is about: those of a group, those of groups that have a policy, or, where both are "",
// all.
type DryRun struct{ Group, Policy string }

// StartDryRun has a document, YAML or JSON, tried on devices without saving it. Look at the run to see what comes of it.
func (c *Client) StartDryRun(ctx context.Context, text []byte, of DryRun) (Run, error) {
	k := document(http.MethodPost, "dry-runs", "", "", text)
	for name, id := range map[string]string{"group": of.Group, "policy": of.Policy} {
		if id != "" {
			k.query.Set(name, id)
		}
	}
	return fetch[Run](ctx, c, k)
}

// Runs walks through the runs, the newest first.
func (c *Client) Runs(ctx context.Context) iter.Seq2[Run, error] {
	return all[Run](ctx, c, "runs", nil)
}

// Run gives one run with what it has found.
func (c *Client) Run(ctx context.Context, id string) (Run, error) {
	return fetch[Run](ctx, c, get(below("runs", id), nil))
}

// CancelRun ends a run; what it has done stays done.
func (c *Client) CancelRun(ctx context.Context, id string) (Run, error) {
	return fetch[Run](ctx, c, call{method: http.MethodPost, path: below("runs", id, "cancel")})
}

// CheckDefinition is a check that a policy can make.
type CheckDefinition struct {
	Check    string   `json:"check"`
	Category string   `json:"category"`
	Title    string   `json:"title"`
	Params   []string `json:"params"`
	Needs    []string `json:"needs"`
	Named    bool     `json:"named"`
}

// Checks walks through every check that a policy can make.
func (c *Client) Checks(ctx context.Context) iter.Seq2[CheckDefinition, error] {
	return all[CheckDefinition](ctx, c, "checks", nil)
}

// PolicySchema gives the JSON Schema of policies.
func (c *Client) PolicySchema(ctx context.Context) (json.RawMessage, error) {
	return fetch[json.RawMessage](ctx, c, get("schema/policy", nil))
}
