package feed

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"

	"muster/internal/errs"
)

// How the keys of bundles begin when they are written for people: one cannot be taken for the other.
const (
	publicPrefix = "muster-feed-key:"
	signerPrefix = "muster-feed-secret:"
)

// NewKey makes a key to sign bundles with. Chance is handed in.
func NewKey(random io.Reader) (ed25519.PrivateKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "no key could be made: there is no source of chance")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// PublicOf is the key that bundles signed with a secret one are verified with.
func PublicOf(secret ed25519.PrivateKey) ed25519.PublicKey {
	public, _ := secret.Public().(ed25519.PublicKey) // it is always one
	return public
}

// FormatPublicKey writes a key as it is handed to those who verify.
func FormatPublicKey(k ed25519.PublicKey) string {
	return publicPrefix + base64.StdEncoding.EncodeToString(k)
}

// FormatSecretKey writes a key as it is kept by who signs.
func FormatSecretKey(k ed25519.PrivateKey) string {
	return signerPrefix + base64.StdEncoding.EncodeToString(k.Seed())
}

// ParsePublicKey reads what FormatPublicKey wrote.
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, signerPrefix) {
		return nil, errs.InvalidField("key", "this is the secret key, which stays where bundles are made; bundles are verified with the one that begins with %s", publicPrefix)
	}
	b, err := keyBytes(s, publicPrefix, ed25519.PublicKeySize)
	return b, err
}

// ParseSecretKey reads what FormatSecretKey wrote.
func ParseSecretKey(s string) (ed25519.PrivateKey, error) {
	b, err := keyBytes(strings.TrimSpace(s), signerPrefix, ed25519.SeedSize)
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

// KeyID is a short name for a public key, to tell which of several it is.
func KeyID(k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:8])
}
