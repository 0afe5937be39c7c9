package app

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/atomicfile"
	"muster/internal/errs"
	"muster/internal/signature"
	"muster/internal/vuln/feed"
)

// feedKeys is a flag of all that reads bundles.
type feedKeys struct {
	FeedKeys string `help:"File with the public keys, one a line, of those whose bundles are used." placeholder:"FILE"`
}

// readKeys reads public keys, one a line; lines that begin with # and empty ones are left out.
func readKeys(name string, of signature.Purpose) ([]ed25519.PublicKey, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, unreadable(err, name)
	}
	out, err := of.ParsePublics(string(text))
	if err != nil {
		return nil, errs.New(errs.Invalid, "%s: %v", name, err)
	}
	return out, nil
}

// errNoKeys says why a bundle is not used.
func errNoKeys(name string) error {
	return errs.New(errs.Invalid, "%s is a signed bundle: --feed-keys names the file with the public keys of those who may have made it", name)
}

// bundleStart is how much of a file tells whether it is a bundle.
const bundleStart = 512

// readBundle reads the feeds of a bundle, once all of it was verified. It reports false for a file that is none.
func (in *intake) readBundle(ctx context.Context, name string, f *os.File, queue chan<- parcel) (bool, error) {
	start := make([]byte, bundleStart)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, unreadable(err, name)
	}
	again := func() error {
		_, err := f.Seek(0, io.SeekStart)
		if err != nil {
			return unreadable(err, name)
		}
		return nil
	}
	if !feed.IsBundle(start[:n]) {
		return false, again()
	}
	if len(in.keys) == 0 {
		return true, errNoKeys(name)
	}
	err = again()
	if err != nil {
		return true, err
	}
	manifest, err := feed.VerifyBundle(name, f, in.keys)
	if err == nil {
		err = again()
	}
	if err != nil {
		return true, err
	}
	return true, feed.ReadBundle(name, f, manifest, func(m feed.Member, r io.Reader) error {
		return in.readFile(ctx, origin{name: name + " > " + m.Name, called: m.Feed}, r, queue)
	})
}

// readStream reads what comes but once. A bundle would have to be read twice.
func (in *intake) readStream(ctx context.Context, name string, r io.Reader, queue chan<- parcel) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	start, err := buffered.Peek(bundleStart)
	if err != nil && !errors.Is(err, io.EOF) {
		return unreadable(err, name)
	}
	if feed.IsBundle(start) {
		return errs.New(errs.Invalid, "%s is a signed bundle, which is read from a file only: it has to be verified first", name)
	}
	return in.readFile(ctx, origin{name: name}, buffered, queue)
}

type feedKeygen struct {
	File string `arg:"" help:"File to write the secret key to; the public one is written beside it, with .pub behind its name."`
}

// Run makes a key.
func (c *feedKeygen) Run(env *environment) error {
	return writeKey(env, c.File, signature.Feeds)
}

// writeKey makes a key: the secret one goes into a file, the public one beside it, and is printed.
func writeKey(env *environment, file string, of signature.Purpose) error {
	key, err := signature.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	public := of.FormatPublic(signature.PublicOf(key))
	err = writeNew(file, of.FormatSecret(key)+"\n", 0o600)
	if err == nil {
		err = writeNew(file+".pub", public+"\n", 0o644)
	}
	if err != nil {
		return err
	}
	return printLine(env.stdout, public)
}

// writeNew writes a file that must not exist yet.
func writeNew(name, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return errs.New(errs.Conflict, "%s exists already", name)
	}
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "%s cannot be written", name)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

type feedBundle struct {
	jsonFlag `embed:""`
	Out      string   `arg:"" help:"File to write; it must not exist yet."`
	Paths    []string `arg:"" name:"path" help:"Files and folders, each a feed; NAME=PATH says what it is called where it is imported, after its format otherwise."`
	Key      string   `help:"File with the secret key to sign with: see keygen." required:"" placeholder:"FILE"`
}

