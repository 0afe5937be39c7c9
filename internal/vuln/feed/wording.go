package feed

import (
	"regexp"
	"strings"

	"muster/internal/vuln/version"
)

// Publishers write into a member that is meant for a version what they would write into a letter: "prior to 8.0.3",
// ">= 1.0, < 2.0", "10.5.x.x: 10.5.1.0 and below". What is understood here is what occurs often in the records of CVE;
// the rest is said not to be.

// wording is what a text says of versions.
type wording struct {
	spans  []span
	single []string // versions by themselves
}

// The parts of the expressions below.
const (
	someVersion = `(?:(?:versions?|ver\.?|releases?|v\.?)\s*)?([vVrR]?\.?\d[^\s,;<>=|]*)`
	preface     = `^(?:(?:all|any|the|firmware|software|product|application|app|android|versions?|ver\.?|releases?|builds?|prior)\s+)*`
	versions    = `(?:\s+(?:firmware\s+)?(?:versions?|releases?|builds?))?`
)

var (
	allVersions = regexp.MustCompile(`(?i)^(?:\*|any|every|all)(?:\s+(?:known|prior|previous|released|supported|current|product|firmware|software|affected))*(?:\s+(?:versions?|releases?|builds?))?$`)
	noVersion   = regexp.MustCompile(`(?i)^(?:|n/?a|n\\a|-|none|unspecified|unknown|not applicable|various|tbd|\?|see (?:the )?(?:references?|advisory|notes).*|https?://.*)$`)

	beforeVersion  = regexp.MustCompile(`(?i)` + preface + `(?:before|prior\s+to|earlier\s+than|older\s+than|lower\s+than|below|less\s+than|preceding|up\s+to\s+\(?(?:but\s+not\s+including|excluding)\)?|<)\s*(?:and\s+excluding\s+)?` + someVersion + `\s*(?:\(?(?:excluding|exclusive)\)?)?$`)
	throughVersion = regexp.MustCompile(`(?i)` + preface + `(?:<=|=<|(?:up|prior)\s+to\s+\(?(?:and\s+)?(?:including|inclusive)\)?|up\s+to|through|until|till|no\s+later\s+than|less\s+than\s+or\s+equal\s+to)\s*` + someVersion + `\s*(?:\(?(?:including|inclusive)\)?)?$`)
	andEarlier     = regexp.MustCompile(`(?i)` + preface + someVersion + `,?\s*\(?(?:and|or|&|/)?\s*(?:all\s+)?(?:earlier|prior|before|below|older|lower|previous|under)` + versions + `\)?$`)
	andLater       = regexp.MustCompile(`(?i)` + preface + someVersion + `,?\s*\(?(?:and|or|&)\s*(?:all\s+)?(?:later|above|newer|higher|up|upwards?|onwards?|greater|after|subsequent)` + versions + `\)?$`)
	fromVersion    = regexp.MustCompile(`(?i)` + preface + `(?:from|since|starting\s+(?:from|with)|>=|=>)\s*` + someVersion + `$`)
	fromTo         = regexp.MustCompile(`(?i)` + preface + `(?:from\s+|between\s+)?` + someVersion + `,?\s+(to|through|thru|until|till|up\s+to|-|–|—|~|and\s+up\s+to)\s+(?:and\s+including\s+)?` + someVersion + `\s*(?:\(?(?:including|inclusive)\)?)?$`)
	fromBefore     = regexp.MustCompile(`(?i)` + preface + `(?:from\s+)?` + someVersion + `,?\s+(?:to\s+|and\s+)?(?:before|prior\s+to|earlier\s+than|below|up\s+to\s+\(?(?:but\s+not\s+including|excluding)\)?)\s+` + someVersion + `$`)
	betweenAnd     = regexp.MustCompile(`(?i)` + preface + `between\s+` + someVersion + `\s+and\s+` + someVersion + `$`)
	branchSign     = regexp.MustCompile(`^[A-Za-z][A-Za-z -]{0,30}:?\s*([<>]=?.*)$`)
	dashed         = regexp.MustCompile(`^[vV]?(\d+(?:\.\d+)+)\s*[-–]\s*[vV]?(\d+(?:\.\d+)+)$`)
	wildcard       = regexp.MustCompile(`(?i)` + preface + `[vr]?(\d+(?:\.\d+)*)(?:\.[x*])+(?:\s+(?:series|branch|versions?))?$`)
	seriesColon    = regexp.MustCompile(`(?i)^.*?\b(\d+(?:\.\d+)*)(?:\.x)*\s*:\s+(.*)$`)
	namedColon     = regexp.MustCompile(`^[^:\d][^:]*[A-Za-z][^:\d]*:\s*([<>=\d].*)$`)
	comparator     = regexp.MustCompile(`^[\s,&]*(?:and\s+)?(>=|=>|<=|=<|<|>|==?)\s*` + someVersion)

	// plainVersion may end in a word that says which of several builds it is.
	plainVersion = regexp.MustCompile(`(?i)^(?:v|r|id|ver\.?|version|releases?|rel\.?)?[ ._-]?\d[0-9A-Za-z._+~:()^-]*` +
		`(?: \(?(?:build|patch|sp|p|hotfix|update|u|beta|alpha|rc|su|sr|fp|cu|hf|msr|ep|rev|preview|service pack)[ .-]?[0-9A-Za-z._()-]*| (?:esr|lts|ga|x64|x86)| \(\d[0-9A-Za-z._ -]*\))*$`)
	commit = regexp.MustCompile(`^[0-9a-f]{10,64}$`)
	letter = regexp.MustCompile(`[a-f]`)
)

var signReplacer = strings.NewReplacer("≤", "<=", "≥", ">=", "&lt;", "<", "&gt;", ">", "\\", "", "\u00a0", " ", "\t", " ", "\n", " ")

