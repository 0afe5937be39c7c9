package feed

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/signature"
)

func keyOf(seed byte) ed25519.PrivateKey {
	k, _ := signature.NewKey(bytes.NewReader(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	return k
}

func part(name, text string) Part {
	return Part{Member: Member{Name: name, Feed: "f", Format: OSV, AsOf: time.Unix(5, 0).UTC()}, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}

func bundled(t testing.TB, key ed25519.PrivateKey, parts ...Part) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := WriteBundle(&b, time.Unix(1_000_000_000, 5), parts, key); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verify(data []byte, keys ...ed25519.PrivateKey) (Manifest, error) {
	var public []ed25519.PublicKey
	for _, k := range keys {
		public = append(public, signature.PublicOf(k))
	}
	return VerifyBundle("b.tar", bytes.NewReader(data), public)
}

func TestBundle(t *testing.T) {
	mine, other := keyOf(1), keyOf(2)
	data := bundled(t, mine, part("a.json", osvA), part("empty.csv", ""))
	m, err := verify(data, other, mine)
	if err != nil {
		t.Fatal(err)
	}
	if m.KeyID != signature.KeyID(signature.PublicOf(mine)) || !m.Created.Equal(time.Unix(1_000_000_000, 0)) || len(m.Members) != 2 {
		t.Errorf("%+v", m)
	}
	if a := m.Members[0]; a.Name != "a.json" || a.Feed != "f" || a.Format != OSV || a.AsOf.Unix() != 5 || a.Size != int64(len(osvA)) || len(a.SHA256) != 64 {
		t.Errorf("%+v", a)
	}
	var got []string
	err = ReadBundle("b.tar", bytes.NewReader(data), m, func(m Member, r io.Reader) error {
		if m.Size == 0 {
			return nil
		}
		_, err := Read(m.Name, r, Options{}, func(i Item) error { got = append(got, i.Path+" "+i.Entry.ID); return nil })
		return err
	})
	if err != nil || strings.Join(got, ";") != "a.json A-1" {
		t.Error(err, got)
	}
	mineToo := errors.New("mine")
	if err := ReadBundle("b.tar", bytes.NewReader(data), m, func(Member, io.Reader) error { return mineToo }); !errors.Is(err, mineToo) {
		t.Error(err)
	}
	changed := bytes.Replace(data, []byte(`"A-1"`), []byte(`"A-2"`), 1)
	if err := ReadBundle("b.tar", bytes.NewReader(changed), m, func(Member, io.Reader) error { return nil }); err == nil || !strings.Contains(err.Error(), "a.json was changed") {
		t.Error(err)
	}
	readWith("b.tar", bytes.NewReader(data), Options{}).fails(t, "this is a signed bundle of feeds")
}

func TestBundlesThatAreNotTrusted(t *testing.T) {
	mine, other := keyOf(1), keyOf(2)
	data := bundled(t, mine, part("a.json", osvA), part("b.json", "{}"))
	for name, tc := range map[string]struct {
		data []byte
		keys []ed25519.PrivateKey
		code errs.Code
		want string
	}{
		"another key":        {data, []ed25519.PrivateKey{other}, errs.Forbidden, "signed with the key " + signature.KeyID(signature.PublicOf(mine)) + ", which is not trusted here; trusted are: " + signature.KeyID(signature.PublicOf(other))},
		"no key":             {data, nil, errs.Forbidden, "is not trusted here"},
		"changed manifest":   {bytes.Replace(data, []byte(`"a.json"`), []byte(`"c.json"`), 1), []ed25519.PrivateKey{mine}, errs.Invalid, "the manifest was changed after it was signed"},
		"changed member":     {bytes.Replace(data, []byte(`"A-1"`), []byte(`"A-2"`), 1), []ed25519.PrivateKey{mine}, errs.Invalid, "a.json was changed: its checksum"},
		"no bundle":          {tarred(packed{"a.json", []byte(osvA)}), []ed25519.PrivateKey{mine}, errs.Invalid, "no bundle of feeds"},
		"nothing":            {nil, []ed25519.PrivateKey{mine}, errs.Invalid, "the file is empty"},
		"damaged signature":  {bytes.Replace(data, []byte("== \n"), []byte("\n"), 1), []ed25519.PrivateKey{other}, errs.Forbidden, "is not trusted"},
		"something after it": {append(bytes.Clone(data), "more"...), []ed25519.PrivateKey{mine}, errs.Invalid, "something follows"},
		"replaced member": {again(t, data, func(h *tar.Header, b []byte) []packed {
			return replaced(h, b, "a.json", packed{"a.json", []byte("{}")})
		}), []ed25519.PrivateKey{mine}, errs.Invalid, "a.json was changed: it has 2 bytes"},
		"added member": {again(t, data, func(h *tar.Header, b []byte) []packed {
			return replaced(h, b, "b.json", packed{"b.json", b}, packed{"c.json", nil})
		}), []ed25519.PrivateKey{mine}, errs.Invalid, "the bundle holds muster-feeds/c.json, which its manifest does not name"},
		"added in between": {again(t, data, func(h *tar.Header, b []byte) []packed {
			return replaced(h, b, "b.json", packed{"c.json", nil}, packed{"b.json", b})
		}), []ed25519.PrivateKey{mine}, errs.Invalid, "holds muster-feeds/c.json in the place of b.json"},
		"removed member":    {again(t, data, func(h *tar.Header, b []byte) []packed { return replaced(h, b, "b.json") }), []ed25519.PrivateKey{mine}, errs.Invalid, "without b.json"},
		"renamed member":    {again(t, data, func(h *tar.Header, b []byte) []packed { return replaced(h, b, "b.json", packed{"../b.json", b}) }), []ed25519.PrivateKey{mine}, errs.Invalid, "in the place of b.json"},
		"removed signature": {again(t, data, func(h *tar.Header, b []byte) []packed { return replaced(h, b, "signature") }), []ed25519.PrivateKey{mine}, errs.Invalid, "in the place of signature"},
	} {
		_, err := verify(tc.data, tc.keys...)
		if err == nil || !strings.Contains(err.Error(), tc.want) || errs.CodeOf(err) != tc.code {
			t.Errorf("%s: %v (%s), want %q", name, err, errs.CodeOf(err), tc.want)
		}
	}
}

// again packs a bundle anew, with other members.
func again(t *testing.T, data []byte, change func(h *tar.Header, b []byte) []packed) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r)
		for _, p := range change(h, b) {
			_ = w.WriteHeader(&tar.Header{Name: "muster-feeds/" + p.name, Size: int64(len(p.data)), Mode: 0o644})
			_, _ = w.Write(p.data)
		}
	}
	_ = w.Close()
	return out.Bytes()
}

