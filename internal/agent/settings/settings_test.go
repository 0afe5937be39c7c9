package settings

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// environment is an environment for a test.
func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

func fileWith(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterCountsForMore(t *testing.T) {
	file := fileWith(t, `{"server": "https://file.example.net", "device_name": "from the file", "ping_every": "2m",
		"script_keys": ["a", "b"], "plain_http": true, "code": "FILE"}`)
	f := NewFlags("run", environment(map[string]string{
		"MUSTER_AGENT_DEVICE_NAME": "from the environment", "MUSTER_AGENT_CODE": "ENV", "MUSTER_AGENT_SETTINGS": file,
	}))
	rest, err := f.Load([]string{"--code", "FLAG", "more"})
	if err != nil {
		t.Fatal(err)
	}
	s := f.Settings
	for _, c := range []struct{ got, want any }{
		{s.Server, "https://file.example.net"}, {s.DeviceName, "from the environment"}, {s.Code, "FLAG"},
		{s.PingEvery, 2 * time.Minute}, {s.PlainHTTP, true}, {s.ScriptKeys, []string{"a", "b"}},
		{s.LookEvery, 5 * time.Minute}, {rest, []string{"more"}}, {f.File, file},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMistakesInTheFile(t *testing.T) {
	for text, want := range map[string]string{
		`{"servr": "x"}`:            "servr: there is no such setting",
		`{"plain-http": true}`:      "", // the names of flags are taken too
		`{"ping_every": "soon"}`:    `ping_every: "soon" is no value for it: it is a time such as 30s`,
		`{"ping_every": 5}`:         `ping_every: "5" is no value for it: it is a time`,
		`{"plain_http": "perhaps"}`: `plain_http: "perhaps" is no value for it: it is true or false`,
		`{"server": {"a": 1}}`:      "a setting is a string",
		`{"script_keys": ["a,b"]}`:  "without commas",
		"":                          "",
		`["server"]`:                "not a JSON object",
		`{"server": "a"} {"ca": 1}`: "there is something behind it",
		`{"server": "a"}}`:          "there is something behind it",
		`{"settings": "x"}`:         "there is no such setting",
	} {
		f := NewFlags("run", environment(nil))
		_, err := f.Load([]string{"--settings", fileWith(t, text)})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	f := NewFlags("run", environment(nil))
	_, err := f.Load([]string{"--settings", filepath.Join(t.TempDir(), "none.json")})
	if err == nil {
		t.Error("a file that was asked for and is not there is no mistake")
	}
	f = NewFlags("install", environment(nil))
	f.Writes = true
	if _, err := f.Load([]string{"--settings", filepath.Join(t.TempDir(), "none.json")}); err != nil {
		t.Errorf("a file that is to be written has to be there: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := func() *Settings {
		f := NewFlags("run", environment(nil))
		if _, err := f.Load([]string{"--settings", fileWith(t, "{}"), "--server", "https://muster.example.net/", "--code", "C"}); err != nil {
			t.Fatal(err)
		}
		return &f.Settings
	}
	s := good()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	if s.Server != "https://muster.example.net" {
		t.Errorf("the server is %q", s.Server)
	}
	for name, c := range map[string]struct {
		spoil func(*Settings)
		want  string
	}{
		"no server":        {func(s *Settings) { s.Server = "" }, "--server"},
		"no URL":           {func(s *Settings) { s.Server = "muster.example.net" }, "--server"},
		"a password in it": {func(s *Settings) { s.Server = "https://a:b@muster.example.net" }, "--server"},
		"without TLS":      {func(s *Settings) { s.Server = "http://muster.example.net" }, "without TLS"},
		"another machine":  {func(s *Settings) { s.Server = "http://192.0.2.1" }, "without TLS"},
		"proxy":            {func(s *Settings) { s.Proxy = "proxy.example.net:3128" }, "--proxy"},
		"half a pair":      {func(s *Settings) { s.ClientCert = "x" }, "--client-cert"},
		"half another":     {func(s *Settings) { s.CrossDomainKey = "x" }, "--cross-domain-cert"},
		"two ways in":      {func(s *Settings) { s.LicenseKey = "x" }, "--code"},
		"too often":        {func(s *Settings) { s.PingEvery = time.Millisecond }, "--ping-every"},
		"level":            {func(s *Settings) { s.LogLevel = "loud" }, "--log-level"},
	} {
		s := good()
		c.spoil(s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	s = good()
	s.Server, s.LogLevel = "", "loud"
	if err := s.Validate(); !strings.Contains(err.Error(), "--server") || !strings.Contains(err.Error(), "--log-level") {
		t.Errorf("not every mistake is named: %v", err)
	}
	for _, server := range []string{"http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"} {
		s := good()
		s.Server = server
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", server, err)
		}
	}
}

// TestSaved: what is saved is read again as it was, and only by its owner.
func TestSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "settings.json")
	f := NewFlags("install", environment(nil))
	_, err := f.Load([]string{
		"--settings", fileWith(t, "{}"), "--server", "https://muster.example.net", "--code", "SECRET", "--neighbours=false",
		"--script-keys", "a,b", "--look-every", "30s", "--status-file", "",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Save(path, f.Settings); err != nil {
		t.Fatal(err)
	}
	g := NewFlags("run", environment(nil))
	if _, err := g.Load([]string{"--settings", path}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.Settings, g.Settings); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the code has mode %v", info.Mode())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside it lie %v (%v)", left, err)
	}
}

// TestSettingsOfOthers: settings that others can write decide nothing.
func TestSettingsOfOthers(t *testing.T) {
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: false, 0o606: false} {
		path := fileWith(t, `{"server": "https://muster.example.net"}`)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := NewFlags("run", environment(nil)).Load([]string{"--settings", path})
		if (err == nil) != good {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for mode, secret := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o644: false} {
		path := fileWith(t, `{"code": "AB12CD34"}`)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		f := NewFlags("run", environment(nil))
		if _, err := f.Load([]string{"--settings", path}); err != nil {
			t.Fatal(err)
		}
		if (f.Warning == "") != secret || strings.Contains(f.Warning, "AB12CD34") {
			t.Errorf("mode %04o: the warning is %q", mode, f.Warning)
		}
	}
}

func TestPrivateFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := PrivateFolder(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v", info.Mode())
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := PrivateFolder(file); err == nil {
		t.Error("a file was taken for a folder")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := PrivateFolder(link); err == nil {
		t.Error("a link was taken for a folder")
	}
}
