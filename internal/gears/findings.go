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
}

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
