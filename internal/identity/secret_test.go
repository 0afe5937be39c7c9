package identity

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// TestRandomTextIsFair feeds every byte value equally often: every letter must then come equally often.
func TestRandomTextIsFair(t *testing.T) {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	s := &Service{random: bytes.NewReader(bytes.Repeat(all, 10))}
	text, err := s.randomText(252 * 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, letter := range capitalsAndDigits {
		if n := strings.Count(text, string(letter)); n != 70 {
			t.Errorf("%c comes %d times, want 70", letter, n)
		}
	}
}

func TestRandomTextDrawsUnfairBytesAgain(t *testing.T) {
	s := &Service{random: bytes.NewReader([]byte{252, 255, 0, 253, 35, 36})}
	if text, err := s.randomText(3); err != nil || text != "A9A" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestShapes(t *testing.T) {
	s := &Service{random: rand.Reader}
	for name, tt := range map[string]struct {
		draw  func() (string, error)
		shape string
	}{
		"client id":         {func() (string, error) { return s.randomText(clientIDLength) }, `^[A-Z0-9]{48}$`},
		"registration code": {func() (string, error) { return s.randomText(registrationCodeLength) }, `^[A-Z0-9]{8}$`},
		"licence key":       {s.newLicenseKey, `^[0-9a-f]{32}$`},
		"token":             {s.newToken, `^[A-Z2-7]{52}$`},
	} {
		seen := map[string]bool{}
		for range 100 {
			text, err := tt.draw()
			if err != nil || !regexp.MustCompile(tt.shape).MatchString(text) || seen[text] {
				t.Errorf("%s: got %q (seen before: %t), %v", name, text, seen[text], err)
			}
			seen[text] = true
		}
	}
}

func TestNoRandomnessIsAnError(t *testing.T) {
	broken := errors.New("no entropy")
	s := &Service{random: io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken))}
	if _, err := s.randomText(8); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := s.newToken(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := s.newLicenseKey(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
