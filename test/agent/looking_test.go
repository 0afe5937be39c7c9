package agent

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/agent/linux"
	"muster/test/proof"
)

// look runs the real collectors of some subjects on this machine.
func look(t *testing.T, subjects ...string) *collect.Snapshot {
	t.Helper()
	h := host.System()
	chosen := slices.DeleteFunc(linux.Collectors(h), func(c collect.Collector) bool { return !slices.Contains(subjects, c.Subject) })
	if len(chosen) != len(subjects) {
		t.Fatalf("of %q there are only %d", subjects, len(chosen))
	}
	s := collect.Gather(t.Context(), chosen, nil, h.Now(), slog.New(slog.DiscardHandler))
	if len(s.Failed) > 0 {
		t.Fatalf("failed: %v", s.Failed)
	}
	return s
}

// agree compares what we say with what others say, which are given as lists of lines, until they agree: other programs
// change the machine while tests run.
func agree(t *testing.T, what string, sides func() (we, they []string)) {
	t.Helper()
	diff := "nothing was compared"
	defer func() {
		if t.Failed() {
			t.Logf("%s (- they, + we):\n%s", what, diff)
		}
	}()
	proof.Eventually(t, what, func() bool {
		we, they := sides()
		slices.Sort(we)
		slices.Sort(they)
		diff = cmp.Diff(slices.Compact(they), slices.Compact(we))
		return diff == ""
	})
}

// lines splits what a program wrote.
func lines(out string) []string {
	return strings.FieldsFunc(out, func(r rune) bool { return r == '\n' })
}

// spelled takes a package URL apart into its type, name, version and qualifiers, with a reader of URLs that is not ours.
func spelled(t *testing.T, purl string) (name, version string, qualifiers url.Values) {
	t.Helper()
	u, err := url.Parse(purl)
	if err != nil {
		t.Fatal(err)
	}
	name, version, _ = strings.Cut(u.Opaque, "@")
	for _, part := range []*string{&name, &version} {
		if *part, err = url.PathUnescape(*part); err != nil {
			t.Fatal(err)
		}
	}
	return name, version, u.Query()
}
