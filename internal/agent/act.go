package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"muster/internal/agent/act"
	"muster/internal/agent/protocol"
	"muster/internal/agent/report"
)

// Bounds of what one contact may ask for: a server has at most maxCommands open for an agent. They are the agent's own,
// since each command costs a lasting write, and a server may have been taken over.
const (
	maxCommands = 32
	maxName     = 128 // bytes of an id or a type
)

// carryOut begins what the server asks for. A command comes with every contact until it was answered, so those that are
// known already are passed over, and those that are too many come again.
func (r *runner) carryOut(ctx context.Context, commands []protocol.Command) {
	begun := 0
	for _, c := range commands {
		if c.ID == "" || r.working[c.ID] || r.state.Knows(c.ID) || len(c.ID) > maxName || len(c.Type) > maxName {
			continue
		}
		if c.Type == protocol.CommandScan && len(r.working) > 0 {
			continue // one after the other
		}
		if begun++; begun > maxCommands {
			r.log.Warn("the server asks for too much at once: the rest is left")
			return
		}
		r.log.Info("the server asks", "command", c.Type, "id", c.ID)
		if c.Type == protocol.CommandScan {
			// A scan takes hours; the agent goes on meanwhile.
			r.working[c.ID] = true
			go func() {
				d := done{r.resultOf(ctx, c), c.Expires}
				select {
				case r.results <- d:
				case <-ctx.Done():
				}
			}()
			continue
		}
		r.finished(done{r.resultOf(ctx, c), c.Expires})
	}
}

// resultOf carries out a command and says what became of it.
func (r *runner) resultOf(ctx context.Context, c protocol.Command) protocol.Result {
	out := protocol.Result{Method: c.Type, CommandID: c.ID, Result: "1"}
	var err error
	switch c.Type {
	case protocol.CommandRenewLeases:
		out.Message, err = act.RenewLeases(ctx, r.host)
	case protocol.CommandScan:
		out.Message, err = act.Scan(ctx, r.host, c.Params)
	case protocol.CommandSendLog:
		out.Output = r.logs.String()
	case protocol.CommandReidentify:
		err = os.Remove(identityFile(r.settings.StateDir))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	default:
		err = fmt.Errorf("this agent knows no command %q", c.Type)
	}
	if err != nil {
		out.Result, out.Message = "0", err.Error()
	}
	return out
}

// finished remembers the result of a command before it is told, so that a crash in between loses nothing and nothing is
// done twice.
func (r *runner) finished(d done) {
	delete(r.working, d.result.CommandID)
	d.result.Output, d.result.Message = r.hidden(d.result.Output), r.hidden(d.result.Message)
	r.log.Info("a command is done", "command", d.result.Method, "id", d.result.CommandID, "result", d.result.Result, "message", d.result.Message)
	if d.expires.IsZero() {
		d.expires = r.host.Now().Add(7 * 24 * time.Hour)
	}
	r.state.NoteDone(d.result, d.expires)
	r.keep()
	if d.result.Method == protocol.CommandScan || d.result.Method == protocol.CommandReidentify {
		r.full = r.host.Now() // what the scan found, or who is no longer there
	}
}

// hidden takes what is private out of what is told of a command.
func (r *runner) hidden(text string) string {
	if text == "" || r.snapshot == nil {
		return text
	}
	return report.Hidden(text, r.snapshot, r.about())
}

// tellResults answers for commands that are done.
func (r *runner) tellResults(ctx context.Context) error {
	for _, result := range r.state.Untold() {
		err := r.server().Answer(ctx, result)
		if err != nil && !protocol.Refused(err) {
			return err
		}
		if err != nil {
			r.log.Error("the server refused the result of a command", "id", result.CommandID, "error", err)
		}
		r.state.NoteTold(result.CommandID, r.host.Now())
		r.keep()
	}
	return nil
}
