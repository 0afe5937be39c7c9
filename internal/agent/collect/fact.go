package collect

import (
	"errors"
	"fmt"
)

// State says how a fact came about. The zero value is that nobody has looked, so that what a collector forgot, or had no
// time for, is never taken for an answer.
type State uint8

// The states of a fact.
const (
	NotLooked State = iota
	IsKnown
	NotApplicable
	Unreadable
)

// Fact is what is known of one thing: a value, that the thing does not apply to this machine, or why it could not be
// read. It is never a guess.
type Fact[T any] struct {
	Value T // means nothing unless State is IsKnown
	State State
	Why   string // of NotApplicable and Unreadable: for people, on one line
}

// Known is a fact that was read.
func Known[T any](v T) Fact[T] { return Fact[T]{Value: v, State: IsKnown} }

// DoesNotApply is a fact that there cannot be on this machine: the battery of a server.
func DoesNotApply[T any](why string) Fact[T] { return Fact[T]{State: NotApplicable, Why: why} }

// CouldNotRead is a fact that there may be, but for the reason in err.
func CouldNotRead[T any](err error) Fact[T] { return Fact[T]{State: Unreadable, Why: reason(err)} }

// CouldNotReadf is CouldNotRead with a reason made on the spot.
func CouldNotReadf[T any](format string, args ...any) Fact[T] {
	return CouldNotRead[T](fmt.Errorf(format, args...))
}

// Of is the fact that a value and an error make together, as functions give them.
func Of[T any](v T, err error) Fact[T] {
	var n *notApplicable
	switch {
	case err == nil:
		return Known(v)
	case errors.As(err, &n):
		return DoesNotApply[T](n.why)
	default:
		return CouldNotRead[T](err)
	}
}

// Get gives the value and whether there is one.
func (f Fact[T]) Get() (T, bool) { return f.Value, f.State == IsKnown }

// Status gives the fact without its value.
func (f Fact[T]) Status() (State, string) { return f.State, f.Why }

// NotApplicableError makes an error that Of turns into a fact that does not apply.
func NotApplicableError(why string) error { return &notApplicable{why} }

type notApplicable struct{ why string }

func (n *notApplicable) Error() string { return n.why }

// maxWhy bounds a reason, in characters: programs explain themselves at length.
const maxWhy = 300

// reason writes an error on one line of valid UTF-8.
func reason(err error) string {
	out := make([]rune, 0, 64)
	for _, r := range err.Error() {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		out = append(out, r)
		if len(out) == maxWhy {
			out[maxWhy-1] = '…'
			break
		}
	}
	return string(out)
}
