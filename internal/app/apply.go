package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"muster/client"
	adminclient "muster/client/admin"
	"muster/internal/admin"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/web"
)

type applyCommand struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	Folder      string `name:"folder" short:"f" required:"" help:"Folder with the files." placeholder:"DIR" type:"path"`
	DryRun      bool   `help:"Say what would be done, and do nothing."`
	Prune       bool   `help:"Delete what the folder does not have, of the kinds that it has anything of."`
	SendSecrets bool   `help:"Send the API keys of webhooks again, in case they are others now."`
}

// Run makes an account match a folder.
func (c *applyCommand) Run(env *environment) error {
	folder, err := readFolder(c.Folder)
	if err != nil {
		return err
	}
	return env.withAdministration(c.deviceFlags, func(api *adminclient.Client) error {
		to, err := readAccount(env.ctx, api)
		if err != nil {
			return told(err, c.Server)
		}
		to.sendKeys = c.SendSecrets
		steps, err := to.plan(env.ctx, folder, c.Prune)
		if err != nil {
			return told(err, c.Server)
		}
		if !c.DryRun {
			err = carryOut(env.ctx, steps)
		}
		printErr := c.tell(env, steps, err)
		return errors.Join(told(err, c.Server), printErr)
	})
}

// tell says what was done, or would be. Where it broke off, what was made before it is said too: secrets are told once.
func (c *applyCommand) tell(env *environment, steps []*step, failed error) error {
	if c.JSON {
		if steps == nil {
			steps = []*step{}
		}
		return printJSON(env.stdout, map[string]any{"dry_run": c.DryRun, "done": failed == nil && !c.DryRun, "changes": steps})
	}
	if len(steps) == 0 && failed == nil {
		return printLine(env.stdout, "nothing to do: the account is as the folder says")
	}
	verbs := map[string][2]string{
		toCreate: {"created", "would create"}, toChange: {"changed", "would change"},
		toReplace: {"replaced", "would replace"}, toDelete: {"deleted", "would delete"},
	}
	tense := 0
	if c.DryRun {
		tense = 1
	}
	for _, s := range steps {
		if failed != nil && !s.Done && s.Note == "" {
			continue
		}
		line := []any{verbs[s.Action][tense], s.Kind}
		if s.Name != "" {
			line = append(line, printable(s.Name))
		}
		if s.Note != "" {
			line = append(line, "("+s.Note+")")
		}
		err := printLine(env.stdout, line...)
		if err != nil {
			return err
		}
		for _, x := range s.Changes {
			err = printLine(env.stdout, "  ", printable(x.Text))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// told puts what the administration API answered into the words of the command line.
func told(err error, server string) error {
	if adminclient.IsUnauthorized(err) {
		return errs.Wrap(errs.Unauthenticated, err, "The server %s does not accept the client id and the client secret", server)
	}
	answer, ok := errors.AsType[*adminclient.Error](err)
	if !ok {
		return err
	}
	code := errs.Unavailable
	switch answer.Status {
	case http.StatusBadRequest:
		code = errs.Invalid
	case http.StatusForbidden:
		return errs.Wrap(errs.Forbidden, err, "The application may not administer the account: make one with muster app create --permission admin")
	case http.StatusNotFound:
		code = errs.NotFound
	case http.StatusConflict:
		code = errs.Conflict
	case http.StatusPreconditionFailed:
		code = errs.Stale
	}
	// The words around it say which change it was, and how many were made before.
	return errs.New(code, "%s", strings.Replace(err.Error(), answer.Error(), answer.Detail, 1))
}

// withAdministration gives fn a client of the administration API: of the server that the flags name, or of the database, in
// front of which the same door stands in this process.
func (env *environment) withAdministration(f deviceFlags, fn func(*adminclient.Client) error) error {
	return env.withAdministrationOf(f, func(api *adminclient.Client, _ *inDatabase) error { return fn(api) })
}

// inDatabase is what is behind the door in this process.
type inDatabase struct {
	*services
	account posture.AccountID
}

// withAdministrationOf gives fn what is behind the door in this process, too; nil for a server.
func (env *environment) withAdministrationOf(f deviceFlags, fn func(api *adminclient.Client, local *inDatabase) error) error {
	remote, err := f.remote(env)
	if err != nil {
		return err
	}
	if remote != nil {
		c, err := adminclient.New(f.Server, client.Options{
			ClientID: f.ClientID, ClientSecret: f.ClientSecret, UserAgent: "muster/" + Version, MaxWait: patientFor,
		})
		if err != nil {
			return errs.InvalidField("server", "--server: %v", err)
		}
		return fn(c, nil)
	}
	return env.withAccount(f.accountFlag, func(s *services, a identity.Account) error {
		c, err := adminclient.New("http://muster.invalid", client.Options{
			Token: client.Token{AccessToken: "local"}, HTTPClient: &http.Client{Transport: s.doorFor(a)},
		})
		if err != nil {
			return err
		}
		return fn(c, &inDatabase{s, a.ID})
	})
}

// patientFor is how long is waited in all because of too many calls: a folder may hold many things.
const patientFor = time.Hour

// doorFor is the administration API for one account, which whoever reaches the database may use.
func (s *services) doorFor(a identity.Account) http.RoundTripper {
	return inProcess{&web.Server{Log: s.log, Next: web.NewMux(admin.New(admin.Deps{
		Authenticator: everybody{a}, Limiter: &ratelimit.Limiter{Source: ratelimit.NewMemory(1), Now: time.Now},
		Accounts: s.identity, Devices: s.devices, Policies: s.policies, Runs: s.runs, Webhooks: s.webhooks, Operators: s.operators, Explain: s.explain,
		Risks: s.risks, Said: s.said, ExplainVulnerability: s.explainVulnerability,
	}))}}
}

// everybody is an administrator of the account.
type everybody struct{ account identity.Account }

// Authenticate implements admin.Authenticator.
func (e everybody) Authenticate(context.Context, string) (identity.Grant, error) {
	return identity.Grant{Account: e.account, ClientID: "command line", Permission: scope.Admin}, nil
}

// inProcess is a transport without a network.
type inProcess struct{ http.Handler }

// RoundTrip answers a request.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &kept{header: http.Header{}, status: http.StatusOK}
	p.ServeHTTP(w, r)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// kept is an answer in memory.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *kept) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *kept) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *kept) Write(b []byte) (int, error) { return w.body.Write(b) }
