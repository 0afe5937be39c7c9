package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	adminclient "muster/client/admin"
	"muster/internal/identity"
	"muster/internal/policy"
	"muster/internal/webhook"
)

// planSettings compares the settings that the folder names; others are left alone.
func (a *appliedTo) planSettings(_ context.Context, m *manifest, _ *folderNames) (*step, error) {
	var wanted map[string]any
	err := m.spec.Decode(&wanted)
	if err != nil {
		return nil, m.located(err.Error())
	}
	merged := merge(a.settings.Values, wanted)
	text, err := json.Marshal(merged)
	if err != nil {
		return nil, m.wrong(m.line, "spec cannot be read: %v", err)
	}
	var settings identity.Settings
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	err = strict.Decode(&settings)
	if err != nil {
		return nil, m.wrong(m.settingAt(err), "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	err = m.mistakes(settings.Validate())
	if err != nil {
		return nil, err
	}
	s := &step{Action: toChange}
	before, after := map[string]any{}, map[string]any{}
	leaves("", a.settings.Values, before)
	leaves("", merged, after)
	for _, x := range settings.List() {
		s.differs(x.Name, before[x.Name], after[x.Name])
	}
	if len(s.Changes) == 0 {
		return nil, nil
	}
	s.make = func(ctx context.Context) (string, error) {
		_, err := a.c.ChangeSettings(ctx, a.settings.Tag, wanted)
		return "", err
	}
	return s, nil
}

// settingAt finds the line that an error of the JSON decoder is about.
func (m *manifest) settingAt(err error) int {
	name := ""
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		name = wrongType.Field
	}
	if _, quoted, ok := strings.Cut(err.Error(), `unknown field "`); ok {
		name, _, _ = strings.Cut(quoted, `"`)
		if at := keyAnywhere(m.spec, name); at != nil {
			return at.Line
		}
	}
	if at := find(m.spec, name); at != nil {
		return at.Line
	}
	return m.spec.Line
}

// keyAnywhere finds a key at whatever depth.
func keyAnywhere(node *yaml.Node, name string) *yaml.Node {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i]
		}
		if at := keyAnywhere(node.Content[i+1], name); at != nil {
			return at
		}
	}
	return nil
}

// merge gives the values of a tree with those of another over them.
func merge(under, over map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range under {
		out[k] = v
	}
	for k, v := range over {
		inner, isTree := v.(map[string]any)
		below, _ := out[k].(map[string]any)
		if isTree {
			v = merge(below, inner)
		}
		out[k] = v
	}
	return out
}

// leaves gives each value of a tree under its whole name.
func leaves(at string, tree, out map[string]any) {
	for k, v := range tree {
		name := strings.TrimPrefix(at+"."+k, ".")
		if inner, ok := v.(map[string]any); ok {
			leaves(name, inner, out)
			continue
		}
		out[name] = v
	}
}

// document writes the policy of a manifest: its name and its spec.
func (m *manifest) document() ([]byte, error) {
	doc := &yaml.Node{Kind: yaml.MappingNode, Content: append([]*yaml.Node{
		{Kind: yaml.ScalarNode, Value: "name"}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: m.name},
	}, m.spec.Content...)}
	return yaml.Marshal(doc)
}

