package report

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
)

func on(flag int) bool { return flag != 0 }

// hide takes out what the account does not want to be reported. The server takes it out once more.
func hide(b *body, p protocol.Privacy) {
	if on(p.HostName) {
		b.HostName, b.DeviceName = "", ""
	}
	if on(p.SerialNumber) {
		b.Serial = ""
	}
	if on(p.Username) {
		b.LocalUsers, b.UserIdentity = nil, ""
		for i := range b.SOH.Unread {
			b.SOH.Unread[i].Why = withoutUserFolders(b.SOH.Unread[i].Why)
		}
		if t := b.SOH.Threats; t != nil {
			for i := range t.Found {
				t.Found[i].File = userName.ReplaceAllString(t.Found[i].File, "${1}"+hidden)
			}
		}
	}
	hideAddresses(b.SOH.OSInfo[0].Adapters, p)
	if on(p.LocalIP) || on(p.MAC) {
		b.SOH.Neighbours = nil
	}
}

func hideAddresses(list []adapter, p protocol.Privacy) {
	for i := range list {
		a := &list[i]
		if on(p.LocalIP) {
			a.IPv4, a.IPv6, a.Masks, a.Gateway, a.DNS, a.DHCPServer = []string{}, []string{}, nil, "", nil, ""
		}
		if on(p.MAC) {
			a.MAC, a.PermanentMAC = "", ""
		}
	}
}

// hidden stands where something private was.
const hidden = "<private>"

// userFolder is a path in a folder that bears a user's name, to its end. Backslashes are doubled in a log. Names of Windows
// may have blanks in them, so that there the end is the next thing that no path has.
var userFolder = regexp.MustCompile(`(?i)((?:/home|/users|/media)/)[^\s"\':;,)]+|([\\/]+(?:users|documents and settings)\\+)[^\r\n"\':;,)]+`)

// userName is the folder itself in what is a path and nothing else: the rest of it says where a threat is.
var userName = regexp.MustCompile(`(?i)([\\/](?:users|home|media|documents and settings)[\\/]+)[^\\/]+`)

func withoutUserFolders(text string) string {
	return userFolder.ReplaceAllString(text, "${1}${2}"+hidden)
}

// Hidden takes what the account does not want to be told out of a text that is sent beside reports: the log, or what came of
// a command. It knows what was found on the machine, and the folders of users; a user who is not logged on is hidden
// by the folder alone.
func Hidden(text string, s *collect.Snapshot, a About) string {
	if on(a.Privacy.Username) {
		text = withoutUserFolders(text)
	}
	if words := privateWords(s, a); len(words) > 0 {
		text = withoutWords(text, words)
	}
	return text
}

// privateWords are the values that a report of this snapshot would leave out.
func privateWords(s *collect.Snapshot, a About) []string {
	var out []string
	if on(a.Privacy.Username) {
		out = append(out, a.UserID)
		for _, u := range s.Users.Value {
			out = append(out, u.Name)
		}
	}
	if on(a.Privacy.HostName) {
		out = append(out, s.Identity.HostName.Value, a.DeviceName)
	}
	if on(a.Privacy.SerialNumber) {
		out = append(out, s.Identity.Serial.Value)
	}
	for i := range s.Adapters.Value {
		out = append(out, privateAddresses(&s.Adapters.Value[i], a.Privacy)...)
	}
	return slices.DeleteFunc(out, func(w string) bool { return w == "" })
}

func privateAddresses(a *collect.Adapter, p protocol.Privacy) []string {
	var out []string
	if on(p.MAC) {
		out = append(out, a.MAC.String(), a.PermanentMAC.Value.String())
	}
	if on(p.LocalIP) {
		for _, address := range slices.Concat([]netip.Addr{a.Gateway.Value, a.DHCP.Value.Server}, a.DNS.Value) {
			out = append(out, addressOf(address))
		}
		for _, prefix := range a.Addresses {
			out = append(out, addressOf(prefix.Addr()))
		}
	}
	return out
}

// withoutWords hides words where they stand alone: a user who is called ann is in no annex.
func withoutWords(text string, words []string) string {
	slices.SortFunc(words, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) // the longest counts
	for i := range words {
		words[i] = regexp.QuoteMeta(words[i])
	}
	one := regexp.MustCompile("(?i)" + strings.Join(words, "|"))
	var out strings.Builder
	done := 0
	for _, at := range one.FindAllStringIndex(text, -1) {
		before, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		after, _ := utf8.DecodeRuneInString(text[at[1]:])
		if inWord(before) || inWord(after) {
			continue
		}
		out.WriteString(text[done:at[0]])
		out.WriteString(hidden)
		done = at[1]
	}
	out.WriteString(text[done:])
	return out.String()
}

func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
