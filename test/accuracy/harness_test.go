package accuracy

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/gears"
	"muster/internal/posture"
	"muster/internal/vuln"
)

const (
	// envData names the variable with the folder of the feeds, where it is not ../shared/data beside the repository.
	envData = "MUSTER_TEST_DATA"
	// envRequire names the variable that, when it is 1, makes it a failure that an oracle cannot run while its data is there.
	envRequire = "MUSTER_REQUIRE_ORACLES"
	// envAll names the variable that, when it is 1, asks for every version of every package: some minutes.
	envAll = "MUSTER_ACCURACY_ALL"
)

// everything reports whether every version of every package is asked for.
func everything() bool { return os.Getenv(envAll) == "1" }

// data finds a file of real data, or skips t and says so.
func data(t testing.TB, name string) string {
	t.Helper()
	folder := os.Getenv(envData)
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "data")
	}
	path, err := filepath.Abs(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("NOT MEASURED: there is no %s; %s names the folder where it lies", path, envData)
	}
	return path
}

// python finds a Python that has rpm's comparison, or skips t; it fails t where oracles are required.
func python(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), name, "-c", "import rpm").Run() == nil {
			return name
		}
	}
	const missing = "there is no Python with rpm's own comparison: install it (Debian: apt-get install python3-rpm)"
	if os.Getenv(envRequire) == "1" {
		t.Fatalf("%s=1: %s", envRequire, missing)
	}
	t.Skip("NOT MEASURED: " + missing)
	return ""
}

// archive reads the records of a .tar.xz, in which a record may lie in several folders: each is handed over once.
func archive(t testing.TB, path string, each func(name string, record []byte)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "xz", "-dc", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("xz is needed to unpack %s: %v", path, err)
	}
	seen := make(map[string]bool)
	files := tar.NewReader(out)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(h.Name)
		if !strings.HasSuffix(base, ".json") || seen[base] {
			continue
		}
		seen[base] = true
		record, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		each(base, record)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// read are the archives that were read. Tests here run one after the other.
var read = make(map[string][]vuln.Entry)

// entries reads an archive of OSV records.
func entries(t testing.TB, path string) []vuln.Entry {
	t.Helper()
	if out, ok := read[path]; ok {
		return out
	}
	var out []vuln.Entry
	archive(t, path, func(_ string, record []byte) {
		var e vuln.Entry
		if err := json.Unmarshal(record, &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	})
	slices.SortFunc(out, func(a, b vuln.Entry) int { return strings.Compare(a.ID, b.ID) })
	read[path] = out
	return out
}

// run gives lines of JSON to an oracle and reads what it answers.
func run[In, Out any](t testing.TB, in []In, command ...string) []Out {
	t.Helper()
	var input bytes.Buffer
	enc := json.NewEncoder(&input)
	for i := range in {
		if err := enc.Encode(&in[i]); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin, cmd.Stderr = &input, os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("the oracle failed: %v", err)
	}
	var out []Out
	dec := json.NewDecoder(bufio.NewReader(bytes.NewReader(text)))
	for dec.More() {
		var o Out
		if err := dec.Decode(&o); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// machine is what a machine reports as installed.
type machine struct {
	family, distribution string
	version              string           // of the system; 99 where it plays no part
	software             []map[string]any // as agents write it
}

// report sends a machine's software through the door: what an agent writes is what is decoded.
func (m *machine) report(t testing.TB) *posture.Report {
	t.Helper()
	os := map[string]any{"family": m.family, "name": m.family, "version": cmp.Or(m.version, "99")}
	if m.distribution != "" {
		os["distribution"] = m.distribution
	}
	body, err := json.Marshal(map[string]any{"soh": map[string]any{"os_info": []any{os}, "applications": m.software}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := gears.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// figures counts how findings compare with the truth.
type figures struct{ both, missed, invented int }

func (f figures) plus(o figures) figures {
	return figures{f.both + o.both, f.missed + o.missed, f.invented + o.invented}
}

// String tells precision (of what was found, how much is true) and recall (of what is true, how much was found).
func (f figures) String() string {
	return fmt.Sprintf("%8d true, %8d found: precision %s, recall %s", f.both+f.missed, f.both+f.invented,
		percent(f.both, f.both+f.invented), percent(f.both, f.both+f.missed))
}

// percent never rounds up to 100.
func percent(part, whole int) string {
	switch {
	case whole == 0:
		return "-"
	case part == whole:
		return "100 %"
	default:
		return fmt.Sprintf("%.3f %%", float64(part*100_000/whole)/1000)
	}
}

// compare counts, and hands over the first differences.
func compare[K comparable](truth, found map[K]bool, differs func(k K, invented bool)) figures {
	var f figures
	for k := range found {
		if truth[k] {
			f.both++
			continue
		}
		f.invented++
		differs(k, true)
	}
	for k := range truth {
		if !found[k] {
			f.missed++
			differs(k, false)
		}
	}
	return f
}
