package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile is the content of a --config file: flag names, or command names with flag names below them.
//
//	listen: 127.0.0.1:9000
//	database: postgres://muster@db.example/muster
type configFile map[string]any

// loadConfig reads a TOML file when its name ends in .toml, otherwise a YAML file.
func loadConfig(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	values := configFile{}
	if f, ok := r.(*os.File); ok && filepath.Ext(f.Name()) == ".toml" {
		err = toml.Unmarshal(text, &values)
	} else {
		err = yaml.Unmarshal(text, &values)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file: %w", err)
	}
	return values, nil
}

// Validate refuses keys that no flag has: a misspelt key would otherwise be a setting silently lost.
func (c configFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	for _, node := range append([]*kong.Node{app.Node}, app.Children...) {
		for _, flag := range node.Flags {
			known[flag.Name] = true
		}
	}
	var mistakes []error
	for key := range c {
		if !known[strings.ReplaceAll(key, "_", "-")] {
			mistakes = append(mistakes, fmt.Errorf("the configuration file has an unknown key %q", key))
		}
	}
	return errors.Join(mistakes...)
}

// Resolve gives the value for a flag that was not on the command line. The environment goes before the file.
func (c configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil
		}
	}
	value, ok := c[flag.Name]
	if !ok {
		value, ok = c[strings.ReplaceAll(flag.Name, "-", "_")]
	}
	if !ok {
		return nil, nil
	}
	return value, nil
}
