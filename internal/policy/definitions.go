package policy

import (
	"slices"

	"muster/internal/posture"
)

// definition is one check that the program can make.
type definition struct {
	id       string
	category posture.Category
	title    string
	params   []string // the members of Check that it reads, besides the common ones
	needs    []string // of these, one must be there unless the check is off
	remedy   advice
	explains bool // failing, it accounts for the failures of the checks of its area that follow
	named    bool // several entries with different names may be made on one machine
	// fact is what it looks at, as agents name it in what they could not read; "" where they do not. Of a product it is one
	// part.
	fact, part string
	// moot is what it comes to where the fact does not apply to the machine; "" leaves it unknown.
	moot posture.Outcome
	// One of the two: a question about one product, or about the machine.
	product func(*subject, *Check, *posture.Application) finding
	device  func(*subject, *Check) finding
}

// area is a group of checks that are judged together. Its judge appends the results to out.
type area struct {
	checks []definition
	judge  func(s *subject, checks []active, out []result) []result
}

// areas lists every check there is. Issues come in this order.
var areas = []area{
	antimalwareArea, firewallArea, encryptionArea, updatesArea, authenticationArea, integrityArea, unwantedArea,
	antiphishingArea, backupArea, patchAgentArea, lossPreventionArea, patchesArea, vulnerabilitiesArea, disksArea, systemArea,
	threatsArea, softwareArea, customArea,
}

// Definition describes a check for those who write policies.
type Definition struct {
	ID       string           `json:"check"`
	Category posture.Category `json:"category"`
	Title    string           `json:"title"`
	// Params are the members of Check that it reads, besides those that all checks have.
	Params []string `json:"params,omitempty"`
	// Needs are parameters of which one must be there.
	Needs []string `json:"needs,omitempty"`
	// Named says that it may be made several times on one machine, by entries with different names.
	Named bool `json:"named,omitempty"`
}

// Definitions lists every check there is, in the order in which issues come.
func Definitions() []Definition {
	var out []Definition
	for _, a := range areas {
		for _, d := range a.checks {
			out = append(out, Definition{d.id, d.category, d.title, slices.Clone(d.params), slices.Clone(d.needs), d.named})
		}
	}
	return out
}

// define finds a check by its id.
func define(id string) *definition {
	for i := range areas {
		for j := range areas[i].checks {
			if areas[i].checks[j].id == id {
				return &areas[i].checks[j]
			}
		}
	}
	return nil
}

// position is where a check stands in the order of its area.
func position(d *definition) int {
	for i := range areas {
		for j := range areas[i].checks {
			if &areas[i].checks[j] == d {
				return j
			}
		}
	}
	return -1
}

// Everything that a machine can be.
var (
	families    = []posture.OSFamily{posture.Windows, posture.MacOS, posture.Linux, posture.IOS, posture.Android}
	deviceTypes = []posture.DeviceType{posture.Desktop, posture.Laptop, posture.Server, posture.VM, posture.Phone, posture.Tablet}
)

func knownOS(f posture.OSFamily) bool     { return slices.Contains(families, f) }
func knownType(d posture.DeviceType) bool { return slices.Contains(deviceTypes, d) }
