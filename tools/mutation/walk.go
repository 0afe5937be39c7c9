package main

import (
	"go/ast"
	"go/token"
	"go/types"
)

// block changes statements in place, and puts those that may be left out behind a switch.
func (m *mutator) block(list []ast.Stmt) {
	for i, s := range list {
		what := m.text(s)
		m.stmt(s)
		if optional(s) {
			n := m.add("leave out " + what)
			list[i] = &ast.IfStmt{Cond: call("mutationDo", n), Body: &ast.BlockStmt{List: []ast.Stmt{s}}}
		}
	}
}

// optional reports whether a package still compiles without the statement.
func optional(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ExprStmt:
		c, ok := s.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		f, ok := c.Fun.(*ast.Ident)
		return !ok || f.Name != "panic"
	case *ast.IncDecStmt:
		return true
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE
	case *ast.BranchStmt:
		return s.Label == nil && (s.Tok == token.BREAK || s.Tok == token.CONTINUE)
	default:
		return false
	}
}

// long: one case for each kind of statement.
func (m *mutator) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.BlockStmt:
		m.block(s.List)
	case *ast.IfStmt:
		m.stmt(s.Init)
		m.condition(&s.Cond)
		m.block(s.Body.List)
		m.stmt(s.Else)
	case *ast.ForStmt:
		m.stmt(s.Init)
		m.condition(&s.Cond)
		m.block(s.Body.List)
	case *ast.RangeStmt:
		m.expr(&s.X)
		m.block(s.Body.List)
	case *ast.SwitchStmt:
		m.stmt(s.Init)
		m.expr(&s.Tag)
		for _, c := range s.Body.List {
			c, ok := c.(*ast.CaseClause)
			if !ok {
				continue
			}
			for i := range c.List {
				if s.Tag == nil {
					m.condition(&c.List[i])
				}
			}
			m.block(c.Body)
		}
	case *ast.TypeSwitchStmt:
		for _, c := range s.Body.List {
			if c, ok := c.(*ast.CaseClause); ok {
				m.block(c.Body)
			}
		}
	case *ast.ExprStmt:
		m.expr(&s.X)
	case *ast.AssignStmt:
		m.exprs(s.Rhs)
	case *ast.ReturnStmt:
		m.exprs(s.Results)
	case *ast.DeferStmt:
		m.exprs(s.Call.Args)
	case *ast.LabeledStmt:
		m.stmt(s.Stmt)
	}
}

func (m *mutator) exprs(list []ast.Expr) {
	for i := range list {
		m.expr(&list[i])
	}
}

// condition changes an expression that decides. One that is no comparison and no combination is turned round.
func (m *mutator) condition(e *ast.Expr) {
	if *e == nil {
		return
	}
	what := m.text(*e)
	_, binary := ast.Unparen(*e).(*ast.BinaryExpr)
	m.expr(e)
	if !binary {
		*e = call("mutationNot", m.add("turn round "+what), *e)
	}
}

func (m *mutator) expr(e *ast.Expr) {
	switch x := (*e).(type) {
	case *ast.BinaryExpr:
		m.binary(e, x)
	case *ast.ParenExpr:
		m.expr(&x.X)
	case *ast.UnaryExpr:
		m.expr(&x.X)
	case *ast.CallExpr:
		m.expr(&x.Fun)
		m.exprs(x.Args)
	case *ast.SelectorExpr:
		m.expr(&x.X)
	case *ast.IndexExpr:
		m.expr(&x.Index)
	case *ast.SliceExpr:
		for _, p := range []*ast.Expr{&x.Low, &x.High} {
			if *p != nil {
				m.expr(p)
			}
		}
	case *ast.CompositeLit:
		for i := range x.Elts {
			if kv, ok := x.Elts[i].(*ast.KeyValueExpr); ok {
				m.expr(&kv.Value)
			} else {
				m.expr(&x.Elts[i])
			}
		}
	case *ast.FuncLit:
		m.block(x.Body.List)
	}
}

// binary changes a comparison, a combination or a sum. What is constant stays: the language wants it so in places.
func (m *mutator) binary(e *ast.Expr, x *ast.BinaryExpr) {
	of := m.pkg.info.Types[x]
	if of.Value != nil {
		return
	}
	what := m.text(x)
	switch x.Op {
	case token.LAND, token.LOR:
		m.condition(&x.X)
		m.condition(&x.Y)
		f, other := "mutationAnd", "or"
		if x.Op == token.LOR {
			f, other = "mutationOr", "and"
		}
		*e = call(f, m.add(other+" in "+what), x.X, lazily(x.Y))
	case token.EQL, token.NEQ:
		m.expr(&x.X)
		m.expr(&x.Y)
		*e = call("mutationNot", m.add("turn round "+what), x)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		m.expr(&x.X)
		m.expr(&x.Y)
		equal := &ast.BinaryExpr{X: x.X, Op: token.EQL, Y: x.Y}
		*e = call("mutationNot", m.add("turn round "+what), call("mutationBound", m.add("move the bound of "+what), x, equal))
	case token.ADD, token.SUB, token.MUL, token.QUO, token.REM:
		m.expr(&x.X)
		m.expr(&x.Y)
		if basic, ok := of.Type.Underlying().(*types.Basic); ok && basic.Info()&types.IsNumeric != 0 {
			op := map[token.Token]token.Token{token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.ADD, token.QUO: token.MUL, token.REM: token.MUL}[x.Op]
			*e = call("mutationPick", m.add(op.String()+" in "+what), x, &ast.BinaryExpr{X: x.X, Op: op, Y: x.Y})
		}
	}
}
