package app

import (
	"cmp"
	"fmt"
	"strings"

	adminclient "muster/client/admin"
	"muster/internal/vuln"
)

type vulnExplain struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	deviceArg   `embed:""`
	vulnArg     `embed:""`
}

// Run explains it.
func (c *vulnExplain) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		e, err := api.ExplainVulnerability(env.ctx, c.Device, c.Vulnerability)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, e)
		}
		for _, line := range explained(&e) {
			err = printLine(env.stdout, printable(line))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// explained puts an explanation into sentences.
func explained(e *adminclient.VulnerabilityExplanation) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch e.State {
	case "open":
		say("%s is open on device %s.", e.Vulnerability, e.DeviceID)
	case "accepted":
		say("%s is found on device %s, and does not count.", e.Vulnerability, e.DeviceID)
	default:
		say("%s is not found on device %s.", e.Vulnerability, e.DeviceID)
	}
	if e.Reported.IsZero() {
		say("The device has not reported yet, so nothing is known of what is installed.")
		return out
	}
	say("It was looked for in the report of %s.", stamp(e.Reported))
	for i := range e.Findings {
		say("Found: %s", findingText(&e.Findings[i]))
		if a := e.Findings[i].Accepted; a != nil {
			say("  Does not count%s, by %s%s.", until(a.Until), a.ID, strings.TrimSuffix(because(a.By, a.Reason), "."))
		}
	}
	switch {
	case !e.Known:
		say("No feed says anything about %s. 'muster feed list' shows what feeds there are.", e.Vulnerability)
	case len(e.Considered) == 0:
		say("No entry about it speaks of anything that is installed.")
	}
	affected := false
	for i := range e.Considered {
		x := &e.Considered[i]
		affected = affected || x.Outcome == string(vuln.IsAffected)
		if x.Outcome != string(vuln.IsAffected) || len(e.Findings) == 0 {
			say("Looked at: %s", consideredText(x))
		}
	}
	switch {
	case affected && len(e.Findings) == 0:
		say("By what feeds say now it is found: the device has not been judged anew since. 'muster run list' shows whether a server is at it.")
	case !affected && len(e.Findings) > 0:
		say("By what feeds say now it is not found any more: the device has not been judged anew since. 'muster run list' shows whether a server is at it.")
	}
	return out
}

// installedText names what is installed.
func installedText(pkg, product, ecosystem, version string) string {
	if pkg != "" && pkg != product {
		return fmt.Sprintf("%s %s, built from %s (%s)", pkg, version, product, ecosystem)
	}
	if ecosystem == "" || strings.HasPrefix(ecosystem, "Application") || strings.HasPrefix(ecosystem, "OS:") {
		return product + " " + version
	}
	return fmt.Sprintf("%s %s (%s)", product, version, ecosystem)
}

func entryText(feed, entry string) string {
	return "entry " + entry + " of feed " + cmp.Or(feed, "(not named)")
}

func findingText(f *adminclient.VulnerabilityFinding) string {
	text := installedText(f.Package, f.Product, f.Ecosystem, f.Version) + " is vulnerable by " + entryText(f.Feed, f.Entry)
	if f.Fixed == "" {
		return text + "; it names no version that has the fix."
	}
	return text + ", which is fixed in " + f.Fixed + "."
}

// consideredTexts say why something is, or is not, vulnerable, by the outcome.
var consideredTexts = map[vuln.Outcome]string{
	vuln.IsAffected: "its version is one that is vulnerable", vuln.NotInRange: "its version is none that is vulnerable",
	vuln.NotComparable: "its version cannot be compared, and is not among those that are listed", vuln.OtherVendor: "that is a program of another vendor",
	vuln.OtherStream: "that is another module stream", vuln.OtherSystem: "that is for other operating systems",
	vuln.OtherRelease: "that is another release of the distribution",
}

func consideredText(x *adminclient.ConsideredProduct) string {
	text := installedText(x.Package, x.Product, x.Ecosystem, x.Version)
	if x.Compared != "" {
		text += ", compared as " + x.Compared
	}
	text += ": " + entryText(x.Feed, x.Entry) + " speaks of it; " + cmp.Or(consideredTexts[vuln.Outcome(x.Outcome)], x.Outcome)
	if x.Fixed != "" {
		text += " (fixed in " + x.Fixed + ")"
	}
	return text + "."
}
