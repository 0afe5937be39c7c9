package app

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

var negative = regexp.MustCompile(`^-[0-9]+$`)

// joinNegatives writes "--flag -1" as "--flag=-1". Kong takes a word that begins with a hyphen for a flag, as it must:
// the value of "--database --listen …" is missing. No flag of ours is a number.
func joinNegatives(args []string) []string {
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if last := len(out) - 1; last >= 0 && negative.MatchString(arg) && strings.HasPrefix(out[last], "--") && !strings.Contains(out[last], "=") {
			out[last] += "=" + arg
			continue
		}
		out = append(out, arg)
	}
	return out
}

// refuseEmpty refuses flags that were given without a value, wherever they were given: --database "$DB" with a variable
// that is not set would otherwise choose another database in silence. A flag whose value may be empty is a pointer, or
// has the tag "emptiable".
func refuseEmpty(parsed *kong.Context) error {
	for _, flag := range parsed.Flags() {
		if flag.Set && flag.Target.Kind() == reflect.String && flag.Target.Len() == 0 && !flag.Tag.Has("emptiable") {
			return fmt.Errorf("--%s: its value is empty; leave the flag, its variable %s and its key out for the default", flag.Name, strings.Join(flag.Envs, ", "))
		}
	}
	return nil
}
