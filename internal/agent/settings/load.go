package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/internal/atomicfile"
)

// Flags is a set of flags with all settings in it, to which a command adds its own. File is where settings are read
// from and written to; Env looks into the environment.
type Flags struct {
	*flag.FlagSet
	Settings Settings
	File     string
	// Warning is what an administrator should know of the file; "" for nothing.
	Warning string
	// Writes: the command writes the file, so that it need not be there yet.
	Writes bool
	// Tolerant: the command has to work whatever the file and the environment say. What is wrong with them is in Unread, and
	// what they say beside that holds.
	Tolerant bool
	Unread   error
	env      func(string) (string, bool)
}

// NewFlags makes the flags of a command.
func NewFlags(command string, env func(string) (string, bool)) *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(command, flag.ContinueOnError), env: env}
	f.SetOutput(io.Discard)
	f.Settings.flags(f.FlagSet)
	f.StringVar(&f.File, "settings", defaultFile, "`FILE` with settings")
	return f
}

// Load reads the settings: the file, then the environment, then the arguments. The file may be absent, unless it was
// asked for by name. It gives the arguments that are left.
func (f *Flags) Load(args []string) ([]string, error) {
	// The first pass only finds the file; its values are set again by the last.
	if v, ok := f.env("MUSTER_AGENT_SETTINGS"); ok {
		f.File = v
	}
	err := f.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		err = fmt.Errorf("%w; muster-agent %s --help lists the flags", err, f.Name())
	}
	if err != nil {
		return nil, err
	}
	file := f.File
	f.Unread = errors.Join(f.fromFile(file), f.fromEnvironment())
	if f.Unread != nil && !f.Tolerant {
		return nil, f.Unread
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	f.File = file
	return f.Args(), nil
}

func (f *Flags) fromFile(path string) error {
	raw, err := os.ReadFile(path)
	// Who may not read the settings may ask for the status all the same.
	absent := errors.Is(err, fs.ErrNotExist)
	if path == defaultFile && (absent || errors.Is(err, fs.ErrPermission)) || f.Writes && absent {
		return nil
	}
	if err == nil {
		err = trustworthy(path)
	}
	if err != nil {
		return fmt.Errorf("the settings cannot be read: %w", err)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&members)
	if _, more := d.Token(); err == nil && !errors.Is(more, io.EOF) {
		err = errors.New("there is something behind it")
	}
	if err != nil {
		return fmt.Errorf("the settings in %s are not a JSON object: %w", path, err)
	}
	var mistakes []error
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := f.set(strings.ReplaceAll(name, "_", "-"), members[name]); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %s: %w", path, name, err))
		}
	}
	if f.Settings.Code != "" && forEverybody(path) {
		f.Warning = "everybody on this machine can read the registration code in " + path + ": chmod 0600 " + path
	}
	return errors.Join(mistakes...)
}

func (f *Flags) set(name string, value any) error {
	if f.Lookup(name) == nil || name == "settings" || strings.Contains(name, "_") {
		return errors.New("there is no such setting")
	}
	text, err := textOf(value)
	if err != nil {
		return err
	}
	if err := f.Set(name, text); err != nil {
		return fmt.Errorf("%q is no value for it: %w", text, meant(f.Lookup(name).Value))
	}
	return nil
}

// meant says what a setting has to be.
func meant(v flag.Value) error {
	if b, ok := v.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
		return errors.New("it is true or false")
	}
	return errors.New("it is a time such as 30s, 5m or 1h") // all others take any text
}

func textOf(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return v.String(), nil
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok || strings.Contains(s, ",") {
				return "", errors.New("a list is of strings without commas")
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, ","), nil
	default:
		return "", errors.New("a setting is a string, true or false, or a list of strings")
	}
}

func (f *Flags) fromEnvironment() error {
	var mistakes []error
	f.VisitAll(func(g *flag.Flag) {
		name := "MUSTER_AGENT_" + strings.ToUpper(strings.ReplaceAll(g.Name, "-", "_"))
		if v, ok := f.env(name); ok && g.Name != "settings" {
			if err := f.Set(g.Name, v); err != nil {
				mistakes = append(mistakes, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	return errors.Join(mistakes...)
}

// Save writes the settings that are not as they are by default into a file that only its owner can read: a registration
// code is a secret. The file is there as a whole or not at all.
func Save(path string, s Settings) error {
	var now, plain Settings
	f, defaults := flag.NewFlagSet("", flag.ContinueOnError), flag.NewFlagSet("", flag.ContinueOnError)
	now.flags(f)
	plain.flags(defaults)
	now = s
	members := map[string]any{}
	f.VisitAll(func(g *flag.Flag) {
		if value := g.Value.String(); value != defaults.Lookup(g.Name).DefValue {
			members[strings.ReplaceAll(g.Name, "-", "_")] = memberOf(g)
		}
	})
	raw, err := json.MarshalIndent(members, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the folder is for everybody to look into, the file is not
		return err
	}
	if err := atomicfile.Write(path, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return entrust(path)
}

func memberOf(g *flag.Flag) any {
	if l, ok := g.Value.(*list); ok {
		return []string(*l)
	}
	if b, ok := g.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
		return g.Value.String() == "true"
	}
	return g.Value.String()
}
