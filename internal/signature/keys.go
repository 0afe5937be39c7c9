// Package signature says who vouches for what: keys of Ed25519 in the form in which people handle them, and the scripts
// of custom checks as they are signed. Servers and agents share it, so it does no I/O.
package signature

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"

	"muster/internal/errs"
)

// Purpose is what keys are for. It stands at the beginning of each key that is written down, so that none can be taken
// for one of another purpose, nor a secret one for a public one.
type Purpose struct {
	public, secret string // how keys begin
	stays, what    string // where the secret one stays, and what the public one verifies
}

// The purposes of keys.
var (
	Feeds   = Purpose{"muster-feed-key:", "muster-feed-secret:", "bundles are made", "bundles"}
	Scripts = Purpose{"muster-script-key:", "muster-script-secret:", "scripts are signed", "scripts"}
)

// NewKey makes a key to sign with. Chance is handed in.
func NewKey(random io.Reader) (ed25519.PrivateKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "no key could be made: there is no source of chance")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// PublicOf is the key that verifies what was signed with a secret one.
func PublicOf(secret ed25519.PrivateKey) ed25519.PublicKey {
	public, _ := secret.Public().(ed25519.PublicKey) // it is always one
	return public
}

// KeyID is a short name for a public key, to tell which of several it is.
func KeyID(k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:8])
}

// FormatPublic writes a key as it is handed to those who verify.
func (p Purpose) FormatPublic(k ed25519.PublicKey) string {
	return p.public + base64.StdEncoding.EncodeToString(k)
}

// FormatSecret writes a key as it is kept by who signs.
func (p Purpose) FormatSecret(k ed25519.PrivateKey) string {
	return p.secret + base64.StdEncoding.EncodeToString(k.Seed())
}

// IsKey reports whether a text begins as a key of this purpose does, public or secret.
func (p Purpose) IsKey(s string) bool {
	return strings.HasPrefix(s, p.public) || strings.HasPrefix(s, p.secret)
}

// ParsePublic reads what FormatPublic wrote.
func (p Purpose) ParsePublic(s string) (ed25519.PublicKey, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, p.secret) {
		return nil, errs.InvalidField("key", "this is the secret key, which stays where %s; %s are verified with the one that begins with %s", p.stays, p.what, p.public)
	}
	return keyBytes(s, p.public, ed25519.PublicKeySize)
}

// ParsePublics reads keys, one a line; empty lines and those that begin with # are left out. Invalid: one is no key, or
// there is none.
func (p Purpose) ParsePublics(text string) ([]ed25519.PublicKey, error) {
	var out []ed25519.PublicKey
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := p.ParsePublic(line)
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	if len(out) == 0 {
		return nil, errs.InvalidField("key", "there is no key in it")
	}
	return out, nil
}

// ParseSecret reads what FormatSecret wrote.
func (p Purpose) ParseSecret(s string) (ed25519.PrivateKey, error) {
	b, err := keyBytes(strings.TrimSpace(s), p.secret, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(b), nil
}

// keyBytes says what is wrong and never what was given: it may be secret.
func keyBytes(s, prefix string, size int) ([]byte, error) {
	text, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return nil, errs.InvalidField("key", "a key here begins with %s", prefix)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != size {
		return nil, errs.InvalidField("key", "the key is not whole: after %s there are %d characters", prefix, base64.StdEncoding.EncodedLen(size))
	}
	return b, nil
}
