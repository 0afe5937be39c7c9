// Package script runs the custom checks of a policy: scripts that an administrator signed, each for a limited time and
// with fewer rights than anybody. What is not signed by a key that is trusted here is not run, whoever asks for it.
//
// A script is not started by the agent itself, but by the agent's own program started anew: once as the supervisor, which
// ends all that a script leaves behind, and once more, as what becomes the script when its rights and limits are set. See
// Command.
package script

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
	"muster/internal/agent/settings"
	"muster/internal/posture"
	"muster/internal/signature"
)

// Settings say whose scripts are run, and how.
type Settings struct {
	// Keys are those whose scripts are run. Without one none is.
	Keys []ed25519.PublicKey
	// User is as whom scripts run where the agent runs as root; "" is nobody. On Windows it is the system's LocalService.
	User string
	Now  func() time.Time
}

// ReadKeys reads the keys of settings: each a key as `muster script keygen` writes it, or a file of keys, one a line, that
// nobody else can write to.
func ReadKeys(list []string) ([]ed25519.PublicKey, error) {
	var out []ed25519.PublicKey
	for _, text := range list {
		name := ""
		if !signature.Scripts.IsKey(text) {
			name = text
			if err := settings.Unwritable(name); err != nil {
				return nil, err
			}
			raw, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			text = string(raw)
		}
		keys, err := signature.Scripts.ParsePublics(text)
		if err != nil && name != "" {
			err = fmt.Errorf("%s: %w", name, err)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, keys...)
	}
	return out, nil
}

// Runner runs scripts again and again, and remembers what came out last.
type Runner struct {
	settings Settings
	last     []collect.CustomResult
}

// New makes a Runner.
func New(s Settings) *Runner { return &Runner{settings: s} }

// Run is the function Run. It must not be called while it runs.
func (r *Runner) Run(ctx context.Context, checks []protocol.CustomCheck) []collect.CustomResult {
	r.last = Run(ctx, r.settings, checks, r.last)
	return r.last
}

// Bounds.
const (
	maxChecks = 500
	maxOutput = 512 // characters of a result: servers read no more
	// settled is for how long the time of a result stays where the same comes out again. Reports would otherwise say
	// something new each time.
	settled = 4 * time.Hour
)

// Run runs the scripts one after the other, and gives a result of each. A script that was not run, or not to its end, is an
// error that says why: never a pass. A result that is the same as before keeps its time for some hours.
func Run(ctx context.Context, s Settings, checks []protocol.CustomCheck, before []collect.CustomResult) []collect.CustomResult {
	var out []collect.CustomResult
	for i := range checks[:min(len(checks), maxChecks)] {
		if checks[i].ID == "" {
			continue
		}
		r := collect.CustomResult{ID: checks[i].ID}
		r.Outcome, r.Output = s.outcome(ctx, &checks[i])
		if ctx.Err() != nil {
			return append(out, unrun(checks[i:], before)...)
		}
		r.At = s.Now().UTC().Truncate(time.Second)
		if o := same(before, &r); o != nil && !o.At.After(r.At) && r.At.Sub(o.At) < settled {
			r.At = o.At
		}
		out = append(out, r)
	}
	return out
}

// unrun are the results of checks for which there was no time, because the agent is to end: those from before.
func unrun(checks []protocol.CustomCheck, before []collect.CustomResult) (out []collect.CustomResult) {
	for i := range checks {
		if j := slices.IndexFunc(before, func(b collect.CustomResult) bool { return b.ID == checks[i].ID }); j >= 0 {
			out = append(out, before[j])
		}
	}
	return out
}

// same finds the result of before that says the same.
func same(before []collect.CustomResult, r *collect.CustomResult) *collect.CustomResult {
	i := slices.IndexFunc(before, func(b collect.CustomResult) bool {
		return b.ID == r.ID && b.Outcome == r.Outcome && b.Output == r.Output
	})
	if i < 0 {
		return nil
	}
	return &before[i]
}

// outcome runs one script.
func (s *Settings) outcome(ctx context.Context, c *protocol.CustomCheck) (posture.Outcome, string) {
	err := s.admit(c)
	if err != nil {
		return posture.Errored, said(err, "")
	}
	passed, output, err := s.launch(ctx, c)
	switch {
	case err != nil:
		return posture.Errored, said(err, output)
	case passed:
		return posture.Pass, tame(output)
	default:
		return posture.Fail, tame(output)
	}
}

// admit says why a script is not to be run here.
func (s *Settings) admit(c *protocol.CustomCheck) error {
	if c.Text == "" {
		return errors.New("the server sent no script for this system, or one that is too large together with the others")
	}
	if len(s.Keys) == 0 {
		return errors.New("this agent runs no scripts: its settings name no key that it trusts")
	}
	signed := signature.Script{Check: c.ID, Interpreter: c.Interpreter, Seconds: c.TimeoutSeconds, Systems: c.Systems, Text: c.Text}
	err := signed.Verify(c.Signature, s.Keys, s.Now())
	if err != nil {
		return err
	}
	if len(c.Systems) > 0 && !slices.Contains(c.Systems, string(family)) {
		return fmt.Errorf("the script is signed for %s, which this machine is not", strings.Join(c.Systems, ", "))
	}
	if most := int(signature.MaxTimeout / time.Second); c.TimeoutSeconds < 1 || c.TimeoutSeconds > most {
		return fmt.Errorf("the time limit of the script is not between 1 and %d seconds", most)
	}
	return nil
}

// said is the output of a check that is an error: why, and what the script itself said.
func said(err error, output string) string {
	why := strings.TrimSuffix(err.Error(), ".")
	if output = tame(output); output != "" {
		why += "; it said: " + output
	}
	return tame(why)
}

// tame makes text of what a script wrote: valid, without control characters, and no longer than what is read of it.
func tame(output string) string {
	output = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(output, "\uFFFD")))
	if r := []rune(output); len(r) > maxOutput {
		output = string(r[:maxOutput-1]) + "…"
	}
	return output
}
