package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	adminclient "muster/client/admin"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/webhook"
)

type exportCommand struct {
	deviceFlags `embed:""`
	Output      string `name:"output" short:"o" required:"" help:"Folder to write to; it must be empty or not there." placeholder:"DIR" type:"path"`
}

// Run writes an account as a folder that apply reads.
func (c *exportCommand) Run(env *environment) error {
	err := makeEmpty(c.Output)
	if err != nil {
		return err
	}
	return env.withAdministration(c.deviceFlags, func(api *adminclient.Client) error {
		a, err := readAccount(env.ctx, api)
		if err != nil {
			return told(err, c.Server)
		}
		for _, write := range []func(context.Context) (string, []exported, error){
			a.exportSettings, a.exportPolicies, a.exportGroups, a.exportCodes, a.exportWebhooks,
		} {
			name, documents, err := write(env.ctx)
			if err != nil {
				return told(err, c.Server)
			}
			if len(documents) == 0 {
				continue
			}
			err = writeDocuments(filepath.Join(c.Output, name), documents)
			if err != nil {
				return err
			}
			err = printLine(env.stdout, "wrote", filepath.Join(c.Output, name))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// makeEmpty makes a folder, and refuses one that has something in it: nothing of it is to be mixed up with what is written.
func makeEmpty(dir string) error {
	err := os.MkdirAll(dir, 0o750)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The folder %s cannot be made", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The folder %s cannot be read", dir)
	}
	if len(entries) > 0 {
		return errs.New(errs.Conflict, "The folder %s is not empty", dir)
	}
	return nil
}

// exported is one document.
type exported struct {
	Kind string `yaml:"kind"`
	Name string `yaml:"name,omitempty"`
	Spec any    `yaml:"spec"`
}

func writeDocuments(path string, documents []exported) error {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	for i := range documents {
		err := e.Encode(&documents[i])
		if err != nil {
			return err
		}
	}
	err := e.Close()
	if err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

func (a *appliedTo) exportSettings(context.Context) (string, []exported, error) {
	return "settings.yaml", []exported{{Kind: kindSettings, Spec: a.settings.Values}}, nil
}

func (a *appliedTo) exportPolicies(ctx context.Context) (string, []exported, error) {
	var out []exported
	for p, err := range a.c.Policies(ctx) {
		if err != nil {
			return "", nil, err
		}
		text, _, err := a.c.PolicyYAML(ctx, p.ID)
		if err != nil {
			return "", nil, err
		}
		var doc yaml.Node
		err = yaml.Unmarshal(text, &doc)
		if err != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
			return "", nil, errs.Wrap(errs.Internal, err, "The policy %q cannot be read", p.Name)
		}
		spec := doc.Content[0]
		for i := 0; i+1 < len(spec.Content); i += 2 {
			if spec.Content[i].Value == "name" {
				spec.Content = append(spec.Content[:i], spec.Content[i+2:]...)
				break
			}
		}
		out = append(out, exported{kindPolicy, p.Name, spec})
	}
	return "policies.yaml", out, nil
}

func (a *appliedTo) exportGroups(ctx context.Context) (string, []exported, error) {
	var out []exported
	for g, err := range a.c.Groups(ctx) {
		if err != nil {
			return "", nil, err
		}
		out = append(out, exported{kindGroup, g.Name, groupSpec{
			Description: g.Description, Domain: g.Domain, AutoJoin: g.AutoJoin, Policy: a.policyName(g.Policy), JoinRule: g.JoinRule,
			JoinOrder: g.JoinOrder, RemoveUnseen: g.RemoveUnseen,
		}})
	}
	return "groups.yaml", out, nil
}

// exportedCode is a codeSpec without what is not said.
type exportedCode struct {
	Group     string    `yaml:"group,omitempty"`
	ExpiresAt time.Time `yaml:"expires_at,omitempty"`
	MaxUses   int64     `yaml:"max_uses,omitempty"`
}

func (a *appliedTo) exportCodes(ctx context.Context) (string, []exported, error) {
	var out []exported
	for x, err := range a.c.RegistrationCodes(ctx) {
		if err != nil {
			return "", nil, err
		}
		if x.State != string(identity.CodeRevoked) {
			out = append(out, exported{kindCode, x.Name, exportedCode{a.groupName(x.Group), x.ExpiresAt, x.MaxUses}})
		}
	}
	return "registration-codes.yaml", out, nil
}

// exportedWebhook is a webhookSpec without what is not said.
type exportedWebhook struct {
	URL       string   `yaml:"url"`
	Form      string   `yaml:"form"`
	Events    []string `yaml:"events,flow"`
	Enabled   bool     `yaml:"enabled"`
	APIKeyEnv string   `yaml:"api_key_env,omitempty"`
}

func (a *appliedTo) exportWebhooks(ctx context.Context) (string, []exported, error) {
	var out []exported
	for w, err := range a.c.Webhooks(ctx) {
		if err != nil {
			return "", nil, err
		}
		spec := exportedWebhook{URL: w.URL, Form: w.Form, Events: w.Events, Enabled: w.Enabled}
		if w.Form == string(webhook.Opswat) && w.HasAPIKey {
			spec.APIKeyEnv = variableFor(w.Name)
		}
		out = append(out, exported{kindWebhook, w.Name, spec})
	}
	return "webhooks.yaml", out, nil
}

// variableFor names the environment variable for a webhook's API key, which is never shown.
func variableFor(name string) string {
	return "WEBHOOK_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name) + "_KEY"
}
