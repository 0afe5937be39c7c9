package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// change is one that the changed package has a switch for.
type change struct {
	number int
	place  string // file and function
	what   string
}

// String names a change by what it changes, not by its line, so that the name outlives other changes of the file.
func (c change) String() string { return c.place + ": " + c.what }

// helpers are the switches in the changed package. A change is on if its number is in the environment.
const helpers = `package %s

import (
	"os"
	"strconv"
)

var mutationOn, _ = strconv.Atoi(os.Getenv("MUTATION"))

func mutationNot(n int, v bool) bool { return v != (mutationOn == n) }

func mutationBound(n int, v, equal bool) bool {
	if mutationOn == n && equal {
		return !v
	}
	return v
}

func mutationAnd(n int, a bool, b func() bool) bool {
	if mutationOn == n {
		return a || b()
	}
	return a && b()
}

func mutationOr(n int, a bool, b func() bool) bool {
	if mutationOn == n {
		return a && b()
	}
	return a || b()
}

func mutationPick[T any](n int, v, other T) T {
	if mutationOn == n {
		return other
	}
	return v
}

func mutationDo(n int) bool { return mutationOn != n }
`

// mutate writes the package in dir with all changes into temp, and tells of them.
func mutate(dir, temp string) ([]change, error) {
	pkg, err := load(dir)
	if err != nil {
		return nil, err
	}
	m := &mutator{pkg: pkg, seen: make(map[string]int)}
	replace := make(map[string]string)
	for i, file := range pkg.files {
		m.file(pkg.names[i], file)
		var buf bytes.Buffer
		if err := format.Node(&buf, pkg.fset, file); err != nil {
			return nil, err
		}
		path := filepath.Join(temp, pkg.names[i])
		if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
			return nil, err
		}
		replace[filepath.Join(dir, pkg.names[i])] = path
	}
	path := filepath.Join(temp, "mutation_switches.go")
	if err := os.WriteFile(path, fmt.Appendf(nil, helpers, pkg.name), 0o600); err != nil {
		return nil, err
	}
	replace[filepath.Join(dir, "mutation_switches.go")] = path
	return m.changes, writeOverlay(temp, replace)
}

// loaded is a package with its types.
type loaded struct {
	name  string
	fset  *token.FileSet
	names []string
	files []*ast.File
	info  *types.Info
}

// listed is what the go command tells of a package.
type listed struct {
	Dir, ImportPath, Name, Export string
	GoFiles                       []string
}

func load(dir string) (*loaded, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=Dir,ImportPath,Name,Export,GoFiles", ".")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the package: %w", err)
	}
	exports := make(map[string]string)
	var own listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		own = p // the last is the one that was asked for
	}
	l := &loaded{name: own.Name, fset: token.NewFileSet(), names: own.GoFiles, info: &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}}
	for _, name := range own.GoFiles {
		f, err := parser.ParseFile(l.fset, filepath.Join(own.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		l.files = append(l.files, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(l.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	_, err = conf.Check(own.ImportPath, l.fset, l.files, l.info)
	return l, err
}

// mutator changes files.
type mutator struct {
	pkg     *loaded
	changes []change
	seen    map[string]int
	place   string
}

// add makes a switch.
func (m *mutator) add(what string) ast.Expr {
	c := change{number: len(m.changes) + 1, place: m.place, what: what}
	if m.seen[c.String()]++; m.seen[c.String()] > 1 {
		c.what += fmt.Sprintf(" (%d)", m.seen[c.String()])
	}
	m.changes = append(m.changes, c)
	return &ast.BasicLit{Kind: token.INT, Value: fmt.Sprint(c.number)}
}

// text writes a piece of code on one line.
func (m *mutator) text(n ast.Node) string {
	var buf bytes.Buffer
	if err := printer.Fprint(&buf, m.pkg.fset, n); err != nil {
		return "?"
	}
	s := strings.Join(strings.Fields(buf.String()), " ")
	if r := []rune(s); len(r) > 90 {
		s = string(r[:89]) + "…"
	}
	return s
}

func (m *mutator) file(name string, f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Body != nil {
				m.place = name + " " + d.Name.Name
				m.block(d.Body.List)
			}
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					m.place = name + " " + v.Names[0].Name
					m.exprs(v.Values)
				}
			}
		}
	}
}

func call(f string, args ...ast.Expr) ast.Expr {
	return &ast.CallExpr{Fun: ast.NewIdent(f), Args: args}
}

func lazily(e ast.Expr) ast.Expr {
	results := &ast.FieldList{List: []*ast.Field{{Type: ast.NewIdent("bool")}}}
	return &ast.FuncLit{Type: &ast.FuncType{Params: &ast.FieldList{}, Results: results},
		Body: &ast.BlockStmt{List: []ast.Stmt{&ast.ReturnStmt{Results: []ast.Expr{e}}}}}
}
