package gears

import (
	"net/http"
	"strconv"
	"strings"

	"muster/internal/device"
	"muster/internal/posture"
)

// commandAnswer is something that an agent is to do.
type commandAnswer struct {
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	Params  *commandParams `json:"params,omitempty"`
	Expires string         `json:"expires_at"`
}

// commandParams has numbers for flags, like all that agents read.
type commandParams struct {
	FullScan  int    `json:"full_scan"`
	ScanTypes []int  `json:"scan_types,omitempty"`
	Path      string `json:"path,omitempty"`
}

func commandAnswers(commands []device.Command) []commandAnswer {
	if len(commands) == 0 {
		return nil
	}
	out := make([]commandAnswer, len(commands))
	for i := range commands {
		c := &commands[i]
		out[i] = commandAnswer{ID: c.ID, Type: string(c.Kind), Expires: timestamp(c.ExpiresAt)}
		if c.Kind == device.ScanThreats {
			out[i].Params = &commandParams{number(c.Params.FullScan), c.Params.ScanTypes, c.Params.Path}
		}
	}
	return out
}

// resultBody is what an agent says about a command.
type resultBody struct {
	Method    text    `json:"method"` // the type of the command, or a code of imHere
	CommandID text    `json:"command_id"`
	Result    success `json:"result"`
	Message   remark  `json:"message"`
	Output    output  `json:"output"`
}

// readResult reads the body of a result, which may hold a log.
func readResult(w http.ResponseWriter, r *http.Request, into any) error {
	raw, err := readBody(w, r, maxResultBody)
	if err != nil {
		return err
	}
	if err := checkJSON(raw); err != nil {
		return err
	}
	return unmarshal(raw, into)
}

// commandResult is result for agents whose calls name the device in the path.
func (d *door) commandResult(w http.ResponseWriter, r *http.Request, ref device.Ref) error {
	var in resultBody
	if err := readResult(w, r, &in); err != nil {
		return err
	}
	if err := d.takeResult(r, ref, &in); err != nil {
		return err
	}
	done(w)
	return nil
}

func (d *door) takeResult(r *http.Request, ref device.Ref, in *resultBody) error {
	kind := device.CommandKind(in.Method)
	if string(in.Method) == strconv.Itoa(codeIdentify) {
		kind = device.Reidentify
	}
	return hideWhy(d.Devices.CommandResult(r.Context(), ref, string(in.CommandID), kind, bool(in.Result), string(in.Message), []byte(in.Output)))
}

// success is whether something worked out: it did where the agent says so in one of the usual ways.
type success bool

// UnmarshalJSON takes what is no plain yes for a no.
func (s *success) UnmarshalJSON(raw []byte) error {
	var f flag
	*s = f.UnmarshalJSON(raw) == nil && posture.Fact(f) == posture.Yes
	return nil
}

// remark is a text without a limit of its own: the device service keeps the start of it.
type remark string

// UnmarshalJSON reads a string. NUL characters go, as from every text.
func (m *remark) UnmarshalJSON(raw []byte) error {
	var o output
	err := o.UnmarshalJSON(raw)
	*m = remark(strings.ReplaceAll(string(o), "\x00", ""))
	return err
}

// output is a text that is kept as it is.
type output string

// UnmarshalJSON reads a string.
func (o *output) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case 'n':
		*o = ""
	case '"':
		*o = output(unquote(raw))
	default:
		return errText
	}
	return nil
}
