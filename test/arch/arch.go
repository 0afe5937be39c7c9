// Package arch holds the rules of the house that a compiler does not know: which package may import which, that every
// package says what it is for, and how long a file and a function may be. The test of this package applies them to the
// whole tree; its other tests apply them to trees that break them, one by one, so that a rule that has stopped biting is
// noticed.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Violation is one place where the tree breaks a rule.
type Violation struct {
	Where string // file:line, or a folder
	What  string
}

func (v Violation) String() string { return v.Where + ": " + v.What }

// A Tree is the parsed source of the module: every file, whatever system it is for.
type Tree struct {
	Module   string
	fset     *token.FileSet
	packages map[string][]file // by folder, "." for the root
}

type file struct {
	path string
	test bool
	ast  *ast.File
	// lines is the length of the file.
	lines int
}

// Load parses every Go file of a module. It leaves out what the go command leaves out, and modules inside the module.
func Load(fsys fs.FS, module string) (*Tree, error) {
	t := &Tree{Module: module, fset: token.NewFileSet(), packages: map[string][]file{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && ignored(fsys, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		return t.add(fsys, name)
	})
	return t, err
}

func (t *Tree) add(fsys fs.FS, name string) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	t.packages[dir] = append(t.packages[dir], file{
		path:  name,
		test:  strings.HasSuffix(name, "_test.go"),
		ast:   parsed,
		lines: t.fset.File(parsed.Pos()).LineCount(),
	})
	return nil
}

// ignored reports whether a folder is no part of the module.
func ignored(fsys fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

// Folders are the folders that hold Go files, in order.
func (t *Tree) Folders() []string {
	dirs := make([]string, 0, len(t.packages))
	for dir := range t.packages {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}

// at is the place of a node, as Violation wants it.
func (t *Tree) at(pos token.Pos) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// Docs finds packages that do not say what they are for. A library's comment begins with 'Package name', as godoc
// wants it.
func (t *Tree) Docs() []Violation {
	var found []Violation
	for _, dir := range t.Folders() {
		doc, name := "", ""
		for _, f := range t.packages[dir] {
			if f.ast.Doc != nil {
				doc = f.ast.Doc.Text()
			}
			if !f.test || name == "" {
				name = strings.TrimSuffix(f.ast.Name.Name, "_test")
			}
		}
		switch {
		case strings.TrimSpace(doc) == "":
			found = append(found, Violation{dir, "no comment says what the package is for"})
		case name != "main" && !strings.HasPrefix(doc, "Package "+name+" "):
			found = append(found, Violation{dir, "the package comment does not begin with 'Package " + name + "'"})
		}
	}
	return found
}
