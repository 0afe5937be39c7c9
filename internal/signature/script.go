package signature

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"slices"
	"strconv"
	"time"

	"muster/internal/errs"
)

// How long a script may take.
const (
	DefaultTimeout = 30 * time.Second // where nothing is said
	MaxTimeout     = 10 * time.Minute
)

// Script is a script of a custom check as it is signed: all that decides what is run, by what, where, for how long, and
// as the answer to which question.
type Script struct {
	Check       string // the id under which its result is reported
	Interpreter string
	Seconds     int      // its time limit
	Systems     []string // those that it is for, in any order; empty for all
	Text        string
}

// Seconds is a time limit as it is signed and sent: whole seconds, and what holds where nothing is said.
func Seconds(timeout time.Duration) int {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return int((timeout + time.Second - 1) / time.Second)
}

// A context keeps a signature of a script from being one of anything else, and tells the form of what is signed.
const (
	context1 = "muster script of a custom check, form 1\x00"
	context2 = "muster script of a custom check, form 2\x00" // with an end
)

// signed is what a signature is made of; end is "" for one that has none. Each part has its length before it, so that no two
// scripts give the same bytes.
func (s *Script) signed(end string) []byte {
	b, parts := []byte(context1), []string{s.Check, s.Interpreter, strconv.Itoa(s.Seconds), s.Text}
	if end != "" {
		b, parts = []byte(context2), append([]string{end}, parts...)
	}
	for _, part := range append(parts, slices.Compact(slices.Sorted(slices.Values(s.Systems)))...) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// A signature is its form, the id of the key, in form 2 its end, and the signature itself, with colons between them.
var form = regexp.MustCompile(`^(?:v1:([0-9a-f]{16})|v2:([0-9a-f]{16}):([0-9]{8}T[0-9]{6}Z)):([A-Za-z0-9+/]{86}==)$`)

// endLayout is how an end is written in a signature.
const endLayout = "20060102T150405Z"

// Form is a regular expression that signatures match.
func Form() string { return form.String() }

// Sign signs the script for good.
func (s *Script) Sign(key ed25519.PrivateKey) string { return s.sign(key, "v1:", "") }

// SignUntil signs the script until a time, in whole seconds, from when on agents do not run it any more.
func (s *Script) SignUntil(key ed25519.PrivateKey, end time.Time) string {
	return s.sign(key, "v2:", end.UTC().Format(endLayout))
}

func (s *Script) sign(key ed25519.PrivateKey, begin, end string) string {
	out := begin + KeyID(PublicOf(key)) + ":"
	if end != "" {
		out += end + ":"
	}
	return out + base64.StdEncoding.EncodeToString(ed25519.Sign(key, s.signed(end)))
}

// parsed is a signature in its parts.
type parsed struct {
	keyID, end, raw string
}

func parse(signature string) (parsed, error) {
	m := form.FindStringSubmatch(signature)
	if m == nil {
		return parsed{}, errs.InvalidField("signature", "this is no signature: muster script sign writes one")
	}
	return parsed{m[1] + m[2], m[3], m[4]}, nil
}

// SignedBy gives the id of the key that a signature names. Invalid: it is no signature.
func SignedBy(signature string) (string, error) {
	p, err := parse(signature)
	return p.keyID, err
}

// ValidUntil gives the end that a signature names; the zero time where it has none, or is no signature.
func ValidUntil(signature string) time.Time {
	p, err := parse(signature)
	if err != nil || p.end == "" {
		return time.Time{}
	}
	at, err := time.Parse(endLayout, p.end)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Verify reports whether the script is, byte for byte, what the holder of one of the keys signed, and the signature holds
// now. Forbidden: nobody signed it, somebody who is not trusted did, or the signature has ended. Invalid: it is no signature,
// or not of this script.
func (s *Script) Verify(signature string, trusted []ed25519.PublicKey, now time.Time) error {
	if signature == "" {
		return errs.New(errs.Forbidden, "the script is not signed")
	}
	p, err := parse(signature)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(trusted, func(k ed25519.PublicKey) bool { return KeyID(k) == p.keyID })
	if i < 0 {
		return errs.New(errs.Forbidden, "the script is signed with the key %s, which is not trusted here", p.keyID)
	}
	raw, err := base64.StdEncoding.DecodeString(p.raw)
	if err != nil || !ed25519.Verify(trusted[i], s.signed(p.end), raw) {
		return errs.New(errs.Invalid, "the script, its name, interpreter, time limit, systems or the end of its signature were changed after it was signed")
	}
	// An end that is no time is over: nobody writes one.
	if end := ValidUntil(signature); p.end != "" && !now.Before(end) {
		return errs.New(errs.Forbidden, "the signature of the script ended %s: muster script sign makes a new one", end.Format(time.RFC3339))
	}
	return nil
}
