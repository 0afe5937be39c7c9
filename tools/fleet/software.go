package fleet

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed software/*.txt
var softwareFiles embed.FS

// catalogue is the software that machines with one kind of system may have.
type catalogue struct {
	ecosystem string
	mobile    bool
	base      *section
	varied    []line
	optional  []line
	others    []*section
}

// section is software that is installed together, as it stands in a report. It is written once and shared.
type section struct {
	name     string
	rendered []byte
}

// line is software that machines have in different versions: the packages of one source, or one program.
type line struct {
	names    []string
	versions []string // the newest last
	product  Product  // without name and version
}

// software reads the catalogue of a kind of system once.
var software = func() func(file string) *catalogue {
	all := sync.OnceValue(readSoftware)
	return func(file string) *catalogue {
		c := all()[file]
		if c == nil {
			panic("fleet: there is no list of software " + file)
		}
		return c
	}
}()

// ecosystems are those of the lists that are packages of a Linux distribution.
var ecosystems = map[string]string{
	"debian-12": "Debian:12", "ubuntu-24.04": "Ubuntu:24.04:LTS", "almalinux-9": "AlmaLinux:9",
}

// readSoftware reads every list. They are part of the program: a mistake in one is a programmer's.
func readSoftware() map[string]*catalogue {
	files, err := softwareFiles.ReadDir("software")
	if err != nil {
		panic("fleet: " + err.Error())
	}
	out := make(map[string]*catalogue, len(files))
	for _, f := range files {
		text, err := softwareFiles.ReadFile("software/" + f.Name())
		if err != nil {
			panic("fleet: " + err.Error())
		}
		kind := strings.TrimSuffix(f.Name(), ".txt")
		c := &catalogue{ecosystem: ecosystems[kind], mobile: kind == "android"}
		if err := c.read(string(text)); err != nil {
			panic(fmt.Sprintf("fleet: software list %s: %v", kind, err))
		}
		out[kind] = c
	}
	out["ios"] = &catalogue{mobile: true} // its agents may not look
	return out
}

func (c *catalogue) read(text string) error {
	var into *section
	part := ""
	for n, s := range strings.Split(text, "\n") {
		s = strings.TrimSpace(s)
		switch {
		case s == "" || s[0] == '#':
			continue
		case s[0] == '[':
			part = strings.Trim(s, "[]")
			into = c.begin(part)
			continue
		}
		l, err := c.line(s)
		if err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		switch part {
		case "varied":
			c.varied = append(c.varied, l)
		case "optional":
			c.optional = append(c.optional, l)
		default:
			into.add(c, &l)
		}
	}
	return nil
}

// begin makes the section that a heading announces; there is none for the two that are lines.
func (c *catalogue) begin(name string) *section {
	s := &section{name: name}
	switch name {
	case "varied", "optional":
	case "base":
		c.base = s
	default:
		c.others = append(c.others, s)
	}
	return s
}

// line reads: names | versions | vendor or source package | kind. The kind is category=…, package=… for a package of
// another ecosystem than the list's, or program for something on a Linux system that is no package.
func (c *catalogue) line(s string) (line, error) {
	fields := strings.Split(s, "|")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if len(fields) < 2 || len(fields) > 4 || fields[1] == "" {
		return line{}, fmt.Errorf("%q is not a line of software", s)
	}
	fields = append(fields, "", "")
	l := line{names: []string{fields[0]}, versions: strings.Fields(fields[1])}
	kind, value, _ := strings.Cut(fields[3], "=")
	switch {
	case kind == "package":
		l.product.Ecosystem = value
	case kind == "program" || c.ecosystem == "":
		l.product.Vendor = fields[2]
	default:
		l.names = strings.Split(fields[0], ", ")
		l.product.Ecosystem, l.product.Source = c.ecosystem, fields[2]
	}
	if kind == "category" {
		l.product.Category = value
	}
	return l, nil
}

// products gives what a line stands for, in one of its versions.
func (l *line) products(version string) []Product {
	out := make([]Product, len(l.names))
	for i, name := range l.names {
		p := l.product
		p.Name, p.Version = strings.Replace(name, "*", version, 1), version
		if p.Source == name {
			p.Source = ""
		}
		out[i] = p
	}
	return out
}

func (s *section) add(c *catalogue, l *line) {
	for _, p := range l.products(l.versions[0]) {
		if c.mobile {
			s.rendered = p.appendMobile(s.rendered)
		} else {
			s.rendered = p.append(s.rendered)
		}
	}
}

// find finds a line by its first name as far as the first star or bracket; nil if there is none.
func (c *catalogue) find(name string) *line {
	for _, list := range [][]line{c.varied, c.optional} {
		for i := range list {
			short, _, _ := strings.Cut(list[i].names[0], " *")
			if short, _, _ = strings.Cut(short, " ("); short == name {
				return &list[i]
			}
		}
	}
	return nil
}

// section finds a section by its name; nil if there is none.
func (c *catalogue) section(name string) *section {
	i := slices.IndexFunc(c.others, func(s *section) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return c.others[i]
}
