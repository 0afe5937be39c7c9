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
)

// Parse reads a permission. ok is false for anything but `read` and `write`.
func Parse(s string) (p Permission, ok bool) {
	p = Permission(s)
	return p, p == Read || p == Write
}

// Allows reports whether a holder of p may do what needs want.
func (p Permission) Allows(want Permission) bool {
	return p == want && (p == Read || p == Write) || p == Write && want == Read
}

// String gives the `scope` member of a token answer: the permissions held, separated by blanks.
func (p Permission) String() string {
	if p == Write {
		return strings.Join([]string{string(Read), string(Write)}, " ")
	}
	return string(p)
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
