package windows

import (
	"bytes"
	"context"
	_ "embed" // the scripts
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/internal/agent/collect"
)

// The scripts are constants: nothing that was read anywhere becomes part of one.
var (
	//go:embed protection.ps1
	protectionText string
	//go:embed updates.ps1
	updatesText string
	//go:embed neighbours.ps1
	neighboursText string

	protectionScript = withoutComments(protectionText)
	updatesScript    = withoutComments(updatesText)
	neighboursScript = withoutComments(neighboursText)
)

// withoutComments leaves out the lines that are for us: a command line has its bounds.
func withoutComments(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' {
			b.WriteString(line)
		}
	}
	return b.String()
}

// powershell runs a script in the PowerShell of Windows and reads what it found. The text stands on the command line as
// it is, for administrators and their tools to read.
func (m *machine) powershell(ctx context.Context, script string) (answers, error) {
	out, err := m.h.Run(ctx, "powershell", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command", script)
	if err != nil {
		return nil, err
	}
	return parseAnswers(out)
}

// answers are what a script found, by subject.
type answers map[string]answer

// answer is a list, or why there is none.
type answer struct {
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
	Code  string          `json:"code"` // of CIM, such as InvalidNamespace
	ID    string          `json:"id"`   // of PowerShell, such as CommandNotFoundException
}

// parseAnswers reads the output of a script. What modules print before it is passed over.
func parseAnswers(out []byte) (answers, error) {
	start := bytes.IndexByte(out, '{')
	if start < 0 {
		return nil, errors.New("PowerShell gave no answer")
	}
	var all answers
	if err := json.Unmarshal(out[start:], &all); err != nil {
		return nil, errors.New("PowerShell gave an answer that cannot be read")
	}
	return all, nil
}

// missingError says that Windows does not have what was asked.
type missingError struct{ what string }

func (e *missingError) Error() string { return e.what }

// valuesOf gives the list of a subject; a *missingError where this Windows has no such thing.
func valuesOf[T any](all answers, err error, subject string) ([]T, error) {
	if err != nil {
		return nil, err
	}
	a, ok := all[subject]
	switch {
	case !ok:
		return nil, fmt.Errorf("PowerShell said nothing of %s", subject)
	case a.Code == "InvalidNamespace", a.Code == "InvalidClass", strings.HasPrefix(a.ID, "CommandNotFoundException"):
		return nil, &missingError{"this Windows has no " + subject}
	case a.Code == "AccessDenied":
		return nil, errors.New("needs administrator rights: " + collect.Plain(a.Error))
	case a.Error != "" || a.Code != "" || a.ID != "":
		return nil, errors.New(collect.Plain(a.Error + " " + a.ID))
	}
	var out list[T]
	if err := json.Unmarshal(a.Value, &out); err != nil {
		return nil, fmt.Errorf("PowerShell's answer on %s cannot be read", subject)
	}
	return out, nil
}

// list reads what ConvertTo-Json makes of a list: a list, as a rule; an object with a count and the list where the list
// went through a pipeline; and at times the only element without a list.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	*l = nil
	switch {
	case len(b) == 0 || bytes.Equal(b, []byte("null")):
		return nil
	case b[0] == '[':
		var all []*T
		if err := json.Unmarshal(b, &all); err != nil {
			return err
		}
		for _, v := range all {
			if v != nil {
				*l = append(*l, *v)
			}
		}
		return nil
	}
	var counted struct {
		Count *int            `json:"Count"`
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(b, &counted) == nil && counted.Count != nil && len(counted.Value) > 0 && counted.Value[0] == '[' {
		return l.UnmarshalJSON(counted.Value)
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = append(*l, one)
	return nil
}

// stamp reads a time of a script, zero for none. Windows begins to count in 1601, and .NET in the year 1: both mean never.
func stamp(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1970 {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// yesOrNo is a flag of a script, which may say nothing.
func yesOrNo(b *bool, what string) collect.Fact[bool] {
	if b == nil {
		return collect.CouldNotReadf[bool]("Windows does not tell whether %s", what)
	}
	return collect.Known(*b)
}
