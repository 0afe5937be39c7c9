package admin

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"muster/internal/errs"
)

// decoder reads JSON strictly: every member has to be known, to be there once, to be spelt as it is documented, and to have
// the right type; null is no value. It collects every mistake, each with the whole name of its member.
type decoder struct{ mistakes []*errs.Error }

// decode reads an object into a pointer to a struct. A member that is absent leaves its field as it is: pointers tell.
func decode(body []byte, into any) error {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return errs.New(errs.Invalid, "This call needs a body: a JSON object")
	case !json.Valid(body):
		return errs.New(errs.Invalid, "The body is not valid JSON")
	case body[0] != '{':
		return errs.New(errs.Invalid, "The body must be a JSON object")
	}
	var d decoder
	d.value("", body, reflect.ValueOf(into).Elem())
	return errs.Several(d.mistakes)
}

func (d *decoder) wrong(name, what string) {
	d.mistakes = append(d.mistakes, errs.InvalidField(name, "%s %s", name, what))
}

var (
	timeType = reflect.TypeFor[time.Time]()
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value reads one value, which is valid JSON.
func (d *decoder) value(name string, raw []byte, into reflect.Value) {
	switch {
	case string(raw) == "null":
		d.wrong(name, "must not be null; leave it out")
	case into.Type() == timeType:
		d.time(name, raw, into)
	case into.Kind() != reflect.Pointer && into.Addr().Type().Implements(textType):
		d.spelt(name, raw, into)
	default:
		d.plain(name, raw, into)
	}
}

func (d *decoder) plain(name string, raw []byte, into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(into.Type().Elem())
		d.value(name, raw, fresh.Elem())
		into.Set(fresh)
	case reflect.Struct:
		d.object(name, raw, into)
	case reflect.Slice:
		d.list(name, raw, into)
	case reflect.String:
		text, ok := d.text(name, raw)
		if ok {
			into.SetString(text)
		}
	case reflect.Bool:
		if json.Unmarshal(raw, into.Addr().Interface()) != nil {
			d.wrong(name, "must be true or false")
		}
	case reflect.Int, reflect.Int64:
		n, ok := wholeNumber(string(raw))
		if !ok {
			d.wrong(name, "must be a whole number")
			return
		}
		into.SetInt(n)
	default:
		panic("admin: a body cannot hold a " + into.Type().String())
	}
}

// text reads a string that a database can keep.
func (d *decoder) text(name string, raw []byte) (string, bool) {
	var text string
	if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		d.wrong(name, "must be a string")
		return "", false
	}
	// Half a surrogate pair is no character. The decoder puts U+FFFD in its place, and what was meant is lost.
	if strings.Count(text, "\uFFFD") > bytes.Count(raw, []byte("\uFFFD"))+strings.Count(strings.ToLower(string(raw)), `\ufffd`) || strings.ContainsRune(text, 0) {
		d.wrong(name, "must be text")
		return "", false
	}
	return text, true
}

func (d *decoder) time(name string, raw []byte, into reflect.Value) {
	text, ok := d.text(name, raw)
	if !ok {
		return
	}
	t, ok := parseMoment(text)
	if !ok {
		d.wrong(name, "must be a time such as 2026-01-31T09:00:00Z")
		return
	}
	into.Set(reflect.ValueOf(t))
}

// spelt reads a string that means something else, such as a length of time.
func (d *decoder) spelt(name string, raw []byte, into reflect.Value) {
	text, ok := d.text(name, raw)
	if !ok {
		return
	}
	reader, _ := into.Addr().Interface().(encoding.TextUnmarshaler)
	err := reader.UnmarshalText([]byte(text))
	if err == nil {
		return
	}
	d.mistakes = append(d.mistakes, errs.InvalidField(name, "%s: %s", name, messageOf(err)))
}

func messageOf(err error) string {
	list := flat(err)
	if len(list) == 0 {
		return "this is not understood"
	}
	return list[0].Message
}

func (d *decoder) list(name string, raw []byte, into reflect.Value) {
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		d.wrong(name, "must be an array")
		return
	}
	out := reflect.MakeSlice(into.Type(), len(list), len(list))
	for i, one := range list {
		d.value(fmt.Sprintf("%s[%d]", name, i), one, out.Index(i))
	}
	into.Set(out)
}

func (d *decoder) object(name string, raw []byte, into reflect.Value) {
	if raw[0] != '{' {
		d.wrong(name, "must be an object")
		return
	}
	if name != "" {
		name += "."
	}
	fields := map[string]reflect.Value{}
	for i := range into.NumField() {
		tag, _, _ := strings.Cut(into.Type().Field(i).Tag.Get("json"), ",")
		fields[tag] = into.Field(i)
	}
	seen := map[string]bool{}
	for member, value := range members(raw) {
		field, known := fields[member]
		switch {
		case !known:
			d.mistakes = append(d.mistakes, errs.InvalidField(name+member, "There is no member %q", name+member))
		case seen[member]:
			d.wrong(name+member, "is there more than once")
		default:
			d.value(name+member, value, field)
		}
		seen[member] = true
	}
}

// members walks through an object in the order of its text: a map would hide what is there twice.
func members(object []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		d := json.NewDecoder(bytes.NewReader(object))
		_, err := d.Token() // the brace
		for err == nil && d.More() {
			var token json.Token
			var value json.RawMessage
			token, err = d.Token()
			if err == nil {
				err = d.Decode(&value)
			}
			name, _ := token.(string)
			if err != nil || !yield(name, bytes.TrimSpace(value)) {
				return
			}
		}
	}
}
