package gears

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/errs"
)

func seed(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatal(pattern, err)
	}
	for _, file := range files {
		f.Add(readSample(f, strings.TrimPrefix(filepath.ToSlash(file), "testdata/")))
	}
}

// FuzzReport: whatever comes is either refused as invalid, or decodes (now and with its white space gone, under the
// same digest) to a report that can be stored.
func FuzzReport(f *testing.F) {
	seed(f, "testdata/reports/*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		digest, err := digestReport(body)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		if !utf8.Valid(body) {
			t.Fatal("invalid UTF-8 was accepted")
		}
		compact := jsontext.Value(append([]byte(nil), body...))
		if err := compact.Compact(); err != nil {
			t.Fatalf("not JSON, and accepted: %v", err)
		}
		again, err := digestReport(compact)
		if err != nil || again.sum != digest.sum || again.set != digest.set {
			t.Fatalf("digest without white space: %v, the same: %v", err, again.sum == digest.sum)
		}
		around, body := aroundOf(body, &digest)
		if err := checkJSON(body); err != nil {
			t.Fatalf("without neighbours it is broken: %v", err)
		}
		if around != nil {
			neighbours, err := around.Decode()
			if err != nil {
				mustBeInvalid(t, err)
			}
			mustBeStorable(t, reflect.ValueOf(neighbours))
			_, compact = aroundOf(compact, &again)
		}
		r, err := decodeReport(body)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		r2, err := decodeReport(compact)
		if err != nil || !reflect.DeepEqual(r, r2) {
			t.Fatalf("white space made a difference: %v\n%+v\n%+v", err, r, r2)
		}
		mustBeStorable(t, reflect.ValueOf(*r))
	})
}

// FuzzRegistration is the same for registrations.
func FuzzRegistration(f *testing.F) {
	seed(f, "testdata/registrations/*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := checkJSON(body); err != nil {
			mustBeInvalid(t, err)
			return
		}
		key, err := licenseKeyOf(body)
		if err != nil {
			mustBeInvalid(t, err)
		}
		mustBeStorable(t, reflect.ValueOf(key))
		r, err := decodeRegistration(body)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		mustBeStorable(t, reflect.ValueOf(r))
	})
}

func mustBeInvalid(t *testing.T, err error) {
	t.Helper()
	if !errs.Is(err, errs.Invalid) {
		t.Fatalf("refused as %s: %v", errs.CodeOf(err), err)
	}
	if !utf8.ValidString(err.Error()) {
		t.Fatalf("the text of the error is not valid UTF-8: %q", err)
	}
}

// mustBeStorable checks every string in a value: valid UTF-8, no NUL, not endless.
func mustBeStorable(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); !utf8.ValidString(s) || strings.Contains(s, "\x00") || utf8.RuneCountInString(s) > maxText {
			t.Fatalf("cannot be stored: %q", s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				mustBeStorable(t, v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			mustBeStorable(t, v.Index(i))
		}
	}
}
