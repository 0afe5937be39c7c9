package identity

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
)

// The shapes of what this package makes up. Clients have seen these shapes in the original's documentation and keep
// them in columns and forms that fit.
const (
	clientIDLength         = 48
	clientSecretLength     = 48
	registrationCodeLength = 8
	licenseKeyBytes        = 16
	tokenBytes             = 32
)

const capitalsAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// randomText draws n of A-Z and 0-9, each as likely as the others: bytes beyond the last whole multiple of 36 are drawn
// again, since taking them modulo 36 would favour the first letters.
func (s *Service) randomText(n int) (string, error) {
	const fair = 256 - 256%len(capitalsAndDigits)
	text := make([]byte, 0, n)
	draw := make([]byte, n)
	for len(text) < n {
		draw = draw[:n-len(text)]
		if err := s.fill(draw); err != nil {
			return "", err
		}
		for _, b := range draw {
			if int(b) < fair {
				text = append(text, capitalsAndDigits[int(b)%len(capitalsAndDigits)])
			}
		}
	}
	return string(text), nil
}

// newLicenseKey draws 32 hexadecimal digits.
func (s *Service) newLicenseKey() (string, error) {
	var b [licenseKeyBytes]byte
	if err := s.fill(b[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(b[:]), nil
}

// newToken draws 256 bits and writes them in capitals and digits: nothing in it needs encoding in a URL, a form or a
// header.
func (s *Service) newToken() (string, error) {
	var b [tokenBytes]byte
	if err := s.fill(b[:]); err != nil {
		return "", err
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]), nil
}

func (s *Service) fill(b []byte) error {
	if _, err := io.ReadFull(s.random, b); err != nil {
		return fmt.Errorf("drawing random bytes: %w", err)
	}
	return nil
}
