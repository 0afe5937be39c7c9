package vuln

import (
	"regexp"
	"slices"
	"strings"
)

// Who publishes a program, and what it is called, is written in one way by its installer and in another by those who publish
// vulnerabilities. Where no rule leads from one to the other, these tables do. Both sides are brought into the form on the right,
// which is nothing but a common word for the two; a form on the right must not stand on the left. A line here is worth it for software that many machines
// have. It must never make one of two different things.

// publishers maps the beginning of a publisher's name, reduced, to a common word.
var publishers = wordTable(map[string]string{
	"agilebits": "1password", "palo alto networks": "paloalto", "paloaltonetworks": "paloalto", "zoom video communications": "zoom", "zoom communications": "zoom", "zoom.us": "zoom",
	"wireshark developer community": "wireshark", "wireshark foundation": "wireshark", "gerald combs": "wireshark",
	"igor pavlov": "7-zip", "7zip": "7-zip",
	"win.rar": "rarlab", "rarlabs": "rarlab", "alexander roshal": "rarlab",
	"don ho": "notepad++", "notepad++ team": "notepad++", "notepad-plus-plus": "notepad++",
	"simon tatham": "putty", "tim kosse": "filezilla", "filezilla-project": "filezilla", "filezilla project": "filezilla", "martin prikryl": "winscp",
	"document foundation": "libreoffice", "dominik reichl": "keepass", "keepassxreboot": "keepassxc", "keepassxc team": "keepassxc",
	"git development community": "git", "git-scm": "git", "git project": "git",
	"python software foundation": "python", "node.js foundation": "node.js", "nodejs": "node.js", "node.js project": "node.js",
	"videolan team": "videolan", "videolan client": "videolan",
	"philandro software": "anydesk", "anydesk software": "anydesk", "irfan skiljan": "irfanview",
	"audacity team": "audacity", "musescore": "audacity", "gimp team": "gimp", "inkscape project": "inkscape", "blender foundation": "blender",
	"telegram fz-llc": "telegram", "telegram messenger": "telegram", "signal messenger": "signal", "open whisper systems": "signal",
	"adobe systems": "adobe", "adobe inc": "adobe", "foxit software": "foxit", "foxitsoftware": "foxit", "jet brains": "jetbrains",
	"vmware by broadcom": "vmware", "postgresql global development group": "postgresql", "apache software foundation": "apache",
	"oracle and or its affiliates": "oracle", "mozilla foundation": "mozilla", "mozilla corporation": "mozilla",
})

// aliased maps the names of a publisher's programs, without the publisher, to a common word.
var aliased = map[string]map[string]string{
	"adobe": {"acrobat reader dc": "acrobat reader", "acrobat reader dc mui": "acrobat reader", "reader dc": "acrobat reader", "acrobat reader mui": "acrobat reader",
		"substance3d stager": "substance 3d stager", "substance3d painter": "substance 3d painter", "substance3d designer": "substance 3d designer",
		"substance3d sampler": "substance 3d sampler", "substance3d modeler": "substance 3d modeler",
		"acrobat dc": "acrobat", "acrobat pro": "acrobat", "acrobat pro dc": "acrobat"},
	"mozilla":    {"firefox focus": "focus"},
	"zscaler":    {"zscaler": "client connector"},
	"paloalto":   {"globalprotect app": "globalprotect"},
	"apache":     {"tomcat tomcat8": "tomcat", "tomcat tomcat9": "tomcat", "tomcat tomcat10": "tomcat", "tomcat tomcat11": "tomcat"},
	"oracle":     {"vm virtualbox": "virtualbox"},
	"videolan":   {"vlc media player": "vlc", "vlc player": "vlc"},
	"foxit":      {"pdf reader": "reader"},
	"node.js":    {"node": "node.js", "nodejs": "node.js"},
	"python":     {"cpython": "python"},
	"keepass":    {"password safe": "keepass"},
	"filezilla":  {"client": "filezilla"},
	"openvpn":    {"openvpn 2": "openvpn", "openvpn community": "openvpn", "2": "openvpn"},
	"teamviewer": {"remote client": "teamviewer", "full client": "teamviewer", "remote full client": "teamviewer", "remote": "teamviewer"},
	"vmware":     {"workstation pro": "workstation", "workstation player": "workstation", "player": "workstation"},
	"microsoft":  {"edge chromium": "edge", "vs code": "visual studio code", "vscode": "visual studio code"},
	"zoom": {"zoom": "workplace", "workplace desktop app": "workplace", "workplace app": "workplace", "workplace apps": "workplace", "clients": "workplace",
		"client": "workplace", "meetings": "workplace", "client for meetings": "workplace", "desktop client": "workplace", "desktop clients": "workplace",
		"zoom client": "workplace", "us": "workplace", "zoom.us": "workplace"},
}

// editions are words at the end of the names of a publisher's programs that say which edition or year it is, where all
// editions are one program with one numbering.
var editions = map[string]*regexp.Regexp{
	"adobe":     regexp.MustCompile(`^(.+?)(?: (?:desktop|cc|20[0-9]{2}))+$`),
	"jetbrains": regexp.MustCompile(`^(.+?) (?:(?:community|professional|ultimate|educational)(?: edition)?|edu)$`),
	"microsoft": regexp.MustCompile(`^(visual studio)(?: (?:community|professional|enterprise|build tools))( 20[0-9]{2})$`),
}

// distinct are common words that nobody else calls a program: they are enough where no vendor is told.
var distinct = set("filezilla", "keepass", "node.js", "openvpn", "teamviewer", "virtualbox", "vlc")

// byYear are publishers who sell by the year and whose installers count otherwise: FrameMaker 2022.5 is 17.0.5. What is said
// of years tells nothing of such a count.
var byYear = set("adobe", "autodesk")

// wordTable splits the keys of a table into words.
func wordTable(table map[string]string) map[string][][]string {
	out := make(map[string][][]string)
	for from, to := range table {
		w := strings.Fields(from)
		out[w[0]] = append(out[w[0]], append(w[1:], to))
	}
	return out
}

// publisher gives the common word for a reduced vendor, or the vendor.
func publisher(vendor []string) []string {
	if len(vendor) == 0 {
		return vendor
	}
	for _, entry := range publishers[vendor[0]] {
		rest, to := entry[:len(entry)-1], entry[len(entry)-1]
		if len(vendor) > len(rest) && slices.Equal(vendor[1:len(rest)+1], rest) {
			return []string{to}
		}
	}
	return vendor
}

// program gives the common word for the reduced name of a vendor's program.
func program(vendor, name []string) string {
	text := strings.Join(name, " ")
	if len(vendor) == 0 {
		return text
	}
	if m := editions[vendor[0]]; m != nil {
		if parts := m.FindStringSubmatch(text); parts != nil {
			text = strings.Join(parts[1:], "")
		}
	}
	if to, ok := aliased[vendor[0]][text]; ok {
		return to
	}
	return text
}
