// Package errs is the error vocabulary that domain packages speak and doors translate.
//
// An error made here says what kind of failure it is, what a caller may be told about it, and what caused it. It
// knows nothing of HTTP: each door maps a Code to its own status and body, in one function.
package errs

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of failure an Error is.
type Code string

const (
	// Invalid: the caller sent something that cannot be accepted. Field names the offending member.
	Invalid Code = "invalid"
	// Unauthenticated: the caller did not prove who it is.
	Unauthenticated Code = "unauthenticated"
	// Forbidden: the caller is known, and may not do this.
	Forbidden Code = "forbidden"
	// NotFound: the thing named does not exist, or belongs to another account.
	NotFound Code = "not_found"
	// Conflict: the thing exists already, or changed meanwhile.
	Conflict Code = "conflict"
	// Stale: the caller changes a version of the thing that is no longer the current one.
	Stale Code = "stale"
	// TooLarge: more bytes, elements or levels than are accepted.
	TooLarge Code = "too_large"
	// UnsupportedMedia: the body is in a form that is not spoken here.
	UnsupportedMedia Code = "unsupported_media_type"
	// OverLicence: the account has no room for another device.
	OverLicence Code = "over_licence"
	// RateLimited: too many calls.
	RateLimited Code = "rate_limited"
	// Unavailable: the server cannot do this now; trying again later may work.
	Unavailable Code = "unavailable"
	// Internal is what CodeOf answers for every error that was not made here.
	Internal Code = "internal"
)

// Error is a failure with a kind, a text that may be shown to whoever called, and a cause that may not.
type Error struct {
	Code    Code
	Message string // safe to show
	Field   string // the parameter or member at fault, where one is
	Err     error  // the cause; for the log only
	// Several are the mistakes, where there is more than one: Message then tells all of them.
	Several []*Error
}

// Error joins the message and the cause, for the log.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error without a cause.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error with a cause that is logged and never shown.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: cause}
}

// InvalidField makes an Invalid error about one named parameter or member.
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Several is nil, the one mistake, or one Invalid error that tells all of them.
func Several(mistakes []*Error) error {
	switch len(mistakes) {
	case 0:
		return nil
	case 1:
		return mistakes[0]
	}
	texts := make([]string, len(mistakes))
	for i, e := range mistakes {
		texts[i] = e.Message
	}
	return &Error{Code: Invalid, Message: strings.Join(texts, "; "), Several: mistakes}
}

// CodeOf gives the code of the first Error in the chain, or Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries the code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }
