package feed

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"muster/internal/errs"
	"muster/internal/vuln"
)

// got is all that came of one reading.
type got struct {
	head       Head
	entries    []*vuln.Entry
	statements []*Statement
	paths      []string
	problems   []string
	err        error
}

// read reads a text as a feed.
func read(name, text string) got { return readWith(name, strings.NewReader(text), Options{}) }

func readWith(name string, in io.Reader, opt Options) (g got) {
	opt.Problem = func(p Problem) { g.problems = append(g.problems, p.String()) }
	g.head, g.err = Read(name, in, opt, func(i Item) error {
		if i.Entry != nil {
			g.entries = append(g.entries, i.Entry)
		}
		if i.Statement != nil {
			g.statements = append(g.statements, i.Statement)
		}
		g.paths = append(g.paths, i.Path)
		return nil
	})
	return g
}

func (g got) ids() string {
	var out []string
	for _, e := range g.entries {
		out = append(out, e.ID)
	}
	return strings.Join(out, " ")
}

// fails wants an error with a text in it.
func (g got) fails(t *testing.T, want string) {
	t.Helper()
	if g.err == nil || !strings.Contains(g.err.Error(), want) {
		t.Errorf("got error %v, want one with %q", g.err, want)
	}
	if errs.CodeOf(g.err) == errs.Internal {
		t.Errorf("the error has no code: %v", g.err)
	}
}

const osvA = `{"schema_version":"1.7.0","id":"A-1","modified":"2026-01-02T03:04:05Z","aliases":["CVE-2026-0001"],` +
	`"affected":[{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2"}]}]}]}`

func TestOSV(t *testing.T) {
	b := strings.NewReplacer("A-1", "B-1", "2026-01-02", "2026-02-02").Replace(osvA)
	for name, text := range map[string]string{
		"one after the other": osvA + b,
		"lines":               osvA + "\n" + b + "\n",
		"array":               "\n[" + osvA + ",\n" + b + "]\n",
		"byte order mark":     "\ufeff" + osvA + b,
	} {
		g := read("x.json", text)
		if g.err != nil || g.ids() != "A-1 B-1" || g.head.Format != OSV || g.head.Items != 2 || g.head.Files != 1 {
			t.Errorf("%s: %v, %v, %+v", name, g.err, g.ids(), g.head)
		}
		if want := time.Date(2026, 2, 2, 3, 4, 5, 0, time.UTC); !g.head.AsOf.Equal(want) {
			t.Errorf("%s: as of %v, want %v", name, g.head.AsOf, want)
		}
		if e := g.entries[0]; len(e.Affected) != 1 || e.Affected[0].Ranges[0].Events[1].Fixed != "1.2" {
			t.Errorf("%s: the record was not read whole: %+v", name, e)
		}
	}
}

func TestRecordsThatCannotBeUsedAreCounted(t *testing.T) {
	g := read("x.json", `[{"id":"A","modified":7}, {"modified":"2026-01-01T00:00:00Z"}, `+osvA+`]`)
	if g.err != nil || g.ids() != "A-1" || g.head.Problems[notOfTheForm] != 1 || g.head.Problems[noID] != 1 || len(g.problems) != 2 {
		t.Errorf("%v, %v, %v", g.err, g.ids(), g.problems)
	}
}

func TestDamagedJSON(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", "is empty"},
		{" \n ", "is empty"},
		{"hello", "none of the feeds"},
		{`{"a":1}`, "none of the feeds"},
		{`[]`, "none of the feeds"},
		{osvA[:len(osvA)-3], "cut short"},
		{"[" + osvA, "cut short"},
		{"[" + osvA + ",", "cut short"},
		{osvA + osvA[:10], "cut short"},
		{"[" + osvA + "] 1", "something follows"},
		{"[" + osvA + "] x", "is not JSON"},
		{osvA + "x", "at byte 230 is not JSON"},
		{"[" + osvA + ",x]", "is not JSON"},
	} {
		read("x.json", tc.text).fails(t, "x.json: ")
		read("x.json", tc.text).fails(t, tc.want)
	}
}

