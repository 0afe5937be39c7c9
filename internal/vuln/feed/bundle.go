package feed

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"regexp"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/signature"
)

// A bundle carries feeds to a server without a network: a tar archive with a manifest, a signature of it, and the feeds in
// the order of the manifest. Ordinary tools can list and unpack it. Nothing in it is believed that the manifest does not
// name, and nothing in the manifest before its signature was verified.

// The names of what is in a bundle.
const (
	bundleFolder    = "muster-feeds/"
	bundleManifest  = bundleFolder + "manifest.json"
	bundleSignature = bundleFolder + "signature"
)

const (
	bundleVersion = 1
	maxManifest   = 4 << 20
	maxMembers    = 10_000
)

// bundleContext stands before what is signed, so that a signature for something else is none for a bundle.
const bundleContext = "muster feed bundle\n"

// Manifest says what a bundle holds.
type Manifest struct {
	Version int       `json:"version"`
	Created time.Time `json:"created"`
	Members []Member  `json:"members"`
	KeyID   string    `json:"-"` // of the key that it is signed with
}

// Member is one feed in a bundle.
type Member struct {
	Name   string    `json:"name"`
	Feed   string    `json:"feed,omitempty"` // what to call it; "" for the name of its format
	Format Format    `json:"format,omitempty"`
	AsOf   time.Time `json:"as_of,omitzero"`
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
}

// Part is a feed to be put into a bundle. Open is called twice: what is signed has to be known before it is written. Size
// and SHA256 are filled in.
type Part struct {
	Member
	Open func() (io.ReadCloser, error)
}

