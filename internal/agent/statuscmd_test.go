package agent

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestStatusIsText: whatever a server, or something in its place, has written into the status, a terminal shows it and does
// nothing else.
func TestStatusIsText(t *testing.T) {
	const escape = "\x1b[2J\x1b]8;;http://evil.example\x07\r\u009b31m\nserver         https://muster.example.net"
	var out bytes.Buffer
	p := &program{stdout: &out}
	p.showStatus(&Status{
		Server: escape, DeviceID: escape, Verdict: escape, Issues: 1, Remediation: escape, Question: escape, Error: escape,
		Reported: time.Now(), Contact: time.Now(),
	})
	for line := range strings.Lines(out.String()) {
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\x07\r\u009b") {
			t.Errorf("%q", line)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 8 {
		t.Errorf("%d lines: %q", n, out.String())
	}
}

// TestWhatAnswersIsText: the page of some proxy becomes one line, in the status and in the log.
func TestWhatAnswersIsText(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.server.answer("config", 503, "\x1b]0;title\x07 Sorry\r\n\n  come \u009b31m again")
		l.start()
		l.pass(time.Second)
		if got := l.status().Error; !strings.HasSuffix(got, "503 Service Unavailable: ]0;title Sorry come 31m again") {
			t.Errorf("%q", got)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestStatusSaysWhatItsExitStatusSays: what may have changed long ago, or was never judged, is not shown as how it is.
func TestStatusSaysWhatItsExitStatusSays(t *testing.T) {
	for _, c := range []struct {
		verdict string
		heard   time.Duration
		want    string
	}{
		{"compliant", time.Minute, "status         compliant, 0 issues"},
		{"compliant", 2 * time.Hour, "status         not known: it was compliant, 0 issues"},
		{"installed", time.Minute, "status         not judged yet\n"},
	} {
		var out bytes.Buffer
		p := &program{stdout: &out}
		p.showStatus(&Status{DeviceID: "d", Verdict: c.verdict, Contact: time.Now().Add(-c.heard)})
		if !strings.HasPrefix(out.String(), c.want) {
			t.Errorf("%s, heard of %v ago:\n%s", c.verdict, c.heard, out.String())
		}
	}
}

// TestHelpBeginsWithTheCommand: its own flags come before the settings that all commands have, and a flag that is none is told
// where to look.
func TestHelpBeginsWithTheCommand(t *testing.T) {
	for command, own := range map[string]string{"once": "json", "status": "json", "install": "no-service", "uninstall": "keep-device"} {
		out, err := administer(&manager{}, command, "--help")
		at, settings := strings.Index(out, "  --"+own), strings.Index(out, "\n\nSettings")
		if err != nil || at < 0 || settings < at || strings.Index(out, "  --ca FILE") < settings || strings.Count(out, "  --"+own+"\n") != 1 {
			t.Errorf("%v:\n%s", err, out)
		}
		if _, err := administer(&manager{}, command, "--keep-devic"); err == nil || !strings.HasSuffix(err.Error(), "; muster-agent "+command+" --help lists the flags") {
			t.Errorf("%s: %v", command, err)
		}
	}
	if out, _ := administer(&manager{}, "retire", "--help"); strings.Contains(out, "Flags of this command") {
		t.Errorf("it has none of its own:\n%s", out)
	}
}