func (a *appliedTo) planPolicy(ctx context.Context, m *manifest, _ *folderNames) (*step, error) {
	if at := keyAnywhere(&yaml.Node{Kind: yaml.MappingNode, Content: m.spec.Content}, "name"); at != nil && entry(m.spec, "name") != nil {
		return nil, m.wrong(at.Line, "the name of a policy stands beside its kind, not in spec")
	}
	text, err := m.document()
	if err != nil {
		return nil, m.wrong(m.line, "spec cannot be written: %v", err)
	}
	wanted, err := policy.Parse(text)
	if err != nil {
		return nil, m.mistakes(err)
	}
	is, there := a.policies[strings.ToLower(m.name)]
	if !there {
		return &step{Action: toCreate, make: func(ctx context.Context) (string, error) {
			p, err := a.c.CreatePolicy(ctx, text, "")
			a.policies[strings.ToLower(m.name)] = p
			return "", err
		}}, nil
	}
	now, tag, err := a.c.PolicyYAML(ctx, is.ID)
	if err != nil {
		return nil, err
	}
	current, err := policy.Parse(now)
	if err != nil {
		return nil, m.wrong(m.line, "what the account has cannot be read: %v", err)
	}
	s := &step{Action: toChange}
	for _, c := range policy.Diff(current, wanted) {
		s.Changes = append(s.Changes, stepChange{strings.TrimSpace(c.Kind + " " + c.What + " " + c.Member), c.Before, c.After, c.String()})
	}
	if len(s.Changes) == 0 {
		return nil, nil
	}
	s.make = func(ctx context.Context) (string, error) {
		_, err := a.c.SavePolicy(ctx, is.ID, tag, text, "")
		return "", err
	}
	return s, nil
}

// groupSpec is what a group is to be; what is absent is as in a new group.
type groupSpec struct {
	Description  string `yaml:"description"`
	Domain       string `yaml:"domain"`
	AutoJoin     bool   `yaml:"auto_join"`
	Policy       string `yaml:"policy"` // its name; "" is the default one
	JoinRule     string `yaml:"join_rule"`
	JoinOrder    int    `yaml:"join_order"`
	RemoveUnseen string `yaml:"remove_unseen"` // 90d
	removeUnseen policy.Duration
}

func (a *appliedTo) planGroup(_ context.Context, m *manifest, names *folderNames) (*step, error) {
	var spec groupSpec
	err := m.decode(&spec)
	if err != nil {
		return nil, err
	}
	spec.Description, spec.Domain, spec.JoinRule = strings.TrimSpace(spec.Description), strings.TrimSpace(spec.Domain), strings.TrimSpace(spec.JoinRule)
	err = a.checkGroup(m, &spec, names)
	if err != nil {
		return nil, err
	}
	is, there := a.groups[strings.ToLower(m.name)]
	if spec.Policy == "" {
		spec.Policy = a.policyName(defaultThing)
	}
	s := &step{Action: toCreate}
	if there {
		s.Action = toChange
		s.differs("name", is.Name, m.name)
		s.differs("description", is.Description, spec.Description)
		s.differs("domain", is.Domain, spec.Domain)
		s.differs("auto_join", is.AutoJoin, spec.AutoJoin)
		if !strings.EqualFold(a.policyName(is.Policy), spec.Policy) {
			s.differs("policy", a.policyName(is.Policy), spec.Policy)
		}
		s.differs("join_rule", is.JoinRule, spec.JoinRule)
		s.differs("join_order", is.JoinOrder, spec.JoinOrder)
		s.differs("remove_unseen", is.RemoveUnseen, spec.removeUnseen.String())
		if len(s.Changes) == 0 {
			return nil, nil
		}
	}
	s.make = func(ctx context.Context) (string, error) {
		change := adminclient.GroupChange{
			Name: &m.name, Description: &spec.Description, Domain: &spec.Domain, AutoJoin: &spec.AutoJoin, JoinRule: &spec.JoinRule,
			JoinOrder: &spec.JoinOrder, RemoveUnseen: new(spec.removeUnseen.String()), Policy: new(a.policies[strings.ToLower(spec.Policy)].ID),
		}
		if there {
			_, err := a.c.ChangeGroup(ctx, is.ID, is.Tag, change)
			return "", err
		}
		made, err := a.c.CreateGroup(ctx, change)
		a.groups[strings.ToLower(m.name)] = made
		return "", err
	}
	return s, nil
}

// The bounds that are looked at before anything is sent.
const (
	maxThingName = 64
	maxAbout     = 1024
)

