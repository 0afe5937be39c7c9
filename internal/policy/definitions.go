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
	remedy   advice
	explains bool // failing, it accounts for the failures of the checks of its area that follow
	// One of the two: a question about one product, or about the machine.
	product func(*subject, *Check, *posture.Application) finding
	device  func(*subject, *Check) finding
}

// area is a group of checks that are judged together.
type area struct {
	checks []definition
	judge  func(*subject, []active) []posture.Issue
}

// areas lists every check there is. Issues come in this order.
var areas = []area{
	antimalwareArea, firewallArea, encryptionArea, updatesArea, authenticationArea, integrityArea, unwantedArea,
}

// Definition describes a check for those who write policies.
type Definition struct {
	ID       string           `json:"check"`
	Category posture.Category `json:"category"`
	Title    string           `json:"title"`
	// Params are the members of Check that it reads: max_age, max_idle, allowed.
	Params []string `json:"params,omitempty"`
}

// Definitions lists every check there is, in the order in which issues come.
func Definitions() []Definition {
	var out []Definition
	for _, a := range areas {
		for _, d := range a.checks {
			out = append(out, Definition{ID: d.id, Category: d.category, Title: d.title, Params: slices.Clone(d.params)})
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

func knownOS(f posture.OSFamily) bool {
	switch f {
	case posture.Windows, posture.MacOS, posture.Linux, posture.IOS, posture.Android:
		return true
	default:
		return false
	}
}

func knownType(d posture.DeviceType) bool { return d != "" && posture.ParseDeviceType(string(d)) == d }
