package policy

import (
	"fmt"
	"slices"
	"strings"

	"muster/internal/posture"
)

// unwanted lists the categories of products that a policy may forbid, with the words for one of them.
var unwanted = []struct {
	category posture.Category
	words    string
}{
	{posture.PublicFileSharing, "public file-sharing program"},
	{posture.RemoteControl, "remote-control program"},
	{posture.Toolbars, "browser toolbar"},
	{posture.UnclassifiedUnwanted, "potentially unwanted program"},
	{posture.InstantMessenger, "instant messenger"},
	{posture.CloudStorage, "cloud-storage program"},
	{posture.RecordingWebMeeting, "web-meeting or recording program"},
	{posture.MediaPlayer, "media player"},
	{posture.VPNClient, "VPN program"},
	{posture.CleanerOptimizer, "cleaner or optimizer"},
	{posture.DeveloperTool, "developer tool"},
	{posture.Uninstaller, "uninstaller"},
	{posture.VirtualMachine, "virtual-machine program"},
	{posture.Browser, "browser"},
}

var unwantedArea = newUnwantedArea()

// newUnwantedArea makes one check for each category.
func newUnwantedArea() area {
	a := area{judge: judgeEach}
	for _, u := range unwanted {
		a.checks = append(a.checks, definition{
			id: unwantedID(u.category), category: u.category, title: "There is no " + u.words,
			params: []string{"allowed"},
			device: func(s *subject, c *Check) finding { return absent(s, c, u.category, u.words) },
			remedy: advice{
				"":              "Uninstall the program, or ask your administrator to allow it.",
				posture.Windows: "Open Settings, Apps, Installed apps, and uninstall the program, or ask your administrator to allow it.",
				posture.MacOS:   "Move the program from the Applications folder to the Trash, or ask your administrator to allow it.",
				posture.Linux:   "Remove the program with the package manager, or ask your administrator to allow it.",
			},
		})
	}
	return a
}

func unwantedID(c posture.Category) string { return "unwanted_" + string(c) }

// absent judges that there is no product of a category but those allowed.
func absent(s *subject, c *Check, category posture.Category, words string) finding {
	var names []string
	for _, app := range s.products[category] {
		if !allowed(c, app.Name) {
			names = append(names, named(app.Name))
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		names = slices.Compact(names)
		return finding{outcome: posture.Fail, product: names[0], evidence: fmt.Sprintf(
			"Installed: %s; the policy asks that there is no %s.", list(names), words)}
	}
	if s.report.Looked(category) && s.hidden() == nil {
		return passed
	}
	return s.unlisted(finding{outcome: posture.Unknown, evidence: fmt.Sprintf(
		"The agent did not look for a %s; the policy asks that there is none.", words)})
}

// allowed reports whether the policy names the product as wanted; case does not matter.
func allowed(c *Check, name string) bool {
	return slices.ContainsFunc(c.Allowed, func(a string) bool { return strings.EqualFold(a, strings.TrimSpace(name)) })
}
