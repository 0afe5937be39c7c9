package policy

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"muster/internal/posture"
)

// maxName bounds what an agent's text adds to a sentence.
const maxName = 80

// named makes a product, vendor or volume name fit for a sentence: no control characters, not too long, never empty.
func named(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
	if r := []rune(s); len(r) > maxName {
		s = string(r[:maxName-1]) + "…"
	}
	if s == "" {
		return "(no name)"
	}
	return s
}

// counted writes a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// moment writes a time so that the sentence around it stays true as time goes by: no ages, no time zones of readers.
func moment(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// maxListed bounds how many names one sentence lists.
const maxListed = 5

// list writes names as "A, B and C", and says how many more there are beyond a few.
func list(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		return strings.Join(names[:maxListed], ", ") + " and " + strconv.Itoa(more) + " more"
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// advice is a remedy for each operating system; "" holds where no other does.
type advice map[posture.OSFamily]string

func (a advice) on(f posture.OSFamily) string {
	if s, ok := a[f]; ok {
		return s
	}
	return a[""]
}

// factFinding judges a plain fact: "what is not state".
func factFinding(f posture.Fact, what, state string) finding {
	switch f {
	case posture.Yes:
		return passed
	case posture.No:
		return finding{outcome: posture.Fail,
			evidence: "The agent reported that " + what + " is not " + state + "; the policy asks that it is."}
	default:
		return finding{outcome: posture.Unknown,
			evidence: "The agent did not say whether " + what + " is " + state + "; the policy asks that it is."}
	}
}
