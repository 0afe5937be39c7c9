package gears

import (
	"strings"

	"muster/internal/posture"
)

var families = map[string]posture.OSFamily{
	"windows": posture.Windows, "win": posture.Windows, "win32": posture.Windows, "win64": posture.Windows,
	"microsoft windows": posture.Windows,
	"mac":               posture.MacOS, "macos": posture.MacOS, "mac os": posture.MacOS, "mac os x": posture.MacOS,
	"macosx": posture.MacOS, "osx": posture.MacOS, "os x": posture.MacOS, "darwin": posture.MacOS,
	"linux": posture.Linux, "gnu/linux": posture.Linux,
	"ios": posture.IOS, "ipados": posture.IOS, "iphone os": posture.IOS, "iphoneos": posture.IOS,
	"android": posture.Android,
}

// family reads the name of an operating-system family in any common spelling. One that Muster does not know stays as
// it was written, in lower case: such a device is kept, and no rule for a known family applies to it.
func family(name string) posture.OSFamily {
	name = strings.ToLower(name)
	if f, ok := families[name]; ok {
		return f
	}
	if len(name) > 32 {
		return ""
	}
	return posture.OSFamily(name)
}
