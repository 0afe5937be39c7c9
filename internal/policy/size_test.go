package policy

import "testing"

func TestSizeText(t *testing.T) {
	for text, want := range map[string]Size{
		"0B": 0, "1B": 1, "10GB": 10e9, "10 GB": 10e9, "512MiB": 512 << 20, "3kB": 3000, "2KiB": 2048, "7MB": 7e6, "1GiB": 1 << 30, "5TB": 5e12,
		"2TiB": 2 << 40, "1000000TB": maxSize,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: got %d, %v", text, s, err)
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s is written as %s, which is read as %d, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "10", "GB", "-1GB", "1.5GB", "10gb", "1000001TB", "99999999999999999999B", "1e3B"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was accepted as %s", text, s)
		}
	}
	for s, want := range map[Size]string{0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 9_999_999_999: "9.9 GB", 10e9: "10.0 GB", 1_250_000_000_000: "1.2 TB"} {
		if got := s.roughly(); got != want {
			t.Errorf("%d is roughly %q, want %q", int64(s), got, want)
		}
	}
}
