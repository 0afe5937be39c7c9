package category

import (
	"slices"
	"testing"

	"muster/internal/posture"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		system posture.OSFamily
		names  []string
		want   posture.Category
	}{
		{posture.Linux, []string{"teamviewer"}, posture.RemoteControl},
		{posture.Linux, []string{"libteamviewer"}, ""},
		{posture.Linux, []string{"vlc"}, posture.MediaPlayer},
		{posture.Linux, []string{"vlc-plugin-base"}, ""},
		{posture.Linux, []string{"libvlc5"}, ""},
		{posture.Linux, []string{"com.anydesk.Anydesk"}, posture.RemoteControl},
		{posture.Linux, []string{"virtualbox-7.0"}, posture.VirtualMachine},
		{posture.Linux, []string{"gcc-12"}, posture.DeveloperTool},
		{posture.Linux, []string{"gcc-12-base"}, ""},
		{posture.Linux, []string{"openssh-server"}, ""},
		{posture.Linux, []string{"firefox-esr"}, posture.Browser},
		{posture.Linux, []string{"firefox-esr-l10n-de"}, ""},
		{posture.Linux, []string{"-7"}, ""},
		{posture.Linux, []string{""}, ""},
		{posture.Linux, []string{"clamav-daemon"}, ""}, // has a collector of its own
		{posture.Windows, []string{"TeamViewer"}, posture.RemoteControl},
		{posture.Windows, []string{"TeamViewer 15 Host"}, posture.RemoteControl},
		{posture.Windows, []string{"VLC media player 3.0.20"}, posture.MediaPlayer},
		{posture.Windows, []string{"Mozilla Firefox ESR (x64 en-US)"}, posture.Browser},
		{posture.Windows, []string{"Mozilla Maintenance Service"}, ""},
		{posture.Windows, []string{"Microsoft Edge"}, posture.Browser},
		{posture.Windows, []string{"Microsoft Edge Update"}, ""},
		{posture.Windows, []string{"Microsoft Edge WebView2 Runtime"}, ""},
		{posture.Windows, []string{"ScreenConnect Client (0123456789abcdef)"}, posture.RemoteControl},
		{posture.Windows, []string{"Zoom Workplace (64-bit)"}, posture.RecordingWebMeeting},
		{posture.Windows, []string{"Zoom Outlook Plugin"}, ""},
		{posture.Windows, []string{"Oracle VM VirtualBox 7.0.14"}, posture.VirtualMachine},
		{posture.Windows, []string{"Advanced SystemCare 17"}, posture.CleanerOptimizer},
		{posture.Windows, []string{"Notepad++ (64-bit x64)"}, posture.DeveloperTool},
		{posture.Windows, []string{"µTorrent"}, posture.PublicFileSharing},
		{posture.Windows, []string{"Camtasia® 2024"}, posture.RecordingWebMeeting},
		{posture.Windows, []string{"7-Zip 24.08 (x64)"}, ""},
		{posture.Windows, []string{"((("}, ""},
		{posture.MacOS, []string{"TeamViewer.app"}, posture.RemoteControl},
		{posture.MacOS, []string{"Google Chrome"}, posture.Browser},
		{posture.MacOS, []string{"Renamed", "us.zoom.xos"}, posture.RecordingWebMeeting},
		{posture.MacOS, []string{"Arq 7.app"}, posture.Backup},
		{posture.MacOS, []string{"Numbers.app"}, ""},
		{posture.MacOS, []string{"Falcon.app"}, ""},
		{posture.MacOS, nil, ""},
		{posture.IOS, []string{"TeamViewer"}, ""},
	} {
		if got := Of(c.system, c.names...); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.system, c.names, got, c.want)
		}
	}
}

// TestTables sees that each name can be found: written as tidy writes it, and under one category only.
func TestTables(t *testing.T) {
	for system, table := range map[posture.OSFamily]names{posture.Linux: onLinux, posture.Windows: onWindows, posture.MacOS: onMacOS} {
		seen := map[string]posture.Category{}
		for c, list := range table {
			if len(list) == 0 {
				t.Errorf("%s: %s says that it was looked for, and has no name", system, c)
			}
			for _, name := range list {
				if before, twice := seen[name]; twice {
					t.Errorf("%s: %q is both %s and %s", system, name, before, c)
				}
				seen[name] = c
				plain := name
				if plain[len(plain)-1] == '*' {
					plain = plain[:len(plain)-1] + "x"
				}
				if got := Of(system, plain); got != c {
					t.Errorf("%s: %q is found as %q, want %q", system, name, got, c)
				}
			}
		}
	}
}

func TestLookedFor(t *testing.T) {
	for _, system := range []posture.OSFamily{posture.Linux, posture.Windows, posture.MacOS} {
		got := LookedFor(system)
		if !slices.IsSorted(got) || !slices.Contains(got, posture.RemoteControl) || slices.Contains(got, posture.Antimalware) {
			t.Errorf("%s: %q", system, got)
		}
	}
	if got := LookedFor(posture.Android); got != nil {
		t.Errorf("android: %q", got)
	}
}

func FuzzOf(f *testing.F) {
	f.Add("Mozilla Firefox (x64 en-US)")
	f.Add("gcc-12")
	f.Add("](")
	f.Fuzz(func(t *testing.T, name string) {
		for system := range tables {
			if c := Of(system, name); c == posture.Antimalware {
				t.Errorf("%s %q is anti-malware", system, name)
			}
		}
	})
}
