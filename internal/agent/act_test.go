package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/agent/protocol"
)

func commandAnswer(id, kind string) string {
	return `{"commands":[{"id":"` + id + `","type":"` + kind + `","expires_at":"2030-01-01T00:00:00Z"}]}`
}

func TestCommands(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		if err := os.WriteFile(identityFile(l.runner.settings.StateDir), []byte("kari"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = l.runner.logs.Write([]byte("a line of the log\n"))
		l.start()
		l.server.answer("ping", 200, commandAnswer("c1", protocol.CommandSendLog))
		l.pass(10 * time.Minute)
		// It came with every ping and was answered once.
		l.counts(map[string]int{"result": 1})
		var got protocol.Result
		if err := json.Unmarshal([]byte(l.server.body(t, "result", 0)), &got); err != nil {
			t.Fatal(err)
		}
		if got.CommandID != "c1" || got.Result != "1" || got.Output != "a line of the log\n" {
			t.Errorf("the result is %+v", got)
		}
		l.server.answer("ping", 200, commandAnswer("c2", protocol.CommandReidentify))
		l.pass(2 * time.Minute)
		if who := userIdentity(l.runner.settings.StateDir); who != "" {
			t.Errorf("the user is still %q", who)
		}
		l.server.answer("ping", 200, commandAnswer("c3", "dance"))
		l.pass(2 * time.Minute)
		if body := l.server.body(t, "result", -1); !strings.Contains(body, `"result":"0"`) || !strings.Contains(body, "dance") {
			t.Errorf("an unknown command was answered with %s", body)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestLogIsPrivate: the log that is sent, and what came of a command, tell nothing that reports would not.
func TestLogIsPrivate(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.server.answer("config", 200, `{"privacy":{"username":1,"hostname":1}}`)
		_, _ = l.runner.logs.Write([]byte("msg=x error=\"open /home/anna/x: denied\" host=lab-1\n"))
		l.start()
		l.server.answer("ping", 200, commandAnswer("c1", protocol.CommandSendLog))
		l.pass(2 * time.Minute)
		if body := l.server.body(t, "result", 0); strings.Contains(body, "anna") || strings.Contains(body, "lab-1") || !strings.Contains(body, ": denied") {
			t.Errorf("it sends %s", body)
		}
		if log := l.runner.logs.String(); !strings.Contains(log, "anna") {
			t.Errorf("the log of the machine itself is changed: %s", log)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestTooManyCommands: a server that asks for a thousand things is not obeyed a thousand times in a row, and what is too long
// to be the name of anything is not even kept.
func TestTooManyCommands(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		var list []string
		for i := range 1000 {
			list = append(list, fmt.Sprintf(`{"id":"c%d","type":"dance","expires_at":"2030-01-01T00:00:00Z"}`, i))
		}
		long := strings.Repeat("x", 100_000)
		list = append([]string{`{"id":"` + long + `","type":"dance"}`, `{"id":"long","type":"` + long + `"}`}, list...)
		l.server.answer("ping", 200, `{"commands":[`+strings.Join(list, ",")+`]}`)
		l.server.answer("result", 503, "")
		l.start()
		l.pass(2 * time.Minute)
		untold := l.runner.state.Untold()
		if len(untold) != maxCommands || untold[0].CommandID != "c0" {
			t.Errorf("%d commands were carried out after one contact, of which the first is %.20q", len(untold), untold[0].CommandID)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestOneScanAtATime: scans that are asked for at once are done one after the other.
func TestOneScanAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		slow := &slowPrograms{}
		l.runner.host.Slow = slow
		l.server.answer("ping", 200, `{"commands":[{"id":"s1","type":"scan_threats"},{"id":"s2","type":"scan_threats"},{"id":"s3","type":"scan_threats"}]}`)
		l.start()
		l.pass(2 * time.Hour)
		if slow.most.Load() != 1 {
			t.Errorf("%d scans at once", slow.most.Load())
		}
		if n := l.server.count("result"); n != 3 {
			t.Errorf("%d scans were answered for", n)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

// slowPrograms take their time, and count how many of them run at once.
type slowPrograms struct{ now, most atomic.Int32 }

func (s *slowPrograms) Run(ctx context.Context, _ string, _ ...string) ([]byte, error) {
	if n := s.now.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.now.Add(-1)
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Minute):
	}
	return nil, ctx.Err()
}

// TestResultSurvives: the agent ends after a command was carried out and before the server heard of it. It is told by the
// next agent, and not carried out again.
func TestResultSurvives(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.start()
		l.pass(time.Second)
		l.server.answer("result", 503, "")
		l.server.answer("ping", 200, commandAnswer("c1", protocol.CommandSendLog))
		l.pass(3 * time.Minute)
		before := l.server.count("result")
		// The next agent is not asked again, so that it can know of the command by the state alone.
		l.server.set(func() { delete(l.server.answers, "result"); delete(l.server.answers, "ping") })
		l.restart()
		l.pass(5 * time.Minute)
		if n := l.server.count("result"); before < 1 || n != before+1 {
			t.Errorf("%d tries to tell the result, and %d after the restart, want one more", before, n)
		}
		l.server.answer("ping", 200, commandAnswer("c1", protocol.CommandSendLog))
		l.pass(time.Hour)
		if n := l.server.count("result"); n != before+1 {
			t.Errorf("%d results of a command that was told already", n-before-1)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}
