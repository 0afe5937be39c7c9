package app

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile is the content of a --config file: names of flags, and names of commands with a table of the same kind
// below them. A key is for every command below its table that has the flag; the innermost goes first.
//
//	database: postgres://muster@db.example/muster
//	rate_limit: 20
//	app:
//	  create:
//	    permission: write
type configFile map[string]setting

// setting is what a file has for a name as flags are written: the file may have - or _ in its keys.
type setting struct {
	key   string // as the file has it
	value any    // a configFile, or what is for a flag
}

// loadConfig reads a TOML file when its name ends in .toml, otherwise a YAML file.
func loadConfig(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file: %w", err)
	}
	values := map[string]any{}
	if f, ok := r.(*os.File); ok && filepath.Ext(f.Name()) == ".toml" {
		err = toml.Unmarshal(text, &values)
	} else {
		err = yaml.Unmarshal(text, &values)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file: %w", err)
	}
	return hyphenated(values, "")
}

// hyphenated finds each key under the name of its flag or command.
func hyphenated(table map[string]any, place string) (configFile, error) {
	out := make(configFile, len(table))
	for key, value := range table {
		name := strings.ReplaceAll(key, "_", "-")
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("the configuration file has the key %q twice", place+key)
		}
		if below, ok := value.(map[string]any); ok {
			inner, err := hyphenated(below, place+key+".")
			if err != nil {
				return nil, err
			}
			value = inner
		}
		out[name] = setting{key, value}
	}
	return out, nil
}

// Validate refuses keys that no flag has: a misspelt key would otherwise be a setting silently lost.
func (c configFile) Validate(app *kong.Application) error {
	return errors.Join(c.mistakes(app.Node, "")...)
}

// mistakes are those of one command's table and of the tables in it.
func (c configFile) mistakes(node *kong.Node, place string) []error {
	var out []error
	flags := flagsFor(node)
	for _, name := range slices.Sorted(maps.Keys(c)) {
		table, isTable := c[name].value.(configFile)
		command, where := child(node, name), place+c[name].key
		switch {
		case isTable && command != nil:
			out = append(out, table.mistakes(command, where+".")...)
		case !flags[name] && command != nil:
			out = append(out, fmt.Errorf("the configuration file has one value for %q, which is a command and needs a table", where))
		case !flags[name]:
			out = append(out, fmt.Errorf("the configuration file has an unknown key %q", where))
		case isTable:
			out = append(out, fmt.Errorf("the configuration file has a table for %q, which is a flag and needs one value", where))
		case c[name].value == nil:
			out = append(out, fmt.Errorf("the configuration file has no value for the key %q", where))
		}
	}
	return out
}

// flagsFor names the flags that a command's table may set: those of the command, of all above it and of all below it.
func flagsFor(node *kong.Node) map[string]bool {
	out := map[string]bool{}
	for n := node.Parent; n != nil; n = n.Parent {
		addFlags(out, n)
	}
	var below func(*kong.Node)
	below = func(n *kong.Node) {
		addFlags(out, n)
		for _, c := range n.Children {
			below(c)
		}
	}
	below(node)
	// These are looked at before the file is read.
	delete(out, "help")
	delete(out, "config")
	return out
}

func addFlags(to map[string]bool, node *kong.Node) {
	for _, flag := range node.Flags {
		to[flag.Name] = true
	}
}

// child gives the command of that name below another, or nil.
func child(node *kong.Node, name string) *kong.Node {
	for _, c := range node.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Resolve gives the value for a flag that was not on the command line. The environment goes before the file.
func (c configFile) Resolve(parsed *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil
		}
	}
	var found any
	for table, words := c, commandWords(parsed); table != nil; words = words[1:] {
		value := table[flag.Name].value
		if _, isTable := value.(configFile); !isTable && value != nil {
			found = value
		}
		if len(words) == 0 {
			break
		}
		table, _ = table[words[0]].value.(configFile)
	}
	return found, nil
}

// commandWords are the words of the command that runs, such as app and create.
func commandWords(parsed *kong.Context) []string {
	var out []string
	for _, path := range parsed.Path {
		if path.Command != nil {
			out = append(out, path.Command.Name)
		}
	}
	return out
}