func replaced(h *tar.Header, b []byte, name string, by ...packed) []packed {
	if own := strings.TrimPrefix(h.Name, "muster-feeds/"); own != name {
		return []packed{{own, b}}
	}
	return by
}

// No byte of what counts can be changed, and no byte of the end be missing.
func TestBundlesDamaged(t *testing.T) {
	mine := keyOf(1)
	data := bundled(t, mine, part("a.json", osvA))
	for n := 0; n < len(data); n += 37 {
		if _, err := verify(data[:n], mine); err == nil {
			t.Errorf("cut at %d of %d bytes is no error", n, len(data))
		}
	}
	whole, _ := verify(data, mine)
	for n := range data {
		changed := bytes.Clone(data)
		changed[n] ^= 0x04
		m, err := verify(changed, mine)
		if err == nil && (len(m.Members) != 1 || m.Members[0] != whole.Members[0]) {
			t.Errorf("byte %d changed is no error", n)
		}
	}
}

func TestWriteBundleChecks(t *testing.T) {
	moving := part("a", "x")
	n := 0
	moving.Open = func() (io.ReadCloser, error) {
		n++
		return io.NopCloser(strings.NewReader(strings.Repeat("x", n))), nil
	}
	missing := part("a", "")
	missing.Open = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	for name, tc := range map[string]struct {
		parts []Part
		want  string
	}{
		"none":      {nil, "holds 1 to 10000 feeds"},
		"twice":     {[]Part{part("a", ""), part("a", "")}, `have the name "a"`},
		"a path":    {[]Part{part("../a", "")}, "cannot be the name"},
		"reserved":  {[]Part{part("signature", "")}, `have the name "signature"`},
		"it moves":  {[]Part{moving}, "a: it changed while the bundle was made"},
		"it is not": {[]Part{missing}, "a: it cannot be read"},
	} {
		_, err := WriteBundle(io.Discard, time.Unix(0, 0), tc.parts, keyOf(1))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
