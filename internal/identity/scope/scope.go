// Package scope says who may do what. It is pure.
package scope

import "strings"

// Permission is what an application, and so its tokens, may do.
type Permission string

const (
	// Read allows every call that changes nothing.
	Read Permission = "read"
	// Write allows everything Read does, and the calls that change devices.
	Write Permission = "write"
	// Admin allows everything: also to change policies, groups, applications, webhooks and settings.
	Admin Permission = "admin"
)

// rank orders the permissions: each allows what the lower ones do. 0 is no permission.
var rank = map[Permission]int{Read: 1, Write: 2, Admin: 3}

// Parse reads a permission. ok is false for anything but `read`, `write` and `admin`.
func Parse(s string) (p Permission, ok bool) {
	p = Permission(s)
	return p, rank[p] > 0
}

// Allows reports whether a holder of p may do what needs want.
func (p Permission) Allows(want Permission) bool { return rank[want] > 0 && rank[p] >= rank[want] }

// String gives the `scope` member of a token answer: the permissions held, separated by blanks.
func (p Permission) String() string {
	if rank[p] == 0 {
		return string(p)
	}
	var held []string
	for _, q := range []Permission{Read, Write, Admin} {
		if p.Allows(q) {
			held = append(held, string(q))
		}
	}
	return strings.Join(held, " ")
}

// Within gives what is left of p where no more than bound is allowed: nothing, unless both are permissions.
func (p Permission) Within(bound Permission) Permission {
	switch {
	case bound.Allows(p):
		return p
	case p.Allows(bound):
		return bound
	default:
		return ""
	}
}
