package identity

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/identity/scope"
)

// The bounds of what callers may choose.
const (
	maxNameLength     = 256
	maxEmailLength    = 254 // RFC 5321, 4.5.3.1.3, less the angle brackets
	maxDevicesAllowed = 100_000_000
	maxRateLimit      = 1_000_000
	minKeyLength      = 8
	minSecretLength   = 16 // secrets are stored under a fast hash, which short ones would not survive
	maxSecretLength   = 128
)

// mistakes collects what is wrong with a request, so that its author learns everything at once.
type mistakes []*errs.Error

func (m *mistakes) check(ok bool, field, format string, args ...any) {
	if !ok {
		*m = append(*m, errs.InvalidField(field, format, args...))
	}
}

// err is nil, or Invalid with every mistake. Field is set when there is just one.
func (m mistakes) err() error { return errs.Several(m) }

func (m *mistakes) checkName(name string) {
	m.check(fitsName(name), "name", "name must have 1 to %d characters, none of them a control character", maxNameLength)
}

// checkEmail accepts what looks like a bare address. Only sending mail to it shows whether it is one.
func (m *mistakes) checkEmail(email string) {
	if email == "" {
		return
	}
	parsed, err := mail.ParseAddress(email)
	plausible := err == nil && parsed.Address == email && len(email) <= maxEmailLength
	m.check(plausible && !strings.ContainsFunc(email, unicode.IsControl),
		"email", "email must be an address such as name@example.com")
}

func (m *mistakes) checkDevicesAllowed(n int64) {
	m.check(n >= 1 && n <= maxDevicesAllowed, "devices_allowed", "devices_allowed must be from 1 to %d", maxDevicesAllowed)
}

func (m *mistakes) checkPort(field string, port int) {
	m.check(port >= 1 && port <= 65535, field, "%s must be from 1 to 65535", field)
}

func (m *mistakes) checkLicenseKey(key string) {
	m.check(key == "" || fitsLicenseKey(key),
		"license_key", "license_key must have %d to %d letters and digits", minKeyLength, maxSecretLength)
}

func (m *mistakes) checkRegistrationCode(code string) {
	m.check(code == "" || fitsRegistrationCode(code),
		"registration_code", "registration_code must have %d of A-Z and 0-9", registrationCodeLength)
}

func (m *mistakes) checkPermission(p scope.Permission) {
	_, ok := scope.Parse(string(p))
	m.check(ok, "permission", "permission must be %s, %s or %s", scope.Read, scope.Write, scope.Admin)
}

func (m *mistakes) checkRateLimit(limit int) {
	m.check(limit >= DefaultRateLimit && limit <= maxRateLimit,
		"rate_limit", "rate_limit must be from 0 to %d, or %d for the server's", maxRateLimit, DefaultRateLimit)
}

func (m *mistakes) checkClientID(id string) {
	m.check(id == "" || fitsClientID(id),
		"client_id", "client_id must have at most %d of A-Z, a-z, 0-9, '-', '.', '_' and '~'", maxSecretLength)
}

// checkSecret accepts only characters that are the same with and without percent-encoding: many clients of this API
// leave the encoding out.
func (m *mistakes) checkSecret(field, secret string) {
	ok := len(secret) >= minSecretLength && len(secret) <= maxSecretLength && only(secret, isUnreserved)
	m.check(ok,
		field, "%s must have %d to %d of A-Z, a-z, 0-9, '-', '.', '_' and '~'", field, minSecretLength, maxSecretLength)
}

// The fits functions say whether a text can be such a thing at all. What cannot is never looked for, since some texts
// (a NUL, broken UTF-8) are more than a database bears.

func fitsName(s string) bool {
	n := utf8.RuneCountInString(s)
	return n >= 1 && n <= maxNameLength && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func fitsLicenseKey(s string) bool {
	return len(s) >= minKeyLength && len(s) <= maxSecretLength && only(s, isLetterOrDigit)
}

func fitsRegistrationCode(s string) bool {
	return len(s) == registrationCodeLength && strings.Trim(s, capitalsAndDigits) == ""
}

func fitsClientID(s string) bool {
	return len(s) >= 1 && len(s) <= maxSecretLength && only(s, isUnreserved)
}

func only(s string, allowed func(rune) bool) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !allowed(r) })
}

func isLetterOrDigit(r rune) bool {
	return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
}

// isUnreserved is RFC 3986, 2.3.
func isUnreserved(r rune) bool { return isLetterOrDigit(r) || strings.ContainsRune("-._~", r) }