// understand reads a text. It reports whether it makes sense.
func understand(s string) (wording, bool) {
	s = strings.TrimRight(strings.TrimSpace(signReplacer.Replace(s)), ".,;")
	if len(s) > 200 {
		return wording{}, false
	}
	if allVersions.MatchString(s) {
		return wording{spans: []span{everything}}, true
	}
	if !strings.ContainsAny(s, "0123456789") {
		return wording{}, false
	}
	for _, read := range []func(string) (wording, bool){aloneOr, phrase, comparison, list} {
		if w, ok := read(s); ok {
			return w, true
		}
	}
	if m := branchSign.FindStringSubmatch(s); m != nil { // "stable < 3.3.2"
		return comparison(m[1])
	}
	if m := seriesColon.FindStringSubmatch(s); m != nil {
		return series(m[1], m[2])
	}
	if m := namedColon.FindStringSubmatch(s); m != nil { // "Oracle Java SE:11.0.23"
		return understand(m[1])
	}
	return wording{}, false
}

// aloneOr reads one version, or all that begin alike.
func aloneOr(s string) (wording, bool) {
	if strings.Trim(s, "0123456789.") == "" && strings.Trim(s, ".") == s && s != "" {
		return wording{single: []string{s}}, true
	}
	if m := wildcard.FindStringSubmatch(s); m != nil {
		end, ok := next(m[1])
		return wording{spans: []span{{before(m[1]), before(end)}}}, ok
	}
	if m := dashed.FindStringSubmatch(s); len(m) > 2 && strings.Count(m[1], ".") == strings.Count(m[2], ".") {
		if n, err := version.Compare(version.Application, m[1], m[2]); err == nil && n < 0 {
			return wording{spans: []span{{before(m[1]), after(m[2])}}}, true
		}
	}
	if plainVersion.MatchString(s) {
		return wording{single: []string{s}}, true
	}
	return wording{}, false
}

// phrase reads what is said in words.
func phrase(s string) (wording, bool) {
	for _, p := range []struct {
		form *regexp.Regexp
		span func(m []string) span
	}{
		{beforeVersion, func(m []string) span { return span{to: before(m[1])} }},
		{throughVersion, func(m []string) span { return span{to: after(m[1])} }},
		{andEarlier, func(m []string) span { return span{to: after(m[1])} }},
		{andLater, func(m []string) span { return span{from: before(m[1])} }},
		{fromVersion, func(m []string) span { return span{from: before(m[1])} }},
		{fromTo, func(m []string) span { return span{before(m[1]), after(m[3])} }},
		{betweenAnd, func(m []string) span { return span{before(m[1]), after(m[2])} }},
		{fromBefore, func(m []string) span { return span{before(m[1]), before(m[2])} }},
	} {
		if m := p.form.FindStringSubmatch(s); m != nil {
			return whole(p.span(m))
		}
	}
	return wording{}, false
}

// whole wants the ends of a span to be versions. An end such as 2.x is the end of all that begin so.
func whole(s span) (wording, bool) {
	for _, p := range []*point{&s.from, &s.to} {
		if p.open() {
			continue
		}
		p.version = strings.TrimRight(p.version, ".,:;")
		if m := wildcard.FindStringSubmatch(p.version); m != nil {
			p.version = m[1]
			if end, ok := next(m[1]); ok && p.after {
				*p = before(end)
			}
		}
		if !plainVersion.MatchString(p.version) {
			return wording{}, false
		}
	}
	return wording{spans: []span{s}}, true
}

// comparison reads what is said in signs: ">= 1.0, < 2.0 || = 3.1".
func comparison(s string) (wording, bool) {
	var out wording
	for _, part := range strings.Split(s, "||") {
		var within span
		for rest := strings.TrimSpace(part); rest != ""; {
			m := comparator.FindStringSubmatch(rest)
			if len(m) < 3 || !plainVersion.MatchString(m[2]) {
				return wording{}, false
			}
			rest = strings.TrimSpace(rest[len(m[0]):])
			if strings.HasPrefix(m[1], ">") && !within.to.open() { // another span begins
				out.spans = append(out.spans, within)
				within = everything
			}
			switch m[1] {
			case ">=", "=>":
				within.from = before(m[2])
			case ">":
				within.from = after(m[2])
			case "<":
				within.to = before(m[2])
			case "<=", "=<":
				within.to = after(m[2])
			default:
				out.single = append(out.single, m[2])
			}
		}
		if within != everything {
			out.spans = append(out.spans, within)
		}
	}
	return out, true
}

// list reads several versions one after the other.
func list(s string) (wording, bool) {
	parts := strings.FieldsFunc(strings.ReplaceAll(s, " and ", ","), func(r rune) bool { return r == ',' || r == ';' })
	if len(parts) < 2 {
		return wording{}, false
	}
	var out wording
	for _, part := range parts {
		part = strings.TrimSpace(part)
		w, ok := aloneOr(strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(part, "Android "), "android ")))
		if !ok {
			w, ok = phrase(part)
		}
		if !ok {
			return wording{}, false
		}
		out.spans = append(out.spans, w.spans...)
		out.single = append(out.single, w.single...)
	}
	return out, true
}

// series reads what is said of one series of versions: "10.5.x.x: 10.5.1.0 and below".
func series(of, text string) (wording, bool) {
	w, ok := understand(text)
	for i := range w.spans {
		if w.spans[i].from.open() {
			w.spans[i].from = before(of)
		}
	}
	return w, ok
}

// isCommit reports whether a text is the id of a commit and not a version.
func isCommit(s string) bool { return commit.MatchString(s) && letter.MatchString(s) }
