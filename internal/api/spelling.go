package api

import "muster/internal/posture"

// The tables of words. The same idea is spelled differently by different calls of the reference, so each table belongs
// to the calls it names.

// spelling is one word of a call and what it means.
type spelling[T any] struct {
	word  string
	means T
	slip  bool // a slip of the reference that clients copied: understood, never written
}

// scoreTypes are the values of score_type.
var scoreTypes = []spelling[posture.ScoreType]{
	{word: "opswat_score", means: posture.ScoreOpswat},
	{word: "cvss2_score", means: posture.ScoreCVSS2},
	{word: "cvss2_ score", means: posture.ScoreCVSS2, slip: true},
	{word: "cvss3_score", means: posture.ScoreCVSS3},
}

// accountStatuses are those of account details, in the order of its answer.
var accountStatuses = []spelling[posture.Status]{
	{word: "compliant", means: posture.StatusCompliant},
	{word: "non-compliant", means: posture.StatusNonCompliant},
	{word: "exempted", means: posture.StatusExempted},
	{word: "unknown", means: posture.StatusUnknown},
}

// accountSeverities are those of account details, in the order of its answer. Lists of devices write no_issues.
var accountSeverities = []spelling[posture.IssueSeverity]{
	{word: "critical", means: posture.Critical},
	{word: "warning", means: posture.Warning},
	{word: "no_issue", means: posture.NoIssue},
}

// accountLevels are the ranks of vulnerability of account details under each score type, in the order of its answer.
var accountLevels = [posture.NumScoreTypes][]spelling[posture.Level]{
	posture.ScoreOpswat: {
		{word: "critical", means: posture.LevelCritical},
		{word: "important", means: posture.LevelHigh},
		{word: "moderate", means: posture.LevelMedium},
		{word: "low", means: posture.LevelLow},
		{word: "unknown", means: posture.LevelUnknown},
	},
	posture.ScoreCVSS2: {
		{word: "high", means: posture.LevelHigh},
		{word: "medium", means: posture.LevelMedium},
		{word: "low", means: posture.LevelLow},
		{word: "unknown", means: posture.LevelUnknown},
	},
	posture.ScoreCVSS3: {
		{word: "critical", means: posture.LevelCritical},
		{word: "high", means: posture.LevelHigh},
		{word: "medium", means: posture.LevelMedium},
		{word: "low", means: posture.LevelLow},
		{word: "unknown", means: posture.LevelUnknown},
	},
}
