package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	adminclient "muster/client/admin"
	"muster/internal/identity"
)

// What is done with a thing.
const (
	toCreate  = "create"
	toChange  = "change"
	toReplace = "replace" // one that cannot be changed
	toDelete  = "delete"
)

// step is one difference between a folder and an account, and what makes it go away. The names of its members stay.
type step struct {
	Action  string       `json:"action"`
	Kind    string       `json:"kind"`
	Name    string       `json:"name,omitempty"`
	File    string       `json:"file,omitempty"` // "" for what is in none
	Changes []stepChange `json:"changes,omitempty"`
	// Note is what making it told that is told once: a secret, a code.
	Note string `json:"note,omitempty"`
	Done bool   `json:"done"`

	make func(ctx context.Context) (note string, err error)
}

// stepChange is one member that differs.
type stepChange struct {
	Member string `json:"member,omitempty"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Text   string `json:"text"` // the whole of it in words
}

// differs adds a member, if it does.
func (s *step) differs(name string, before, after any) {
	b, a := words(before), words(after)
	if b != a {
		s.Changes = append(s.Changes, stepChange{name, plain(before), plain(after), fmt.Sprintf("%s: %s -> %s", name, b, a)})
	}
}

// plain is words without quotation marks around a text.
func plain(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return words(v)
}

// words writes a value as JSON has it, which shows blanks and empty texts.
func words(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// appliedTo is an account as it is, and what has been made of it so far.
type appliedTo struct {
	c        *adminclient.Client
	settings adminclient.Settings
	policies map[string]adminclient.Policy // by their names in lower case, like the others
	groups   map[string]adminclient.Group
	codes    map[string]adminclient.RegistrationCode // that are not revoked
	webhooks map[string]adminclient.Webhook
	several  map[string]bool // names of codes that are there more than once
	now      time.Time
	sendKeys bool
}

// readAccount reads all that a folder can be about.
func readAccount(ctx context.Context, c *adminclient.Client) (*appliedTo, error) {
	a := &appliedTo{
		c: c, policies: map[string]adminclient.Policy{}, groups: map[string]adminclient.Group{}, codes: map[string]adminclient.RegistrationCode{},
		webhooks: map[string]adminclient.Webhook{}, several: map[string]bool{}, now: time.Now(),
	}
	var err error
	a.settings, err = c.Settings(ctx)
	if err != nil {
		return nil, err
	}
	for p, err := range c.Policies(ctx) {
		if err != nil {
			return nil, err
		}
		a.policies[strings.ToLower(p.Name)] = p
	}
	for g, err := range c.Groups(ctx) {
		if err != nil {
			return nil, err
		}
		a.groups[strings.ToLower(g.Name)] = g
	}
	for x, err := range c.RegistrationCodes(ctx) {
		if err != nil {
			return nil, err
		}
		name := strings.ToLower(x.Name)
		if x.State == string(identity.CodeRevoked) {
			continue
		}
		_, a.several[name] = a.codes[name]
		a.codes[name] = x
	}
	for w, err := range c.Webhooks(ctx) {
		if err != nil {
			return nil, err
		}
		a.webhooks[strings.ToLower(w.Name)] = w
	}
	return a, nil
}

// policyName gives the name of a policy by its id.
func (a *appliedTo) policyName(id string) string {
	for _, p := range a.policies {
		if p.ID == id {
			return p.Name
		}
	}
	return id
}

// groupName gives the name of a group by its id; "" for none.
func (a *appliedTo) groupName(id string) string {
	for _, g := range a.groups {
		if g.ID == id {
			return g.Name
		}
	}
	return id
}

// plan says what has to be done for an account to be as a folder says. It changes nothing, and gives every mistake.
func (a *appliedTo) plan(ctx context.Context, folder []*manifest, prune bool) ([]*step, error) {
	planners := map[string]func(context.Context, *manifest, *folderNames) (*step, error){
		kindSettings: a.planSettings, kindPolicy: a.planPolicy, kindGroup: a.planGroup, kindCode: a.planCode, kindWebhook: a.planWebhook,
	}
	names := namesIn(folder)
	var out []*step
	var mistakes []error
	for _, kind := range kindsInOrder {
		for _, m := range folder {
			if m.kind != kind {
				continue
			}
			s, err := planners[kind](ctx, m, names)
			if err != nil {
				mistakes = append(mistakes, err)
				continue
			}
			if s != nil {
				s.Kind, s.Name, s.File = m.kind, m.name, m.file
				out = append(out, s)
			}
		}
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	if prune {
		out = append(out, a.planPruning(names)...)
	}
	return out, nil
}

// folderNames are what a folder holds, by kind and name in lower case.
type folderNames struct{ of map[string]map[string]bool }

func namesIn(folder []*manifest) *folderNames {
	n := &folderNames{map[string]map[string]bool{}}
	for _, m := range folder {
		if n.of[m.kind] == nil {
			n.of[m.kind] = map[string]bool{}
		}
		n.of[m.kind][strings.ToLower(m.name)] = true
	}
	return n
}

func (n *folderNames) has(kind, name string) bool { return n.of[kind][strings.ToLower(name)] }

// defaultThing is the id of the group and of the policy that every account has from its first moment.
const defaultThing = "1"

// planPruning deletes what the folder does not have, of the kinds that it has anything of: last what others refer to.
func (a *appliedTo) planPruning(names *folderNames) []*step {
	var out []*step
	add := func(kind, name string, remove func(context.Context) error) {
		if len(names.of[kind]) == 0 || names.has(kind, name) {
			return
		}
		out = append(out, &step{Action: toDelete, Kind: kind, Name: name, make: func(ctx context.Context) (string, error) { return "", remove(ctx) }})
	}
	for _, key := range slices.Sorted(maps.Keys(a.webhooks)) {
		w := a.webhooks[key]
		add(kindWebhook, w.Name, func(ctx context.Context) error { return a.c.DeleteWebhook(ctx, w.ID, w.Tag) })
	}
	for _, key := range slices.Sorted(maps.Keys(a.codes)) {
		x := a.codes[key]
		add(kindCode, x.Name, func(ctx context.Context) error { return a.c.RevokeRegistrationCode(ctx, x.ID) })
	}
	for _, key := range slices.Sorted(maps.Keys(a.groups)) {
		g := a.groups[key]
		if g.ID != defaultThing {
			add(kindGroup, g.Name, func(ctx context.Context) error { return a.c.DeleteGroup(ctx, g.ID, g.Tag, defaultThing) })
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.policies)) {
		p := a.policies[key]
		if p.ID != defaultThing {
			add(kindPolicy, p.Name, func(ctx context.Context) error { return a.c.DeletePolicy(ctx, p.ID, p.Tag) })
		}
	}
	return out
}

// carryOut makes the differences go away, one after the other. It ends at the first that cannot be made.
func carryOut(ctx context.Context, steps []*step) error {
	for i, s := range steps {
		var err error
		s.Note, err = s.make(ctx)
		s.Done = err == nil
		if err != nil {
			return fmt.Errorf("%s: %w; %d of %d changes were made before it", strings.TrimSpace(s.Kind+" "+s.Name), err, i, len(steps))
		}
	}
	return nil
}