func TestReadersAreReused(t *testing.T) {
	// An error in one file leaves nothing behind in what the next one is read with.
	var r run
	r.opt.Limits = DefaultLimits()
	r.each = func(Item) error { return nil }
	for range 2 {
		if err := r.open("a", strings.NewReader(osvA[:50]), false, 0); err == nil {
			t.Error("a file that is cut short is no error")
		}
		if err := r.open("b", strings.NewReader(osvA), false, 0); err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsOfOthersPass(t *testing.T) {
	mine := errors.New("mine")
	_, err := Read("x", strings.NewReader(osvA), Options{}, func(Item) error { return mine })
	if !errors.Is(err, mine) {
		t.Errorf("of each: %v", err)
	}
	_, err = Read("x", strings.NewReader(osvA), Options{Begin: func(f Format) error {
		if f != OSV {
			t.Errorf("began with %q", f)
		}
		return mine
	}}, nil)
	if !errors.Is(err, mine) {
		t.Errorf("of Begin: %v", err)
	}
	_, err = Read("x", io.MultiReader(strings.NewReader(osvA[:30]), iotest.ErrReader(mine)), Options{}, nil)
	if !errors.Is(err, mine) || errs.CodeOf(err) != errs.Unavailable {
		t.Errorf("of the reader: %v", err)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	opt := Options{Limits: Limits{Item: 1 << 20}}
	long := strings.Replace(osvA, `"id"`, `"details":"`+strings.Repeat("x", 2<<20)+`","id"`, 1)
	readWith("x.json", strings.NewReader(long), opt).fails(t, "larger than 1 MiB")
	many := strings.Repeat(osvA+"\n", 10_000) // more than that in all
	if g := readWith("x.json", strings.NewReader(many), opt); g.err != nil || len(g.entries) != 10_000 {
		t.Errorf("%d entries, %v", len(g.entries), g.err)
	}
}

func TestKEV(t *testing.T) {
	const one = `{"cveID":"CVE-2026-0001","vendorProject":"V","product":"P","vulnerabilityName":"V P Overflow","dateAdded":"2026-03-04",` +
		`"shortDescription":"It overflows.","requiredAction":"-","dueDate":"2026-03-25","knownRansomwareCampaignUse":"Unknown","notes":"","cwes":["CWE-121"]}`
	list := func(count, rest string) string {
		return `{"title":"Known","catalogVersion":"2026.03.05","dateReleased":"2026-03-05T10:00:00.5Z","count":` + count + `,"vulnerabilities":[` + rest + `]}`
	}
	g := read("kev.json", list("1", one))
	if g.err != nil || len(g.entries) != 1 || g.head.Format != KEV || g.head.Declared != 1 {
		t.Fatalf("%v, %+v", g.err, g.head)
	}
	if want := time.Date(2026, 3, 5, 10, 0, 0, 5e8, time.UTC); !g.head.AsOf.Equal(want) {
		t.Errorf("as of %v, want %v", g.head.AsOf, want)
	}
	e := g.entries[0]
	if e.ID != "CVE-2026-0001" || !e.Extra.KEV || e.Summary != "V P Overflow" || e.Modified != "2026-03-04T00:00:00Z" || e.Extra.CWEs[0] != "CWE-121" {
		t.Errorf("%+v", e)
	}
	read("kev.json", list("2", one)).fails(t, "it says that it holds 2 vulnerabilities, and holds 1")
	read("kev.json", list("0", "")).fails(t, "the list is empty")
	read("kev.json", list("1", one)+"{}").fails(t, "something follows")
	read("kev.json", strings.Replace(list("1", one), "[", "3, [", 1)).fails(t, "at byte 114 there is number in the place of [")
	read("kev.json", strings.Replace(list("1", "7"), "[7]", "7", 1)).fails(t, "in the place of")
	g = read("kev.json", list("3", one+`,{"cveID":"x"},{"cveID":5}`))
	if g.err != nil || len(g.entries) != 1 || g.head.Problems[noCVE] != 1 || g.head.Problems[notOfTheForm] != 1 {
		t.Errorf("%v, %v", g.err, g.problems)
	}
}

func TestHeadsAreJoined(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	h := Head{}
	for _, o := range []Head{
		{Format: OSV, AsOf: late, Items: 1, Declared: 1, Files: 1, Problems: map[Reason]int{noID: 1}},
		{AsOf: early, Ignored: 2}, {Format: OSV, AsOf: early, Items: 2, Problems: map[Reason]int{noID: 2}},
	} {
		if err := h.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	if h.Format != OSV || h.AsOf != late || h.Items != 3 || h.Ignored != 2 || h.Problems[noID] != 3 {
		t.Errorf("%+v", h)
	}
	if err := h.Add(Head{Format: KEV}); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("two formats: %v", err)
	}
}

func TestFilesAmongOthers(t *testing.T) {
	for _, text := range []string{`{"fetchTime":"x"}`, "[]", "", "words"} {
		g := readWith("x.json", strings.NewReader(text), Options{Among: true})
		if g.err != nil || g.head.Ignored != 1 || g.head.Format != "" {
			t.Errorf("%q: %v, %+v", text, g.err, g.head)
		}
	}
	readWith("x.json", strings.NewReader(osvA[:50]), Options{Among: true}).fails(t, "cut short")
}

// The members of an object come in any order.
func TestDetect(t *testing.T) {
	for text, want := range map[string]Format{
		`{"id":"A"}`: OSV, `{"credits":[{"name":"x"},[1]],"id":"A"}`: OSV, `{"x":{"CVE":{"a":[1]}},"y":null,"z":1.5,"affected":[]}`: OSV, "[\n{\"id\":\"A\"}]": OSV,
		`{"containers":{}}`: CVE5, `{"x":[[]],"cveMetadata":{}}`: CVE5, `[{"dataType":"CVE_RECORD"}]`: CVE5,
		`{"vulnerabilities":[{"cve":{}}]}`: NVD, `{"version":"2.0","timestamp":"x","vulnerabilities":[{"cve":{}}]}`: NVD, `{"format":"NVD_CVE","totalResults":0}`: NVD,
		`{"title":"x","count":1,"vulnerabilities":[{"cveID":"x"}]}`: KEV, `{"vulnerabilities":[],"catalogVersion":"x"}`: KEV, `{"vulnerabilities":[{"x":{"y":1}}],"catalogVersion":"x"}`: KEV,
		"cveID,vendorProject": KEV, `"cveID","vendorProject"`: KEV,
		`{"author":"x","timestamp":"x","version":1,"statements":[]}`: OpenVEX, `{"@id":"x"}`: OpenVEX,
		`{"0ad":{"CVE-2026-1":{}}}`: DebianTracker, `{"a":{},"affected-package":{"TEMP-1":{}}}`: DebianTracker,
		"#model_version:x": EPSS, "cve,epss,percentile": EPSS,
		``: "", `[`: "", `[7]`: "", `{`: "", `{"x"`: "", `{"x":`: "", `{"x":{"y`: "", `{"vulnerabilities":[7]}`: "", `{"vulnerabilities":{"cve":1}}`: "", "name,cve": "", `{"fetchTime":"x","new":[]}`: "",
	} {
		if got := detect([]byte(text)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestWhatOSVHoldsForOthers(t *testing.T) {
	g := read("x.json", `{"id":"DEBIAN-CVE-2026-0001","modified":"2026-01-01T00:00:00Z","affected":[
		{"package":{"ecosystem":"Debian:12","name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],"ecosystem_specific":{"urgency":"unimportant"}},
		{"package":{"ecosystem":"Debian:13","name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2-1"}]}],"ecosystem_specific":{"urgency":"low"}},
		{"package":{"ecosystem":"npm","name":"p"},"versions":["1"],"ecosystem_specific":{"urgency":"unimportant"}},
		{"ranges":[{"type":"GIT","repo":"https://example.com","events":[{"introduced":"0"}]}]}]}`)
	if g.err != nil || len(g.entries) != 1 || told(g.entries[0]) != "Debian:13 p [0 2-1); npm p =1" {
		t.Error(g.err, told(g.entries[0]))
	}
}
