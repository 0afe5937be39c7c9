package fleet

import (
	"encoding/json"
	"strconv"
	"time"
)

// The functions here append to a JSON text. They write a comma where one is needed, which the text before tells, and
// leave out members that are empty, as agents do. Reports are made by the million: encoding/json would cost more than
// what is measured with them.

// next ends what stands before.
func next(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' && b[n-1] != '[' && b[n-1] != ':' {
		return append(b, ',')
	}
	return b
}

func name(b []byte, key string) []byte {
	b = append(next(b), '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

// text writes a string. Most of what is written needs no escapes.
func text(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("fleet: a string has no JSON form: " + err.Error())
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func putText(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return text(name(b, key), value)
}

func putNumber(b []byte, key string, value int64) []byte {
	return strconv.AppendInt(name(b, key), value, 10)
}

func putFlag(b []byte, key string, value bool) []byte {
	return strconv.AppendBool(name(b, key), value)
}

func putTime(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(name(b, key), '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05Z")
	return append(b, '"')
}

// putList writes a list of strings, also an empty one.
func putList(b []byte, key string, values ...string) []byte {
	b = append(name(b, key), '[')
	for _, v := range values {
		if v != "" {
			b = text(next(b), v)
		}
	}
	return append(b, ']')
}

// open begins an object or a list that is a member. Whoever calls it writes the bracket at its end.
func open(b []byte, key string, bracket byte) []byte { return append(name(b, key), bracket) }
