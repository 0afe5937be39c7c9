package signature

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

// scriptContext keeps a signature of a script from being one of anything else, and tells the form of what is signed.
const scriptContext = "muster script of a custom check, form 1\x00"

// signed is what a signature is made of. Each part has its length before it, so that no two scripts give the same bytes.
func (s *Script) signed() []byte {
	systems := slices.Compact(slices.Sorted(slices.Values(s.Systems)))
	b := []byte(scriptContext)
	for _, part := range append([]string{s.Check, s.Interpreter, strconv.Itoa(s.Seconds), s.Text}, systems...) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// form1 begins a signature; the id of the key, a colon and the signature itself follow.
const form1 = "v1:"

var form = regexp.MustCompile(`^v1:[0-9a-f]{16}:[A-Za-z0-9+/]{86}==$`)

// Form is a regular expression that signatures match.
func Form() string { return form.String() }

// Sign signs the script.
func (s *Script) Sign(key ed25519.PrivateKey) string {
	return form1 + KeyID(PublicOf(key)) + ":" + base64.StdEncoding.EncodeToString(ed25519.Sign(key, s.signed()))
}

// SignedBy gives the id of the key that a signature names. Invalid: it is no signature.
func SignedBy(signature string) (string, error) {
	if !form.MatchString(signature) {
		return "", errs.InvalidField("signature", "this is no signature: muster script sign writes one")
	}
	id, _, _ := strings.Cut(signature[len(form1):], ":")
	return id, nil
}

// Verify reports whether the script is, byte for byte, what the holder of one of the keys signed. Forbidden: nobody
// signed it, or somebody who is not trusted. Invalid: it is no signature, or not of this script.
func (s *Script) Verify(signature string, trusted []ed25519.PublicKey) error {
	if signature == "" {
		return errs.New(errs.Forbidden, "the script is not signed")
	}
	id, err := SignedBy(signature)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(trusted, func(k ed25519.PublicKey) bool { return KeyID(k) == id })
	if i < 0 {
		return errs.New(errs.Forbidden, "the script is signed with the key %s, which is not trusted here", id)
	}
	raw, err := base64.StdEncoding.DecodeString(signature[len(form1)+len(id)+1:])
	if err != nil || !ed25519.Verify(trusted[i], s.signed(), raw) {
		return errs.New(errs.Invalid, "the script, its name, interpreter, time limit or systems were changed after it was signed")
	}
	return nil
}
