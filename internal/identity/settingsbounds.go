package identity

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of settings.
const (
	maxRemovalHours   = 10 * 366 * 24
	maxRetentionDays  = 100 * 366
	minPingSeconds    = 10
	maxPingSeconds    = 24 * 60 * 60
	minReportSeconds  = 60
	maxReportSeconds  = 7 * 24 * 60 * 60
	maxPatternLength  = 512
	maxQuestionLength = 512
)

// Validate says everything that is wrong with settings. Invalid: something is.
func (s *Settings) Validate() error {
	var m mistakes
	m.checkRemoval("removal.unseen", s.Removal.Unseen)
	m.checkRemoval("removal.non_compliant", s.Removal.NonCompliant)
	m.checkRemoval("removal.without_agent", s.Removal.WithoutAgent)
	m.check(!s.Removal.WithoutAgent.Uninstall, "removal.without_agent.uninstall",
		"removal.without_agent.uninstall must be false: there is no agent that could be told")
	m.check(s.Licence.AtLimit == "" || s.Licence.AtLimit == HoldAtLimit || s.Licence.AtLimit == RefuseAtLimit,
		"licence.at_limit", "licence.at_limit must be %s or %s", HoldAtLimit, RefuseAtLimit)
	m.checkRange("licence.warn_percent", s.Licence.WarnPercent, 0, 100)
	m.checkRange("retention.event_days", s.Retention.EventDays, 0, maxRetentionDays)
	m.checkRange("retention.removed_days", s.Retention.RemovedDays, 0, maxRetentionDays)
	m.checkInterval("agents.ping_seconds", s.Agents.PingSeconds, minPingSeconds, maxPingSeconds)
	m.checkInterval("agents.report_seconds", s.Agents.ReportSeconds, minReportSeconds, maxReportSeconds)
	m.checkAskUser(s.Agents.AskUser)
	m.checkLevels(s.Vulnerabilities)
	return m.err()
}

func (m *mistakes) checkRange(field string, n, least, most int) {
	m.check(n >= least && n <= most, field, "%s must be from %d to %d", field, least, most)
}

func (m *mistakes) checkInterval(field string, n, least, most int) {
	m.check(n == 0 || n >= least && n <= most, field, "%s must be from %d to %d, or 0 for the default", field, least, most)
}

func (m *mistakes) checkRemoval(field string, r RemovalRule) {
	least := 0
	if r.Enabled {
		least = 1
	}
	m.checkRange(field+".after_hours", r.AfterHours, least, maxRemovalHours)
}

// checkLevels wants the levels in order. Where one is left to its default, the text says what that is.
func (m *mistakes) checkLevels(v Vulnerabilities) {
	const at = "vulnerabilities.levels."
	m.checkRange(at+"moderate", v.Levels.Moderate, 0, 100)
	m.checkRange(at+"important", v.Levels.Important, 0, 100)
	m.checkRange(at+"critical", v.Levels.Critical, 0, 100)
	t := v.Thresholds()
	m.check(t.Moderate < t.Important, at+"important", at+"important is %g and must be above "+at+"moderate, which is %g", t.Important, t.Moderate)
	m.check(t.Important < t.Critical, at+"critical", at+"critical is %g and must be above "+at+"important, which is %g", t.Critical, t.Important)
}

// checkAskUser holds the pattern to RE2. Which dialect an agent speaks is not known; what RE2 has, the usual ones have.
func (m *mistakes) checkAskUser(a AskUser) {
	_, err := regexp.Compile(a.Pattern)
	m.check(err == nil && len(a.Pattern) <= maxPatternLength && utf8.ValidString(a.Pattern) && !strings.ContainsFunc(a.Pattern, unicode.IsControl),
		"agents.ask_user.pattern", "agents.ask_user.pattern must be a regular expression in the syntax of RE2, of at most %d bytes", maxPatternLength)
	m.check(utf8.ValidString(a.Message) && utf8.RuneCountInString(a.Message) <= maxQuestionLength && !strings.ContainsFunc(a.Message, unicode.IsControl),
		"agents.ask_user.message", "agents.ask_user.message must have at most %d characters, none of them a control character", maxQuestionLength)
	m.check(!a.Enabled || a.Message != "", "agents.ask_user.message", "agents.ask_user.message must say what the user is asked")
}
