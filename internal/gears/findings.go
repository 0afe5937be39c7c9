package gears

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/posture"
)

// What an agent found besides products. No agent in the field is known to report it in a form that is public, so the
// form is Muster's own.

// findings are the members of the state of health.
type findings struct {
	// MissingPatches is nil where the agent did not look.
	MissingPatches *missingPatches `json:"missing_patches"`
	Threats        threats         `json:"threats"`
	Processes      list[process]   `json:"processes"`
	Disks          list[disk]      `json:"disks"`
	CustomChecks   list[custom]    `json:"custom_checks"`
	Unread         list[unread]    `json:"unread"`
}

// disk is a mounted file system.
type disk struct {
	Name   text  `json:"name"`
	Total  count `json:"total_mb"`
	Free   count `json:"free_mb"`
	System flag  `json:"system"`
}

func (disk) form() (int, jsontext.Kind) { return maxDisks, '{' }

// custom is the result of a check that the policy has the agent run.
type custom struct {
	ID      text    `json:"id"`
	Outcome text    `json:"outcome"`
	Output  clipped `json:"output"`
	At      moment  `json:"at"`
}

func (custom) form() (int, jsontext.Kind) { return maxCustom, '{' }

type missingPatches struct {
	Checked moment      `json:"checked"`
	Patches list[patch] `json:"patches"`
}

type patch struct {
	KB       text    `json:"kb"`
	Title    clipped `json:"title"`
	Product  text    `json:"product"`
	Vendor   text    `json:"vendor"`
	Severity text    `json:"severity"`
	Category text    `json:"category"`
	Released moment  `json:"released"`
}

func (patch) form() (int, jsontext.Kind) { return maxPatches, '{' }

type threats struct {
	Scanned moment       `json:"scanned"`
	Found   list[threat] `json:"found"`
}

type threat struct {
	Source   text         `json:"source"`
	Name     text         `json:"name"`
	File     clipped      `json:"file"`
	Hash     text         `json:"hash"`
	Found    moment       `json:"found"`
	Severity text         `json:"severity"`
	Action   text         `json:"action"`
	Existing flag         `json:"existing"`
	Repeat   count        `json:"repeat"`
	Product  finder       `json:"product"`
	Engines  list[engine] `json:"engines"`
}

func (threat) form() (int, jsontext.Kind) { return maxThreats, '{' }

// finder is the product that found a threat.
type finder struct {
	Name    text `json:"name"`
	Vendor  text `json:"vendor"`
	Version text `json:"version"`
}

// engine is one of several that looked at the same file, and what it calls the threat.
type engine struct {
	Engine text `json:"engine"`
	Name   text `json:"name"`
}

func (engine) form() (int, jsontext.Kind) { return maxEngines, '{' }

// process is the name of a program that runs.
type process clipped

func (process) form() (int, jsontext.Kind) { return maxProcesses, '"' }

// UnmarshalJSON reads the name as a text.
func (p *process) UnmarshalJSON(raw []byte) error { return (*clipped)(p).UnmarshalJSON(raw) }

// fill puts what was found into the report.
func (f *findings) fill(r *posture.Report) {
	if f.MissingPatches != nil {
		r.PatchesKnown, r.PatchesChecked = true, f.MissingPatches.Checked.Time
		r.MissingPatches = patchesOf(f.MissingPatches.Patches)
	}
	r.ThreatsScanned = f.Threats.Scanned.Time
	r.Threats = threatsOf(f.Threats.Found)
	r.Processes = processesOf(f.Processes)
	r.Disks = disksOf(f.Disks)
	r.Custom = customOf(f.CustomChecks)
	r.Unread = unreadOf(f.Unread)
}

// mebibyte is what sizes of disks are counted in.
const mebibyte = 1 << 20

// disksOf gives the sizes of a disk only where both are told: one without the other says nothing.
func disksOf(in list[disk]) []posture.Disk {
	var out []posture.Disk
	for _, d := range in {
		if d.Name == "" {
			continue
		}
		p := posture.Disk{Name: string(d.Name), System: posture.Fact(d.System) == posture.Yes}
		if d.Total.known && d.Free.known {
			p.Total, p.Free = int64(d.Total.n)*mebibyte, int64(min(d.Free.n, d.Total.n))*mebibyte
		}
		out = append(out, p)
	}
	return out
}

// customOf leaves out what names no check. An outcome that Muster does not know is no answer.
func customOf(in list[custom]) []posture.CustomResult {
	var out []posture.CustomResult
	for _, c := range in {
		if c.ID == "" {
			continue
		}
		r := posture.CustomResult{ID: string(c.ID), Outcome: posture.Unknown, Output: string(c.Output), At: c.At.Time}
		switch o := posture.Outcome(c.Outcome); o {
		case posture.Pass, posture.Fail, posture.Errored:
			r.Outcome = o
		}
		out = append(out, r)
	}
	return out
}

// patchesOf leaves out what has neither number nor title: nobody could tell what to install.
func patchesOf(in list[patch]) []posture.Patch {
	var out []posture.Patch
	for _, p := range in {
		if p.KB == "" && p.Title == "" {
			continue
		}
		out = append(out, posture.Patch{
			KB: string(p.KB), Title: string(p.Title), Product: string(p.Product), Vendor: string(p.Vendor),
			Severity: string(p.Severity), Category: string(p.Category), Released: p.Released.Time,
		})
	}
	return out
}

// threatsOf leaves out what names neither threat nor file.
func threatsOf(in list[threat]) []posture.Threat {
	var out []posture.Threat
	for i := range in {
		if t := &in[i]; t.Name != "" || t.File != "" || t.Hash != "" {
			out = append(out, t.posture())
		}
	}
	return out
}

func (t *threat) posture() posture.Threat {
	out := posture.Threat{
		Source: threatSource(t.Source), Name: string(t.Name), File: string(t.File), Hash: string(t.Hash), Found: t.Found.Time,
		Severity: string(t.Severity), Action: string(t.Action), Existing: posture.Fact(t.Existing),
		// Who reports a threat has found it once.
		Repeat:  max(1, t.Repeat.n),
		Product: string(t.Product.Name), ProductVendor: string(t.Product.Vendor), ProductVersion: string(t.Product.Version),
	}
	for _, e := range t.Engines {
		if e != (engine{}) {
			out.Engines = append(out.Engines, posture.ThreatEngine{Engine: string(e.Engine), Name: string(e.Name)})
		}
	}
	return out
}

// threatSource takes every word that it does not know for the machine's own antimalware, which most threats come from:
// a threat is not lost over it.
func threatSource(word text) posture.ThreatSource {
	switch s := posture.ThreatSource(word); s {
	case posture.ThreatScan, posture.ThreatAddress:
		return s
	default:
		return posture.ThreatLocal
	}
}

// processesOf gives each name once, in the order reported.
func processesOf(in list[process]) []string {
	var out []string
	seen := make(map[process]bool, len(in))
	for _, p := range in {
		if p != "" && !seen[p] {
			seen[p] = true
			out = append(out, string(p))
		}
	}
	return slices.Clip(out)
}

// linkedID gives the first of the values that can be an integrator's own id of the device: 1 to 50 letters, digits and
// hyphens. Others are passed over: a whole report is too much to lose over a link that somebody mistyped.
func linkedID(values ...loose) string {
	for _, v := range values {
		if isLinkedID(string(v)) {
			return string(v)
		}
	}
	return ""
}

func isLinkedID(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 50
}