var memberName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$`)

// IsBundle reports whether a file that begins so is a bundle. 512 bytes are enough.
func IsBundle(start []byte) bool { return bytes.HasPrefix(start, []byte(bundleManifest+"\x00")) }

// WriteBundle makes a bundle. Members are checked for names that are usable and differ.
func WriteBundle(w io.Writer, created time.Time, parts []Part, key ed25519.PrivateKey) (Manifest, error) {
	m := Manifest{Version: bundleVersion, Created: created.UTC().Truncate(time.Second), KeyID: signature.KeyID(signature.PublicOf(key))}
	for i := range parts {
		member := parts[i].Member
		err := parts[i].copyTo(io.Discard, &member)
		if err != nil {
			return m, err
		}
		m.Members = append(m.Members, member)
	}
	if err := m.validate(); err != nil {
		return m, err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	if len(text) > maxManifest {
		return m, errs.New(errs.TooLarge, "the manifest of the bundle is too large")
	}
	signed := base64.StdEncoding.EncodeToString(ed25519.Sign(key, append([]byte(bundleContext), text...)))
	t := tar.NewWriter(w)
	if err := writeMember(t, m.Created, bundleManifest, text); err != nil {
		return m, err
	}
	if err := writeMember(t, m.Created, bundleSignature, []byte(m.KeyID+" "+signed+"\n")); err != nil {
		return m, err
	}
	for i := range parts {
		if err := parts[i].write(t, m.Created, &m.Members[i]); err != nil {
			return m, err
		}
	}
	return m, t.Close()
}

func writeMember(t *tar.Writer, at time.Time, name string, text []byte) error {
	if err := t.WriteHeader(bundleHeader(at, name, int64(len(text)))); err != nil {
		return err
	}
	_, err := t.Write(text)
	return err
}

func bundleHeader(at time.Time, name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: at}
}

// copyTo copies a part, and notes its size and checksum.
func (p *Part) copyTo(w io.Writer, m *Member) error {
	in, err := p.Open()
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "%s: it cannot be read", p.Name)
	}
	defer func() { _ = in.Close() }() // it was only read
	sum := sha256.New()
	m.Size, err = io.Copy(io.MultiWriter(w, sum), source{p.Name, in})
	m.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return err
}

func (p *Part) write(t *tar.Writer, at time.Time, m *Member) error {
	if err := t.WriteHeader(bundleHeader(at, bundleFolder+m.Name, m.Size)); err != nil {
		return err
	}
	again := *m
	err := p.copyTo(t, &again)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && again != *m {
		return errs.New(errs.Conflict, "%s: it changed while the bundle was made", p.Name)
	}
	return err
}

// validate wants a manifest that can be worked with.
func (m *Manifest) validate() error {
	if m.Version != bundleVersion {
		return errs.New(errs.Invalid, "the bundle is of version %d; this program knows %d", m.Version, bundleVersion)
	}
	if len(m.Members) == 0 || len(m.Members) > maxMembers {
		return errs.New(errs.Invalid, "a bundle holds 1 to %d feeds, and not %d", maxMembers, len(m.Members))
	}
	seen := map[string]bool{"manifest.json": true, "signature": true}
	for i := range m.Members {
		name := m.Members[i].Name
		if !memberName.MatchString(name) {
			return errs.InvalidField("name", "%q cannot be the name of a feed in a bundle: letters, digits and . _ + - are allowed", shortened(name))
		}
		if seen[name] {
			return errs.InvalidField("name", "two feeds in the bundle have the name %q", name)
		}
		seen[name] = true
	}
	return nil
}

// VerifyBundle reads a bundle to its end and checks all of it: that its manifest is signed with one of the keys, and that
// what it holds is what the manifest says, no more and no less. Nothing of a bundle is to be used before.
func VerifyBundle(name string, r io.Reader, keys []ed25519.PublicKey) (Manifest, error) {
	b := openBundle(name, r)
	m, err := b.manifest(keys)
	if err != nil {
		return Manifest{}, err
	}
	for i := range m.Members {
		if err := b.member(&m.Members[i], nil); err != nil {
			return Manifest{}, err
		}
	}
	return m, b.end()
}

// ReadBundle goes through a bundle that was verified, once more from its beginning, and hands over each member. Should
// the file have changed in the meantime, that is an error: what was made of it is not to be used.
func ReadBundle(name string, r io.Reader, verified Manifest, each func(Member, io.Reader) error) error {
	b := openBundle(name, r)
	for _, known := range []string{bundleManifest, bundleSignature} {
		if _, err := b.small(known); err != nil {
			return err
		}
	}
	for i := range verified.Members {
		if err := b.member(&verified.Members[i], each); err != nil {
			return err
		}
	}
	return b.end()
}

// bundle is a bundle being read.
type bundle struct {
	f    *file
	last *tail
	tar  *tar.Reader
}

func openBundle(name string, r io.Reader) *bundle {
	b := &bundle{f: (&run{}).take(name, source{name, r}, false, 0)}
	b.last = &tail{r: b.f.in}
	b.tar = tar.NewReader(b.last)
	return b
}

// next wants a file of that name to come next.
func (b *bundle) next(name string) (*tar.Header, error) {
	shown := strings.TrimPrefix(name, bundleFolder)
	h, err := b.tar.Next()
	switch {
	case errors.Is(err, io.EOF) && b.f.at() == 0:
		return nil, b.f.fault(errs.Invalid, "the file is empty")
	case errors.Is(err, io.EOF):
		return nil, b.f.fault(errs.Invalid, "the bundle ends at byte %d without %s", b.f.at(), shown)
	case err != nil:
		return nil, b.f.broken(err, b.f.at())
	case h.Name != name || h.Typeflag != tar.TypeReg:
		return nil, b.f.fault(errs.Invalid, "the bundle holds %s in the place of %s", printable(h.Name), shown)
	}
	return h, nil
}

// small reads a file that is not a feed.
func (b *bundle) small(name string) ([]byte, error) {
	h, err := b.next(name)
	if err != nil {
		return nil, err
	}
	if h.Size > maxManifest {
		return nil, b.f.fault(errs.TooLarge, "%s is larger than %d MiB", name, maxManifest>>20)
	}
	text, err := io.ReadAll(b.tar)
	if err != nil {
		return nil, b.f.broken(err, b.f.at())
	}
	return text, nil
}

// manifest reads the manifest, and believes it if one of the keys signed it.
func (b *bundle) manifest(keys []ed25519.PublicKey) (Manifest, error) {
	if start, _ := b.f.in.Peek(512); len(start) > 0 && !IsBundle(start) {
		return Manifest{}, b.f.fault(errs.Invalid, "this is no bundle of feeds")
	}
	text, err := b.small(bundleManifest)
	if err != nil {
		return Manifest{}, err
	}
	line, err := b.small(bundleSignature)
	if err != nil {
		return Manifest{}, err
	}
	id, err := b.signer(text, string(line), keys)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, errs.Wrap(errs.Invalid, err, "%s: the manifest cannot be read", b.f.path)
	}
	m.KeyID = id
	if err := m.validate(); err != nil {
		return m, errs.Wrap(errs.Invalid, err, "%s: the manifest cannot be used", b.f.path)
	}
	return m, nil
}

// signer finds the key that signed. The id beside the signature only helps to say what is wrong.
func (b *bundle) signer(text []byte, line string, keys []ed25519.PublicKey) (string, error) {
	id, encoded, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != ed25519.SignatureSize {
		return "", b.f.fault(errs.Invalid, "the signature is damaged")
	}
	signed := append([]byte(bundleContext), text...)
	known := make([]string, len(keys))
	for i, k := range keys {
		if len(k) == ed25519.PublicKeySize && ed25519.Verify(k, signed, raw) {
			return signature.KeyID(k), nil
		}
		known[i] = signature.KeyID(k)
	}
	for _, k := range known {
		if k == id {
			return "", b.f.fault(errs.Invalid, "the manifest was changed after it was signed with the key %s", printable(id))
		}
	}
	return "", b.f.fault(errs.Forbidden, "the bundle is signed with the key %s, which is not trusted here; trusted are: %s", shortened(printable(id)), strings.Join(known, ", "))
}

// member reads the feed that comes next, and hands it over where somebody wants it.
func (b *bundle) member(m *Member, each func(Member, io.Reader) error) error {
	h, err := b.next(bundleFolder + m.Name)
	if err != nil {
		return err
	}
	if h.Size != m.Size {
		return b.f.fault(errs.Invalid, "%s was changed: it has %d bytes, and the manifest says %d", m.Name, h.Size, m.Size)
	}
	in := &hashed{b: b, sum: sha256.New()}
	if each != nil {
		if err := each(*m, in); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	if hex.EncodeToString(in.sum.Sum(nil)) != m.SHA256 {
		return b.f.fault(errs.Invalid, "%s was changed: its checksum is not that of the manifest", m.Name)
	}
	return nil
}

// hashed adds up what is read of a member.
type hashed struct {
	b   *bundle
	sum hash.Hash
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.b.tar.Read(p)
	_, _ = h.sum.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		err = h.b.f.broken(err, h.b.f.at())
	}
	return n, err
}

// end wants nothing to follow the last member.
func (b *bundle) end() error {
	h, err := b.tar.Next()
	switch {
	case errors.Is(err, io.EOF):
		return endOfTar(b.f, b.last)
	case err != nil:
		return b.f.broken(err, b.f.at())
	default:
		return b.f.fault(errs.Invalid, "the bundle holds %s, which its manifest does not name", printable(h.Name))
	}
}
