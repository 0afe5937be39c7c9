package webhook

import (
	"errors"
	"strings"
	"testing"

	"muster/internal/errs"
)

func TestChange(t *testing.T) {
	url := "https://receiver.example/"
	ptr := func(s string) *string { return &s }
	list := func(s ...string) *[]string { return &s }
	svc := New(Options{})
	for _, c := range []struct {
		name   string
		form   Form
		change Change
		field  string // that the error names; "" for none
	}{
		{"all of it", Opswat, Change{Name: ptr("NAC"), URL: &url, APIKey: ptr(" k "), Events: list("deleted")}, ""},
		{"no key", Opswat, Change{Name: ptr("NAC"), URL: &url, APIKey: ptr("")}, ""},
		{"the longest name", Opswat, Change{Name: ptr(strings.Repeat("å", 64)), URL: &url}, ""},
		{"no name", Opswat, Change{URL: &url}, "name"},
		{"a blank name", Opswat, Change{Name: ptr(" "), URL: &url}, "name"},
		{"a long name", Opswat, Change{Name: ptr(strings.Repeat("å", 65)), URL: &url}, "name"},
		{"a name of two lines", Opswat, Change{Name: ptr("a\nb"), URL: &url}, "name"},
		{"a name that is no text", Opswat, Change{Name: ptr("a\xff"), URL: &url}, "name"},
		{"no form", "", Change{Name: ptr("NAC"), URL: &url}, "form"},
		{"no such form", "x", Change{Name: ptr("NAC"), URL: &url}, "form"},
		{"another form", Opswat, Change{Name: ptr("NAC"), URL: &url, Form: Standard}, "form"},
		{"no url", Opswat, Change{Name: ptr("NAC")}, "url"},
		{"a private url", Opswat, Change{Name: ptr("NAC"), URL: ptr("https://10.0.0.1")}, "url"},
		{"a key of two lines", Opswat, Change{Name: ptr("NAC"), URL: &url, APIKey: ptr("a\r\nb")}, "api_key"},
		{"a long key", Opswat, Change{Name: ptr("NAC"), URL: &url, APIKey: ptr(strings.Repeat("x", 1025))}, "api_key"},
		{"a key that is not ASCII", Opswat, Change{Name: ptr("NAC"), URL: &url, APIKey: ptr("å")}, "api_key"},
		{"a secret where none is", Opswat, Change{Name: ptr("NAC"), URL: &url, NewSecret: true}, "new_secret"},
		{"a key where none is", Standard, Change{Name: ptr("NAC"), URL: &url, APIKey: ptr("k")}, "api_key"},
		{"no such event", Opswat, Change{Name: ptr("NAC"), URL: &url, Events: list("compliant", "x")}, "events"},
		{"no events", Opswat, Change{Name: ptr("NAC"), URL: &url, Events: list()}, "events"},
	} {
		w := Webhook{Form: c.form}
		_, err := svc.apply(c.change, &w, nil)
		var known *errs.Error
		errors.As(err, &known)
		if (err != nil) != (c.field != "") || err != nil && (known == nil || known.Field != c.field || known.Code != errs.Invalid) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	w := Webhook{Ref: Ref{ID: "1"}, Name: "NAC", URL: url, Form: Opswat}
	_, err := svc.apply(Change{}, &w, []Webhook{{Ref: Ref{ID: "1"}, Name: "NAC"}})
	if err != nil {
		t.Error(err)
	}
	_, err = svc.apply(Change{}, &w, []Webhook{{Ref: Ref{ID: "2"}, Name: "nac"}})
	if !errs.Is(err, errs.Conflict) {
		t.Error(err)
	}
}
