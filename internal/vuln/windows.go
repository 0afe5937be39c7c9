package vuln

import "strings"

// The kinds of Windows, which share builds: Windows 11 24H2 and Windows Server 2025 are both 10.0.26100, and what is wrong
// with one alone is no finding on the other.
const (
	windowsServer = "windows server"
	windowsClient = "windows client"
)

// windowsOf gives the one kind of Windows that names are of; nothing where they are of both, or do not say.
func windowsOf(names ...string) []string {
	server, client := false, false
	for _, name := range names {
		_, rest, ok := strings.Cut(strings.ToLower(name), "windows")
		rest = strings.TrimSpace(rest)
		switch {
		case !ok:
		case strings.HasPrefix(rest, "server"):
			server = true
		case startsWithDigit(rest) || strings.HasPrefix(rest, "vista") || strings.HasPrefix(rest, "xp") || strings.HasPrefix(rest, "rt"):
			client = true
		default:
			return nil
		}
	}
	switch {
	case server && !client:
		return []string{windowsServer}
	case client && !server:
		return []string{windowsClient}
	default:
		return nil
	}
}