func (a *appliedTo) checkGroup(m *manifest, spec *groupSpec, names *folderNames) error {
	var mistakes []error
	add := func(member, format string, args ...any) {
		mistakes = append(mistakes, m.wrong(m.at(member), format, args...))
	}
	if utf8.RuneCountInString(m.name) > maxThingName {
		add("name", "name must have at most %d characters", maxThingName)
	}
	if utf8.RuneCountInString(spec.Description) > maxAbout {
		add("description", "description must have at most %d characters", maxAbout)
	}
	if spec.RemoveUnseen != "" {
		err := spec.removeUnseen.UnmarshalText([]byte(spec.RemoveUnseen))
		if err != nil || spec.removeUnseen < 0 {
			add("remove_unseen", "remove_unseen must be a length of time such as 90d or 12h")
		}
	}
	_, there := a.policies[strings.ToLower(spec.Policy)]
	if spec.Policy != "" && !there && !names.has(kindPolicy, spec.Policy) {
		add("policy", "there is no policy %q, neither in the folder nor in the account", spec.Policy)
	}
	if spec.JoinRule != "" {
		_, err := policy.CompileJoin(spec.JoinRule)
		if err != nil {
			add("join_rule", "join_rule: %s", messages(err))
		}
	}
	return errors.Join(mistakes...)
}

// codeSpec is what a registration code is to be.
type codeSpec struct {
	Group     string    `yaml:"group"` // its name; "" lets rules decide
	ExpiresAt time.Time `yaml:"expires_at"`
	MaxUses   int64     `yaml:"max_uses"`
}

// planCode makes a code, or another one in place of one that is otherwise: codes cannot be changed.
func (a *appliedTo) planCode(_ context.Context, m *manifest, names *folderNames) (*step, error) {
	var spec codeSpec
	err := m.decode(&spec)
	if err != nil {
		return nil, err
	}
	key := strings.ToLower(m.name)
	_, there := a.groups[strings.ToLower(spec.Group)]
	is, exists := a.codes[key]
	spec.ExpiresAt = spec.ExpiresAt.UTC().Truncate(time.Millisecond)
	switch {
	case spec.Group != "" && !there && !names.has(kindGroup, spec.Group):
		return nil, m.wrong(m.at("group"), "there is no group %q, neither in the folder nor in the account", spec.Group)
	case a.several[key]:
		return nil, m.wrong(m.line, "the account has several codes of this name: revoke all but one")
	case spec.MaxUses < 0:
		return nil, m.wrong(m.at("max_uses"), "max_uses cannot be less than none")
	}
	s := &step{Action: toCreate}
	if exists {
		s.Action = toReplace
		if !strings.EqualFold(a.groupName(is.Group), spec.Group) {
			s.differs("group", a.groupName(is.Group), spec.Group)
		}
		s.differs("expires_at", is.ExpiresAt.UTC(), spec.ExpiresAt)
		s.differs("max_uses", is.MaxUses, spec.MaxUses)
		if len(s.Changes) == 0 {
			return nil, nil
		}
	}
	if !spec.ExpiresAt.IsZero() && !spec.ExpiresAt.After(a.now) {
		return nil, m.wrong(m.at("expires_at"), "expires_at lies in the past")
	}
	s.make = func(ctx context.Context) (string, error) {
		n := adminclient.NewRegistrationCode{Name: m.name, MaxUses: spec.MaxUses, Group: a.groups[strings.ToLower(spec.Group)].ID}
		if !spec.ExpiresAt.IsZero() {
			n.ExpiresAt = &spec.ExpiresAt
		}
		made, err := a.c.CreateRegistrationCode(ctx, n)
		if err == nil && exists {
			err = a.c.RevokeRegistrationCode(ctx, is.ID)
		}
		return "code " + made.Code, err
	}
	return s, nil
}

// webhookSpec is what a webhook is to be; what is absent is as in a new webhook.
type webhookSpec struct {
	URL     string   `yaml:"url"`
	Form    string   `yaml:"form"`
	Events  []string `yaml:"events"`
	Enabled *bool    `yaml:"enabled"`
	// APIKeyEnv is the environment variable that has the API key: a folder is no place for it.
	APIKeyEnv string `yaml:"api_key_env"`
}

