package arch

import (
	"fmt"
	"go/ast"
	"strings"
)

// The limits guard the tail, not the average: most files and functions are far shorter.
const (
	MaxFileLines     = 600
	MaxFunctionLines = 80
)

// longMark begins the comment that excuses a long function. What follows it is the reason.
const longMark = "long:"

// Sizes finds files and functions that are too long. Tests are exempt, for a table may be as long as it needs, and so
// is what a program has generated.
func (t *Tree) Sizes() []Violation {
	var found []Violation
	for _, dir := range t.Folders() {
		for _, f := range t.packages[dir] {
			if f.test || ast.IsGenerated(f.ast) {
				continue
			}
			if f.lines > MaxFileLines {
				found = append(found, Violation{f.path, fmt.Sprintf("%d lines, at most %d are allowed: split it by what it does",
					f.lines, MaxFileLines)})
			}
			found = append(found, t.longFunctions(f)...)
		}
	}
	return found
}

func (t *Tree) longFunctions(f file) []Violation {
	var found []Violation
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1
		if lines > MaxFunctionLines && !excused(f.ast, fn) {
			found = append(found, Violation{t.at(fn.Pos()), fmt.Sprintf(
				"%s has %d lines, at most %d are allowed: split it, or say why not in a '// %s reason' comment",
				fn.Name.Name, lines, MaxFunctionLines, longMark)})
		}
	}
	return found
}

// excused reports whether a comment of the function, above it or inside, gives a reason for its length.
func excused(f *ast.File, fn *ast.FuncDecl) bool {
	from := fn.Pos()
	if fn.Doc != nil {
		from = fn.Doc.Pos()
	}
	for _, group := range f.Comments {
		if group.Pos() < from || group.End() > fn.End() {
			continue
		}
		for _, c := range group.List {
			text := strings.TrimSpace(strings.TrimPrefix(c.Text, "//"))
			if reason, ok := strings.CutPrefix(text, longMark); ok && strings.TrimSpace(reason) != "" {
				return true
			}
		}
	}
	return false
}
