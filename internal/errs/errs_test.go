package errs

import (
	"errors"
	"testing"
)

func TestSeveral(t *testing.T) {
	a, b := InvalidField("a", "a is wrong"), InvalidField("b", "b is wrong")
	if err := Several(nil); err != nil {
		t.Errorf("no mistake: %v", err)
	}
	if err := Several([]*Error{a}); !errors.Is(err, a) {
		t.Errorf("one mistake: %v", err)
	}
	err := Several([]*Error{a, b})
	var both *Error
	if !errors.As(err, &both) || both.Code != Invalid || both.Message != "a is wrong; b is wrong" || len(both.Several) != 2 || both.Field != "" {
		t.Errorf("two mistakes: %+v", err)
	}
}