func (a *appliedTo) planWebhook(_ context.Context, m *manifest, _ *folderNames) (*step, error) {
	var spec webhookSpec
	err := m.decode(&spec)
	if err == nil {
		err = m.checkWebhook(&spec)
	}
	if err != nil {
		return nil, err
	}
	is, there := a.webhooks[strings.ToLower(m.name)]
	if there && is.Form != spec.Form {
		return nil, m.wrong(m.at("form"), "the account has one of the form %s, and a webhook keeps its form: delete that, or give this one another name", is.Form)
	}
	events := webhook.Reference.Words()
	if spec.Events != nil {
		set, _ := webhook.ParseTopics(spec.Events)
		events = set.Words()
	}
	enabled := spec.Enabled == nil || *spec.Enabled
	change := adminclient.WebhookChange{Name: &m.name, URL: &spec.URL, Events: &events, Enabled: &enabled, Form: spec.Form}
	s := &step{Action: toCreate}
	sendKey := spec.APIKeyEnv != ""
	if there {
		s.Action, change.Form = toChange, ""
		s.differs("name", is.Name, m.name)
		s.differs("url", is.URL, spec.URL)
		s.differs("events", is.Events, events)
		s.differs("enabled", is.Enabled, enabled)
		sendKey = a.keyDiffers(s, &is, &spec)
		if len(s.Changes) == 0 {
			return nil, nil
		}
	}
	if sendKey {
		change.APIKey = new(os.Getenv(spec.APIKeyEnv)) // "" where there is to be none
		if spec.APIKeyEnv != "" && *change.APIKey == "" {
			return nil, m.wrong(m.at("api_key_env"), "the environment variable %s is not set, or empty", spec.APIKeyEnv)
		}
	}
	s.make = func(ctx context.Context) (string, error) {
		if there {
			_, err := a.c.ChangeWebhook(ctx, is.ID, is.Tag, change)
			return "", err
		}
		made, err := a.c.CreateWebhook(ctx, change)
		if made.Secret == "" {
			return "", err
		}
		return "signing secret " + made.Secret, err
	}
	return s, nil
}

// keyDiffers says whether the API key is to be sent. What the account has is never shown: only that there is one is known.
func (a *appliedTo) keyDiffers(s *step, is *adminclient.Webhook, spec *webhookSpec) bool {
	wanted := spec.APIKeyEnv != ""
	switch {
	case spec.Form != string(webhook.Opswat):
		return false
	case is.HasAPIKey != wanted:
		s.differs("api_key", present(is.HasAPIKey), present(wanted))
		return true
	case wanted && a.sendKeys:
		s.differs("api_key", "the one before", "that of "+spec.APIKeyEnv)
		return true
	}
	return false
}

func present(there bool) string {
	if there {
		return "set"
	}
	return "none"
}

func (m *manifest) checkWebhook(spec *webhookSpec) error {
	var mistakes []error
	add := func(member, format string, args ...any) {
		mistakes = append(mistakes, m.wrong(m.at(member), format, args...))
	}
	spec.URL = strings.TrimSpace(spec.URL)
	at, err := url.Parse(spec.URL)
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
		add("url", "url must be the address of the receiver, such as https://siem.example/hook")
	}
	if !slices.Contains(webhook.Forms, webhook.Form(spec.Form)) {
		add("form", "form must be %s or %s", webhook.Opswat, webhook.Standard)
	}
	set, unknown := webhook.ParseTopics(spec.Events)
	if unknown != "" || spec.Events != nil && set == 0 {
		add("events", "events must be some of %s", strings.Join(webhook.TopicNames(), ", "))
	}
	if spec.APIKeyEnv != "" && spec.Form == string(webhook.Standard) {
		add("api_key_env", "a webhook of the form %s has a signing secret, and no API key", webhook.Standard)
	}
	if utf8.RuneCountInString(m.name) > maxThingName {
		add("name", "name must have at most %d characters", maxThingName)
	}
	return errors.Join(mistakes...)
}
