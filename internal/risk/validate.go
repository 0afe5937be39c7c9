package risk

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"muster/internal/errs"
)

// The bounds of entries.
const (
	// MaxActive is how many entries of an account may hold at once: all are kept in memory.
	MaxActive = 20_000
	// MaxYears is how long an accepted risk that ends may last. One that is to last longer has no end, and says so.
	MaxYears = 10

	maxReason   = 1024 // characters
	maxAuthor   = 256  // characters
	maxID       = 128  // bytes
	maxName     = 512  // bytes
	maxVersions = 64
)

var (
	cveID = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)
	// entryID is what feeds call their entries: a name, and what tells entries apart.
	entryID = regexp.MustCompile(`^[A-Za-z0-9]+([-_.:+][A-Za-z0-9]+)+$`)
)

// VulnerabilityID gives an id in the one spelling in which it is kept. Invalid: it is none.
func VulnerabilityID(text string) (string, error) {
	id := strings.TrimSpace(text)
	if len(id) >= 4 && strings.EqualFold(id[:4], "CVE-") {
		id = strings.ToUpper(id)
		if cveID.MatchString(id) {
			return id, nil
		}
	} else if len(id) <= maxID && entryID.MatchString(id) {
		return id, nil
	}
	return "", errs.InvalidField("vulnerability", "vulnerability must be a CVE id such as CVE-2026-12345, or the id of a feed's entry, and not %q", shortened(text))
}

func shortened(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= 40 {
		return s
	}
	return string([]rune(s)[:40]) + "…"
}

// plain reports whether a text of at most so many characters can be shown as it is: nothing in it moves the cursor, or turns
// the direction of what stands around it.
func plain(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	})
}

func checkReason(field, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errs.InvalidField(field, "%s must say why", field)
	}
	if !plain(reason, maxReason) {
		return errs.InvalidField(field, "%s must have at most %d characters, none of them one that controls how text is shown", field, maxReason)
	}
	return nil
}

func errProduct(format string, args ...any) error {
	return errs.InvalidField("product", format, args...)
}

func checkProduct(p *Product) error {
	fits := func(s string) bool { return len(s) <= maxName && plain(s, maxName) }
	const text = "must have at most %d bytes, none of them one that controls how text is shown"
	switch {
	case !fits(p.Name):
		return errProduct("product "+text, maxName)
	case !fits(p.Ecosystem):
		return errs.InvalidField("ecosystem", "ecosystem "+text, maxName)
	case !all(p.Versions, fits) || slices.Contains(p.Versions, "") || len(p.Versions) > maxVersions:
		return errs.InvalidField("versions", "versions must be at most %d, each of 1 to %d bytes, none of them one that controls how text is shown", maxVersions, maxName)
	case p.Name == "" && !p.Any():
		return errProduct("product is needed where ecosystem or versions are given")
	case strings.Contains(p.Name, "://") || strings.HasPrefix(p.Name, "cpe:"):
		return errProduct("product must be a name or a package URL")
	case p.Name != "" && strings.Trim(p.Name, "* ") == "":
		return errProduct("product must say more than *; leave it out where any is meant")
	}
	return nil
}

func all[T any](list []T, ok func(T) bool) bool {
	return !slices.ContainsFunc(list, func(x T) bool { return !ok(x) })
}

// checkUntil refuses an end that makes no sense.
func checkUntil(until, now time.Time) error {
	switch {
	case until.IsZero():
		return nil
	case !until.After(now):
		return errs.InvalidField("until", "until lies in the past")
	case until.After(now.AddDate(MaxYears, 0, 0)):
		return errs.InvalidField("until", "An accepted risk that ends may last at most %d years; without until it has no end", MaxYears)
	default:
		return nil
	}
}
