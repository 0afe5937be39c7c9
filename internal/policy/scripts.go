package policy

import (
	"slices"
	"time"

	"muster/internal/posture"
	"muster/internal/signature"
)

// AskedScript is a script that a policy asks the agent of a machine to run.
type AskedScript struct {
	signature.Script
	Signature string // "" where nobody signed it
}

// Scripts gives what the agent of a machine is to run: of each custom check that is made on a machine of this system and
// type, the first script that fits the system. Of a machine that does not say its type it is those of every type; one
// that does not say its system gets scripts for all systems only.
func (c *Compiled) Scripts(family posture.OSFamily, device posture.DeviceType) []AskedScript {
	var out []AskedScript
	for _, a := range c.planFor(family, device).areas {
		for _, checks := range a.alternatives {
			for _, active := range checks {
				s := active.check.scriptOn(family)
				asked := func(o AskedScript) bool { return o.Check == active.check.Name }
				if s != nil && !slices.ContainsFunc(out, asked) {
					out = append(out, AskedScript{s.signed(active.check.Name), s.Signature})
				}
			}
		}
	}
	return out
}

// scriptOn finds the script for a system; nil for none.
func (c *Check) scriptOn(family posture.OSFamily) *Script {
	i := slices.IndexFunc(c.Scripts, func(s Script) bool { return len(s.OS) == 0 || slices.Contains(s.OS, family) })
	if i < 0 {
		return nil
	}
	return &c.Scripts[i]
}

// signed is the script as it is signed.
func (s *Script) signed(check string) signature.Script {
	out := signature.Script{Check: check, Interpreter: s.Interpreter, Seconds: signature.Seconds(time.Duration(s.Timeout)), Text: s.Text}
	for _, os := range s.OS {
		out.Systems = append(out.Systems, string(os))
	}
	return out
}
