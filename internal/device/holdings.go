package device

import (
	"cmp"
	"strings"

	"muster/internal/posture"
)

// Holdings is what one device has installed and what is wrong with it, as its report and its verdict say. The lists may
// repeat entries.
type Holdings struct {
	Categories      []posture.Category // it has an issue in
	Installed       []Installed
	Vulnerabilities []HeldVulnerability // each once; also those that are accepted, which say so
	Missing         []posture.Patch
	// Catalogue is the version of the vulnerability catalogue that was asked.
	Catalogue string
	// Keys gives what an entry of Installed is looked up by in the catalogue; nil where nobody looks up anything.
	Keys func(installed int) []ProductKey
}

// ProductKey is what a product is looked up by in the catalogue of vulnerabilities.
type ProductKey struct {
	Space, Name string
	ByVendor    bool
	// OtherVersion says that the versions compared may be others than those installed.
	OtherVersion bool
}

// Installed is one version of one product on a device. Name, vendor and ecosystem are what tells products apart.
type Installed struct {
	Name, Vendor, Ecosystem string
	Category                posture.Category
	Version                 string
	// Context is what else on the machine decides what it is looked up by.
	Context string
	CVEs    []string // known vulnerabilities of it; may repeat
	Levels  posture.Levels
}

// HeldVulnerability is a vulnerability of a device, with the worst of what its findings say.
type HeldVulnerability struct {
	ID     string // the CVE id, or that of the feed entry where it has none
	KEV    bool
	Scores [posture.NumScoreTypes]float64 // negative means not scored
	Levels posture.Levels
	// Accepted says that it is found, and counts nowhere on the device.
	Accepted bool
}

// Facets are the numbers of all that a device has, in order and each once, as the store gives them to Holdings.
type Facets []int64

// What is kept of one device: far more than any has, and few enough that one report cannot fill the database.
const (
	maxInstalled = 20_000
	maxOpen      = 20_000
	maxMissing   = 5_000
	// maxHeldText is how long a name or a version may be, in bytes: what is unique must fit into an index.
	maxHeldText = 512
)

// holdingsOf puts together what a report and the verdict on it say. The catalogue may be nil.
func holdingsOf(r *posture.Report, v *posture.Verdict, catalogue Catalogue) Holdings {
	h := Holdings{Catalogue: v.Catalogue}
	var kept []*posture.Application
	if catalogue != nil {
		h.Keys = func(i int) []ProductKey { return catalogue.Keys(&r.OS, kept[i]) }
	}
	for i := range v.Issues {
		h.Categories = append(h.Categories, v.Issues[i].Category)
	}
	h.Vulnerabilities = heldVulnerabilities(v.Findings)
	faults := faultsOf(v.Findings)
	for i := range r.Applications {
		app := &r.Applications[i]
		name := heldText(app.Name)
		if name == "" || len(h.Installed) == maxInstalled {
			continue
		}
		f := faults[productKey(app)]
		h.Installed = append(h.Installed, Installed{
			Name: name, Vendor: heldText(app.Vendor), Ecosystem: heldText(app.Ecosystem), Category: app.Category,
			Version: heldText(app.Version), Context: contextOf(&r.OS, app), CVEs: f.cves, Levels: f.levels,
		})
		kept = append(kept, app)
	}
	if r.PatchesKnown {
		h.Missing = missingPatches(r.MissingPatches)
	}
	return h
}

// contextOf gives what decides, besides what is installed, by what it is looked up: an application by the family of the
// system, a package by its source, and by the distribution where its ecosystem names no release.
func contextOf(os *posture.OS, app *posture.Application) string {
	switch {
	case app.Ecosystem == "":
		return string(os.Family)
	case strings.Contains(app.Ecosystem, ":"):
		return heldText(app.Source)
	default:
		return heldText(app.Source + "@" + os.Distribution)
	}
}

func missingPatches(patches []posture.Patch) []posture.Patch {
	var out []posture.Patch
	for _, p := range patches[:min(len(patches), maxMissing)] {
		p.KB, p.Title, p.Product, p.Vendor = heldText(p.KB), heldText(p.Title), heldText(p.Product), heldText(p.Vendor)
		p.Severity, p.Category = heldText(p.Severity), heldText(p.Category)
		if p.KB != "" || p.Title != "" {
			out = append(out, p)
		}
	}
	return out
}

// heldText makes a text fit to be stored and compared.
func heldText(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxHeldText {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:maxHeldText], ""))
	}
	return s
}

// vulnerabilityIDs are the ids under which a finding is counted.
func vulnerabilityIDs(f *posture.Finding) []string {
	if len(f.CVEs) > 0 {
		return f.CVEs
	}
	return []string{f.ID}
}

// heldVulnerabilities lists each vulnerability once, in the order of the findings. One that is accepted in one product and not
// in another counts.
func heldVulnerabilities(findings []posture.Finding) []HeldVulnerability {
	if len(findings) == 0 {
		return nil
	}
	at := make(map[string]int, len(findings))
	var out []HeldVulnerability
	for i := range findings {
		f := &findings[i]
		for _, id := range vulnerabilityIDs(f) {
			n, ok := at[id]
			if !ok {
				if len(out) == maxOpen {
					continue
				}
				n = len(out)
				at[id] = n
				out = append(out, HeldVulnerability{ID: id, Scores: [...]float64{-1, -1, -1}, Accepted: true})
			}
			out[n].add(f)
		}
	}
	return out
}

// countOpen says how many of them count.
func countOpen(list []HeldVulnerability) int {
	n := 0
	for i := range list {
		if !list[i].Accepted {
			n++
		}
	}
	return n
}

func (v *HeldVulnerability) add(f *posture.Finding) {
	v.Accepted = v.Accepted && f.Accepted != nil
	v.KEV = v.KEV || f.KEV
	v.Levels = v.Levels.Worst(f.Levels)
	for t, score := range f.Scores {
		v.Scores[t] = max(v.Scores[t], score)
	}
}

// reported is a product as findings name it.
type reported struct{ name, version string }

// productKey gives what the findings of an application or package say: see vuln.
func productKey(app *posture.Application) reported {
	if app.Ecosystem != "" {
		return reported{cmp.Or(app.Source, app.Name), app.Version}
	}
	return reported{strings.TrimSpace(app.Name), app.Version}
}

// fault is what is wrong with one version of a product.
type fault struct {
	cves   []string
	levels posture.Levels
}

func faultsOf(findings []posture.Finding) map[reported]fault {
	if len(findings) == 0 {
		return nil
	}
	out := make(map[reported]fault)
	for i := range findings {
		f := &findings[i]
		key := reported{f.Product, f.Version}
		one := out[key]
		one.cves = append(one.cves, vulnerabilityIDs(f)...)
		one.levels = one.levels.Worst(f.Levels)
		out[key] = one
	}
	return out
}
