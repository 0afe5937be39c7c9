package signature

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"muster/internal/errs"
)

func key(t testing.TB, seed byte) ed25519.PrivateKey {
	k, err := NewKey(bytes.NewReader(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysAreOfOnePurpose(t *testing.T) {
	k := key(t, 1)
	for _, p := range []Purpose{Feeds, Scripts} {
		public, err := p.ParsePublic(" " + p.FormatPublic(PublicOf(k)) + "\n")
		if err != nil || !public.Equal(PublicOf(k)) {
			t.Errorf("%v %v", public, err)
		}
		secret, err := p.ParseSecret(p.FormatSecret(k) + "\n")
		if err != nil || !secret.Equal(k) {
			t.Error(err)
		}
		other := Feeds
		if p == Feeds {
			other = Scripts
		}
		for _, s := range []string{"", p.public, p.public + "AAAA", p.FormatPublic(PublicOf(k)) + "x", p.FormatSecret(k), other.FormatPublic(PublicOf(k)), other.FormatSecret(k)} {
			if _, err := p.ParsePublic(s); errs.CodeOf(err) != errs.Invalid || strings.Contains(err.Error(), p.FormatSecret(k)) {
				t.Errorf("%q: %v", s, err)
			}
		}
		if _, err := p.ParseSecret(other.FormatSecret(k)); errs.CodeOf(err) != errs.Invalid {
			t.Error(err)
		}
	}
	list, err := Scripts.ParsePublics("# ours\n\n" + Scripts.FormatPublic(PublicOf(k)) + "\n" + Scripts.FormatPublic(PublicOf(key(t, 2))))
	if err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	for _, s := range []string{"", "# nothing\n", Scripts.FormatPublic(PublicOf(k)) + "\nx"} {
		if _, err := Scripts.ParsePublics(s); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := NewKey(strings.NewReader("short")); errs.CodeOf(err) != errs.Unavailable {
		t.Error(err)
	}
}

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func script() Script {
	return Script{Check: "dock", Interpreter: "sh", Seconds: 30, Systems: []string{"mac", "linux"}, Text: "exit 0\n"}
}

// The bytes that are signed never change for a form: scripts that were signed would be refused by all agents.
func TestSignatureIsStable(t *testing.T) {
	s := script()
	const stable = "v1:34750f98bd59fcfc:LGhvNiaMwwHbnFcEdD2Jli4wvJPvkm4s3GfF9Cx3NAiNmwNazwCVA0Gul4DZzh19tV4yTGLU8mzjc6oqYvLHCA=="
	got := s.Sign(key(t, 1))
	if got != stable {
		t.Errorf("%s", got)
	}
	s.Systems = []string{"linux", "mac", "linux"}
	if s.Sign(key(t, 1)) != got {
		t.Error("the order of systems counts")
	}
	if err := s.Verify(stable, []ed25519.PublicKey{PublicOf(key(t, 2)), PublicOf(key(t, 1))}, noon); err != nil {
		t.Error(err)
	}
}

// A signature with an end is stable too, holds until then, and is worth nothing with another end or with none.
func TestSignatureEnds(t *testing.T) {
	s, k := script(), key(t, 1)
	trusted := []ed25519.PublicKey{PublicOf(k)}
	end := noon.Add(500 * time.Millisecond).In(time.FixedZone("", 3600))
	got := s.SignUntil(k, end)
	const stable = "v2:34750f98bd59fcfc:20261130T120000Z:u6Zw4/OdRcliZ7oZI+HaZtZNzcaZ8HXATt5CvLbp8SjrYAlJlz6yA0etkMLB3ZvPKDIgPih6TVVBmv0YBIuEAw=="
	if got != stable {
		t.Errorf("%s", got)
	}
	if id, err := SignedBy(got); err != nil || id != KeyID(PublicOf(k)) || !ValidUntil(got).Equal(noon) {
		t.Errorf("%s %v, until %v", id, err, ValidUntil(got))
	}
	if err := s.Verify(got, trusted, noon.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	for _, at := range []time.Time{noon, noon.AddDate(10, 0, 0)} {
		if err := s.Verify(got, trusted, at); errs.CodeOf(err) != errs.Forbidden || !strings.Contains(err.Error(), "ended 2026-11-30T12:00:00Z") {
			t.Errorf("at %v: %v", at, err)
		}
	}
	raw := got[strings.LastIndex(got, ":"):]
	for name, sig := range map[string]string{
		"a later end": strings.Replace(got, "20261130T", "20271130T", 1),
		"no end":      "v1:" + KeyID(PublicOf(k)) + raw,
		"an end more": strings.Replace(strings.Replace(s.Sign(k), "v1", "v2", 1), KeyID(PublicOf(k)), KeyID(PublicOf(k))+":20271130T120000Z", 1),
	} {
		if err := s.Verify(sig, trusted, noon.Add(-time.Hour)); errs.CodeOf(err) != errs.Invalid || !strings.Contains(err.Error(), "changed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Whoever has the key can sign an end that is no time. It is none that is to come.
	odd := s.sign(k, "v2:", "20269999T999999Z")
	if err := s.Verify(odd, trusted, noon); errs.CodeOf(err) != errs.Forbidden || !ValidUntil(odd).IsZero() {
		t.Errorf("%v, until %v", err, ValidUntil(odd))
	}
	if !ValidUntil(s.Sign(k)).IsZero() || !ValidUntil("").IsZero() {
		t.Error("a signature without an end has one")
	}
}

func TestVerifyRefuses(t *testing.T) {
	k := key(t, 1)
	s := script()
	good := s.Sign(k)
	otherKey := key(t, 2)
	forged := "v1:" + KeyID(PublicOf(k)) + good[3+16:]
	forged = forged[:3+17] + strings.Split(s.Sign(otherKey), ":")[2]
	for name, c := range map[string]struct {
		change func(*Script)
		sig    string
		code   errs.Code
		want   string
	}{
		"no signature":            {func(*Script) {}, "", errs.Forbidden, "not signed"},
		"no form":                 {func(*Script) {}, good[1:], errs.Invalid, "no signature"},
		"more behind it":          {func(*Script) {}, good + "\n", errs.Invalid, "no signature"},
		"another form":            {func(*Script) {}, "v2" + good[2:], errs.Invalid, "no signature"},
		"a form to come":          {func(*Script) {}, "v3" + good[2:], errs.Invalid, "no signature"},
		"another's key":           {func(*Script) {}, s.Sign(otherKey), errs.Forbidden, "not trusted"},
		"another's under our id":  {func(*Script) {}, forged, errs.Invalid, "changed"},
		"the text":                {func(s *Script) { s.Text = "exit 1\n" }, good, errs.Invalid, "changed"},
		"the end of the text":     {func(s *Script) { s.Text += "\n" }, good, errs.Invalid, "changed"},
		"the check":               {func(s *Script) { s.Check = "dock2" }, good, errs.Invalid, "changed"},
		"the interpreter":         {func(s *Script) { s.Interpreter = "bash" }, good, errs.Invalid, "changed"},
		"the time limit":          {func(s *Script) { s.Seconds = 31 }, good, errs.Invalid, "changed"},
		"the systems":             {func(s *Script) { s.Systems = s.Systems[1:] }, good, errs.Invalid, "changed"},
		"no systems":              {func(s *Script) { s.Systems = nil }, good, errs.Invalid, "changed"},
		"what is what":            {func(s *Script) { s.Check, s.Interpreter = "docks", "h" }, good, errs.Invalid, "changed"},
		"the text as a system":    {func(s *Script) { s.Text, s.Systems = "linux", []string{"exit 0\n", "mac"} }, good, errs.Invalid, "changed"},
		"systems joined into one": {func(s *Script) { s.Systems = []string{"linuxmac"} }, good, errs.Invalid, "changed"},
	} {
		s := script()
		c.change(&s)
		err := s.Verify(c.sig, []ed25519.PublicKey{PublicOf(k)}, noon)
		if errs.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Verify(good, nil, noon); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("without a key: %v", err)
	}
	if _, err := SignedBy(good); err != nil {
		t.Error(err)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int{0: 30, -1: 30, time.Millisecond: 1, time.Second: 1, 1500 * time.Millisecond: 2, MaxTimeout: 600} {
		if got := Seconds(d); got != want {
			t.Errorf("%v: %d", d, got)
		}
	}
}

// FuzzVerify: nothing that is not the signed script passes, and what comes is never more than refused.
func FuzzVerify(f *testing.F) {
	k := key(f, 1)
	s := script()
	f.Add("dock", "sh", 30, "linux,mac", "exit 0\n", s.Sign(k))
	f.Add("dock", "sh", 30, "linux,mac", "exit 0\n", s.SignUntil(k, noon.Add(time.Hour)))
	f.Add("", "", 0, "", "", "v1:0000000000000000:"+strings.Repeat("A", 86)+"==")
	f.Fuzz(func(t *testing.T, check, interpreter string, seconds int, systems, text, sig string) {
		got := Script{check, interpreter, seconds, strings.Split(systems, ","), text}
		if got.Verify(sig, []ed25519.PublicKey{PublicOf(k)}, noon) == nil && string(got.signed("")) != string(s.signed("")) {
			t.Fatalf("%+v passes with %s", got, sig)
		}
	})
}
