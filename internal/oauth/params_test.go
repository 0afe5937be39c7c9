package oauth

import (
	"net/url"
	"testing"
)

// FuzzAddForm: what the standard library can read is read alike.
func FuzzAddForm(f *testing.F) {
	f.Add("a=1&b=%20+&a=2&c")
	f.Add("a=&a=1&=x&%61=2")
	f.Fuzz(func(t *testing.T, form string) {
		got := params{}
		got.addForm(form)
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		want := params{}
		for name, all := range values {
			for _, value := range all {
				want.add(name, value)
			}
		}
		if len(got) != len(want) {
			t.Errorf("got %q, want %q", got, want)
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%q is %q, want %q", name, got[name], value)
			}
		}
	})
}
