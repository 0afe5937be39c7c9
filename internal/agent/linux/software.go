package linux

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"muster/internal/agent/category"
	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

// Bounds of lists of software. A list that is longer is not cut, since a part of it would pass for the whole: it could not
// be read.
const (
	maxPackages = 10_000 // of a distribution; the largest have some 6 000
	maxModules  = 3_000  // of a language
)

// source is one place where it is written what is installed.
type source struct {
	name string
	// marks names the files and folders that change when what is installed does.
	marks func(h *host.Host) []string
	// read gives what is installed. It gives a collect.NotApplicableError where the source does not exist on this machine.
	read func(ctx context.Context, h *host.Host, d distribution) ([]collect.Application, error)
	most int
	// products: its entries are programs under names that people know, of which some are of a category.
	products bool

	last remembered[[]collect.Application]
}

// softwareCollector lists what is installed, by where it is written. It is light: as long as nothing was installed or
// removed it looks at the dates of some files, and what is forbidden is seen soon after it was installed.
func softwareCollector(h *host.Host) collect.Collector {
	sources := []*source{
		{name: "dpkg", marks: dpkgMarks, read: readDpkg, most: maxPackages, products: true},
		{name: "rpm", marks: rpmMarks, read: readRPM, most: maxPackages, products: true},
		{name: "apk", marks: apkMarks, read: readAPK, most: maxPackages, products: true},
		{name: "snap", marks: snapMarks, read: readSnap, most: maxModules, products: true},
		{name: "flatpak", marks: flatpakMarks, read: readFlatpak, most: maxModules, products: true},
		{name: "pip", marks: pipMarks, read: readPip, most: maxModules},
		{name: "npm", marks: npmMarks, read: readNPM, most: maxModules},
		{name: "go", marks: goMarks, read: readGo, most: maxModules},
	}
	return collect.Collector{Subject: "software", Light: true, Collect: func(ctx context.Context, s *collect.Snapshot) error {
		found := make(map[string]collect.Fact[[]collect.Application], len(sources))
		for _, src := range sources {
			found[src.name] = src.look(ctx, h)
		}
		s.Software = found
		return nil
	}}
}

func (src *source) look(ctx context.Context, h *host.Host) collect.Fact[[]collect.Application] {
	marks := append([]string{"etc/os-release", "usr/lib/os-release"}, src.marks(h)...)
	return src.last.get(fingerprint(h, marks), h.Now(), func() collect.Fact[[]collect.Application] {
		apps, err := src.read(ctx, h, readDistribution(h))
		if err == nil && len(apps) > src.most {
			err = fmt.Errorf("there are more than %d entries", src.most)
		}
		apps = collect.Tidy(apps)
		if src.products {
			for i := range apps {
				apps[i].Category = category.Of(posture.Linux, apps[i].Name)
			}
		}
		return collect.Of(apps, err)
	})
}

// errTooMany ends the reading of a list that would not end.
var errTooMany = errors.New("the list has more entries than there can be")

// notHere makes 'does not apply' of what is not there.
func notHere(err error, why string) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrNoProgram) {
		return collect.NotApplicableError(why)
	}
	return err
}

// stanzas reads a file of entries that blank lines separate, of which each line has a key, a colon and a value, and calls
// each at the end of one. It keeps the values of the keys that are wanted only.
func stanzas(r io.Reader, wanted []string, each func(values map[string]string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 16<<10), 1<<20)
	values := make(map[string]string, len(wanted))
	end := func() error {
		if len(values) == 0 {
			return nil
		}
		err := each(values)
		clear(values)
		return err
	}
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if err := end(); err != nil {
				return err
			}
			continue
		}
		key, value, ok := cutKey(line)
		if ok && slices.Contains(wanted, string(key)) {
			values[string(key)] = string(value)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return end()
}
