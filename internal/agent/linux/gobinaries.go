package linux

import (
	"context"
	"debug/buildinfo"
	"debug/elf"
	"io"
	"io/fs"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// maxBinaries bounds how many programs are looked into.
const maxBinaries = 1000

// goFolders are where programs are that no package manager put there. What is in /usr/bin belongs to the distribution's
// packages and is listed with them.
func goFolders(h *host.Host) []string {
	folders := []string{"usr/local/bin", "usr/local/sbin", "usr/local/go/bin"}
	for _, dir := range subfolders(h, "opt", maxFolders) {
		folders = append(folders, dir, dir+"/bin")
	}
	return folders
}

// goPrograms lists the files that may be programs written in Go.
func goPrograms(h *host.Host) []string {
	var out []string
	for _, dir := range goFolders(h) {
		entries, err := fs.ReadDir(h.Files, dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.Type().IsRegular() && len(out) <= maxBinaries {
				out = append(out, dir+"/"+e.Name())
			}
		}
	}
	return out
}

func goMarks(h *host.Host) []string { return goPrograms(h) }

// readGo lists the modules of programs written in Go, which carry that list with them.
func readGo(ctx context.Context, h *host.Host, _ distribution) ([]collect.Application, error) {
	programs := goPrograms(h)
	if len(programs) > maxBinaries {
		return nil, errTooMany
	}
	seen := map[collect.Application]bool{}
	var apps []collect.Application
	for _, p := range programs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, a := range goModules(h, p) {
			if !seen[a] {
				seen[a] = true
				apps = append(apps, a)
			}
		}
		if len(apps) > maxModules {
			return nil, errTooMany
		}
	}
	if len(apps) == 0 {
		return nil, collect.NotApplicableError("there are no programs written in Go but those of packages")
	}
	return apps, nil
}

// goModules gives the modules that a program was built of; none for what is no program, or not one in Go.
func goModules(h *host.Host, name string) []collect.Application {
	f, err := openRegular(h, name)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // it was only read
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil
	}
	// A program of another kind would be searched to its end.
	own, ok := newELF(r)
	if !ok {
		return nil
	}
	program, err := elf.NewFile(own)
	if err != nil || program.Section(".go.buildinfo") == nil {
		return nil
	}
	info, err := buildinfo.Read(own)
	if err != nil {
		return nil
	}
	return modulesOf(info)
}

// modulesOf lists the modules of a program: its own where it has a version, what it was built with, and the standard
// library, which has vulnerabilities of its own.
func modulesOf(info *buildinfo.BuildInfo) []collect.Application {
	var apps []collect.Application
	version, _, _ := strings.Cut(info.GoVersion, " ") // what follows are experiments that were switched on
	if v, ok := strings.CutPrefix(version, "go"); ok {
		apps = append(apps, goModule("stdlib", v))
	}
	if info.Main.Path != "" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		apps = append(apps, goModule(info.Main.Path, info.Main.Version))
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version != "" && m.Version != "(devel)" {
			apps = append(apps, goModule(m.Path, m.Version))
		}
	}
	return apps
}

func goModule(path, version string) collect.Application {
	namespace, name := "", path
	if slash := strings.LastIndexByte(path, '/'); slash >= 0 {
		namespace, name = path[:slash], path[slash+1:]
	}
	return collect.Application{Name: path, Version: version, PURL: packageURL("golang", namespace, name, version)}
}
