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
		if got := l.runner.status.Error; !strings.HasSuffix(got, "503 Service Unavailable: ]0;title Sorry come 31m again") {
			t.Errorf("%q", got)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}
