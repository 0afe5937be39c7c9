package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/internal/posture"
)

// factWords name facts in a sentence.
var factWords = map[string]string{
	"anti-malware": "the anti-malware protection", "firewall": "the firewall", "encryption": "the encryption of the disks",
	"updates": "the list of waiting updates", "missing_patches": "the list of missing patches", "user_password_set": "the password setting",
	"screen_lock": "the screen lock", "disks": "the free space of the disks", "os_version": "the version of the system",
	"last_reboot": "the last start of the system", "domain": "the directory domain", "threats": "the result of scans for malware",
	softwareFact: "the list of installed software", "processes": "the list of running programs",
}

// softwareFact is what is installed. Agents read it from several places, of which each is a part: software.dpkg.
const softwareFact = "software"

// because says why a check could not tell, where the agent did. What does not apply to the machine is known, and may
// decide the check.
func (s *subject) because(d *definition, f finding) finding {
	u := s.unread(d, f.product)
	switch {
	case u == nil:
		return f
	case u.State == posture.NotApplicable && d.moot == posture.Pass:
		return finding{outcome: posture.Pass, product: f.product, evidence: why(d.fact, u)}
	case u.State == posture.NotApplicable && d.moot != "":
		f.outcome = d.moot
	}
	f.evidence = why(d.fact, u) + " " + f.evidence
	return f
}

// why is the sentence about a fact, or a part of it, that has no value.
func why(fact string, u *posture.Unread) string {
	what := factWords[fact]
	if part, ok := strings.CutPrefix(u.Fact, fact+"."); ok {
		what += " (" + named(part) + ")"
	}
	if u.State == posture.NotApplicable {
		return strings.ToUpper(what[:1]) + what[1:] + " does not apply to this machine" + reason(u.Why) + "."
	}
	return "The agent could not read " + what + reason(u.Why) + "."
}

// unread finds what the agent said of the fact that a check looks at: of the part of a product, where it is about one; of
// the whole; or of any part that could not be read, where it is about the machine. It gives nil for nothing.
func (s *subject) unread(d *definition, product string) *posture.Unread {
	if d.fact == "" {
		return nil
	}
	if d.part != "" && product != "" {
		if u := s.unreadFact(factName(d.fact + "." + product + "." + d.part)); u != nil {
			return u
		}
	}
	if u := s.unreadFact(d.fact); u != nil || d.device == nil {
		return u
	}
	return s.unreadPart(d.fact)
}

func (s *subject) unreadFact(name string) *posture.Unread {
	for i := range s.report.Unread {
		if s.report.Unread[i].Fact == name {
			return &s.report.Unread[i]
		}
	}
	return nil
}

// unreadPart finds the first part of a fact that could not be read. One that does not apply hides nothing: a machine without
// a package manager has no packages of it.
func (s *subject) unreadPart(of string) *posture.Unread {
	for i := range s.report.Unread {
		if u := &s.report.Unread[i]; u.State == posture.Unreadable && strings.HasPrefix(u.Fact, of+".") {
			return u
		}
	}
	return nil
}

// hidden finds a list of installed software that could not be read: what is in no other list may be in that one. It gives nil
// for none.
func (s *subject) hidden() *posture.Unread {
	if u := s.unreadFact(softwareFact); u != nil && u.State == posture.Unreadable {
		return u
	}
	return s.unreadPart(softwareFact)
}

// unlisted says why it is not known what is installed, where the agent said that.
func (s *subject) unlisted(f finding) finding {
	if u := s.hidden(); u != nil {
		f.evidence = why(softwareFact, u) + " " + f.evidence
	}
	return f
}

// maxFactName is how many characters of its name a fact may have.
const maxFactName = 64

// factName gives the name of a fact as agents report it.
func factName(s string) string {
	if utf8.RuneCountInString(s) <= maxFactName {
		return s
	}
	return string([]rune(s)[:maxFactName])
}

// reason continues a sentence with the reason that an agent gave, on one line.
func reason(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if r := []rune(text); len(r) > maxOutput {
		text = string(r[:maxOutput-1]) + "…"
	}
	if text = strings.TrimRight(text, ". "); text == "" {
		return ""
	}
	return ": " + text
}