// Run makes the bundle.
func (c *feedBundle) Run(env *environment) error {
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return unreadable(err, c.Key)
	}
	key, err := signature.Feeds.ParseSecret(string(text))
	if err != nil {
		return errs.New(errs.Invalid, "%s: %v", c.Key, err)
	}
	var parts []feed.Part
	for _, path := range c.Paths {
		part, err := partOf(path)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	_, err = os.Lstat(c.Out)
	if err == nil {
		return errs.New(errs.Conflict, "%s exists already", c.Out)
	}
	var manifest feed.Manifest
	err = atomicfile.Fill(c.Out, 0o600, func(w io.Writer) error {
		var err error
		manifest, err = feed.WriteBundle(w, time.Now(), parts, key)
		return err
	})
	if err != nil {
		return err
	}
	return printManifest(env, &manifest, c.JSON)
}

// partOf makes a part of a bundle of a file, or of all files in a folder.
func partOf(arg string) (feed.Part, error) {
	name, path, named := strings.Cut(arg, "=")
	_, err := os.Stat(arg)
	if !named || err == nil {
		name, path = "", arg
	}
	info, err := os.Stat(path)
	if err != nil {
		return feed.Part{}, unreadable(err, path)
	}
	path = filepath.Clean(path)
	if info.IsDir() {
		whole, err := filepath.Abs(path)
		return feed.Part{
			Member: feed.Member{Name: filepath.Base(whole) + ".tar", Feed: name}, Open: func() (io.ReadCloser, error) { return folderAsTar(path), nil },
		}, err
	}
	return feed.Part{
		Member: feed.Member{Name: filepath.Base(path), Feed: name}, Open: func() (io.ReadCloser, error) { return os.Open(path) },
	}, nil
}

// folderAsTar packs the files of a folder that may hold feeds. The same files give the same bytes.
func folderAsTar(folder string) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		t := tar.NewWriter(w)
		err := eachFile(folder, func(name string, info fs.FileInfo) error {
			below, err := filepath.Rel(folder, name)
			if err != nil {
				return err
			}
			return addFile(t, filepath.ToSlash(below), name, info)
		})
		if err == nil {
			err = t.Close()
		}
		w.CloseWithError(err)
	}()
	return r
}

func addFile(t *tar.Writer, below, name string, info fs.FileInfo) error {
	f, err := os.Open(name)
	if err != nil {
		return unreadable(err, name)
	}
	defer f.Close() //nolint:errcheck // it was only read
	err = t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: below, Size: info.Size(), Mode: 0o644})
	if err != nil {
		return err
	}
	n, err := io.Copy(t, io.LimitReader(f, info.Size()))
	if err == nil && n != info.Size() {
		err = errs.New(errs.Unavailable, "%s changes while it is read", name)
	}
	return err
}

type feedVerify struct {
	jsonFlag `embed:""`
	feedKeys `embed:""`
	Bundle   string `arg:"" help:"The bundle."`
}

// Run verifies the bundle.
func (c *feedVerify) Run(env *environment) error {
	keys, err := readKeys(c.FeedKeys, signature.Feeds)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errNoKeys(c.Bundle)
	}
	f, err := os.Open(c.Bundle)
	if err != nil {
		return unreadable(err, c.Bundle)
	}
	defer f.Close() //nolint:errcheck // it was only read
	manifest, err := feed.VerifyBundle(c.Bundle, f, keys)
	if err != nil {
		return err
	}
	return printManifest(env, &manifest, c.JSON)
}

// bundleView is a bundle as the command line prints it. The names of its members stay.
type bundleView struct {
	Created time.Time    `json:"created"`
	KeyID   string       `json:"key_id"`
	Feeds   []memberView `json:"feeds"`
}

type memberView struct {
	File   string `json:"file"`
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func printManifest(env *environment, m *feed.Manifest, asJSON bool) error {
	v := bundleView{Created: m.Created, KeyID: m.KeyID, Feeds: []memberView{}}
	t := newTable("FILE", "FEED", "BYTES", "SHA-256")
	for i := range m.Members {
		one := memberView{File: m.Members[i].Name, Name: m.Members[i].Feed, Size: m.Members[i].Size, SHA256: m.Members[i].SHA256}
		v.Feeds = append(v.Feeds, one)
		t.row(one.File, one.Name, one.Size, one.SHA256)
	}
	if asJSON {
		return printJSON(env.stdout, v)
	}
	err := t.print(env.stdout)
	if err != nil {
		return err
	}
	return printLine(env.stdout, "signed", stamp(v.Created), "with the key", v.KeyID)
}
