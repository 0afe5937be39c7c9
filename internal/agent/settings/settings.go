// Package settings is what an agent is told about itself: from a file, the environment and flags, the later counting for
// more.
package settings

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Settings are all of them. The names in the file are those of the flags with _ for -; in the environment they are in
// capitals after MUSTER_AGENT_.
type Settings struct {
	Server     string // https://muster.example.net
	Code       string // registration code, which may end in _ and a group
	LicenseKey string // for accounts that let agents enrol by it
	Group      string // id of a device group
	DeviceName string

	CA         string // file with certificates; only a server certified by one of them is believed then
	ClientCert string // files in PEM form, for servers that ask for a certificate
	ClientKey  string
	Proxy      string // URL; "none" for no proxy whatever the environment says; "" for what the environment says
	PlainHTTP  bool   // allow http:// to other machines

	PingEvery   time.Duration // 0: as the server says
	ReportEvery time.Duration // 0: as the server says
	LookEvery   time.Duration // how often to look for what changes quickly

	Neighbours bool     // false: not even when the server asks for them
	ScriptKeys []string // public keys of those whose custom checks are run
	ScriptUser string   // whom custom checks run as

	CrossDomain        bool     // let web pages ask which device this is, where the server says so too
	CrossDomainOrigins []string // of those pages: https://portal.example.net
	CrossDomainCert    string   // files in PEM form; without them the agent makes a certificate of its own
	CrossDomainKey     string

	LogLevel   string
	LogFile    string // "" for standard error alone
	StateDir   string
	StatusFile string // what everybody on the machine may read; "" for none
}

// flags ties every setting to its flag.
func (s *Settings) flags(f *flag.FlagSet) {
	f.StringVar(&s.Server, "server", "", "`URL` of the Muster server")
	f.StringVar(&s.Code, "code", "", "registration `CODE`, alone or with a group: AB12CD34_17")
	f.StringVar(&s.LicenseKey, "license-key", "", "licence `KEY`, for accounts that let agents enrol by it")
	f.StringVar(&s.Group, "group", "", "`ID` of the device group to join")
	f.StringVar(&s.DeviceName, "device-name", "", "`NAME` to show for this machine instead of its host name")
	f.StringVar(&s.CA, "ca", "", "`FILE` with the certificates (PEM) of which one must have signed the server's; default: those of the system")
	f.StringVar(&s.ClientCert, "client-cert", "", "`FILE` with a certificate (PEM) to show the server")
	f.StringVar(&s.ClientKey, "client-key", "", "`FILE` with its key")
	f.StringVar(&s.Proxy, "proxy", "", "`URL` of the proxy (http, https, socks5), or none; default: what HTTPS_PROXY says")
	f.BoolVar(&s.PlainHTTP, "plain-http", false, "allow a server without TLS on another machine: everybody in between can read and change everything")
	f.DurationVar(&s.PingEvery, "ping-every", 0, "time between two signs of life; default: what the server says, or else a minute")
	f.DurationVar(&s.ReportEvery, "report-every", 0, "time between two full reports; default: what the server says, or else an hour")
	f.DurationVar(&s.LookEvery, "look-every", 5*time.Minute, "time between two looks at what changes quickly")
	f.BoolVar(&s.Neighbours, "neighbours", true, "report neighbours on the local network when the server asks for them")
	f.Var((*list)(&s.ScriptKeys), "script-keys", "public `KEYS` (or files of them), comma separated, of those whose custom checks may run")
	f.StringVar(&s.ScriptUser, "script-user", "nobody", "`USER` whom custom checks run as")
	f.BoolVar(&s.CrossDomain, "cross-domain", false, "let web pages of the allowed origins ask which device this is, where the server says so too")
	f.Var((*list)(&s.CrossDomainOrigins), "cross-domain-origins", "allowed `ORIGINS`, comma separated: https://portal.example.net")
	f.StringVar(&s.CrossDomainCert, "cross-domain-cert", "", "`FILE` with the certificate (PEM) that those pages are shown; default: one that the agent makes")
	f.StringVar(&s.CrossDomainKey, "cross-domain-key", "", "`FILE` with its key")
	f.StringVar(&s.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&s.LogFile, "log-file", defaultLog, "`FILE` to log to besides standard error: at most 1 MiB of it, and as much from before in FILE.1")
	f.StringVar(&s.StateDir, "state", defaultState, "`FOLDER` for the agent's credentials and what it has to remember")
	f.StringVar(&s.StatusFile, "status-file", defaultStatus, "`FILE` that tells everybody on this machine what the server thinks of it; empty for none")
}

// list is a flag of several values with commas between them.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set replaces the values.
func (l *list) Set(text string) error {
	*l = nil
	for v := range strings.SplitSeq(text, ",") {
		if v = strings.TrimSpace(v); v != "" {
			*l = append(*l, v)
		}
	}
	return nil
}

// Validate reports every mistake in the settings of an agent that is to talk to a server.
func (s *Settings) Validate() error {
	var mistakes []error
	bad := func(name, format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("--"+name+": "+format, args...))
	}
	s.checkServer(bad)
	if s.Proxy != "" && s.Proxy != "none" {
		u, err := url.Parse(s.Proxy)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
			bad("proxy", "%q is not the URL of a proxy, such as http://proxy.example.net:3128, nor none", s.Proxy)
		}
	}
	if (s.ClientCert == "") != (s.ClientKey == "") {
		bad("client-cert", "a certificate and its key come together: give --client-cert and --client-key, or neither")
	}
	if (s.CrossDomainCert == "") != (s.CrossDomainKey == "") {
		bad("cross-domain-cert", "a certificate and its key come together: give --cross-domain-cert and --cross-domain-key, or neither")
	}
	if s.Code != "" && s.LicenseKey != "" {
		bad("code", "a machine enrols with a code or with a licence key, not with both")
	}
	for name, d := range map[string]time.Duration{"ping-every": s.PingEvery, "report-every": s.ReportEvery, "look-every": s.LookEvery} {
		if d != 0 && d < time.Second || d > 24*time.Hour || d == 0 && name == "look-every" {
			bad(name, "%v is not between 1s and 24h", d)
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s.LogLevel) {
		bad("log-level", "%q is none of debug, info, warn, error", s.LogLevel)
	}
	slices.SortFunc(mistakes, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(mistakes...)
}

func (s *Settings) checkServer(bad func(name, format string, args ...any)) {
	if s.Server == "" {
		bad("server", "name the server, such as https://muster.example.net")
		return
	}
	u, err := url.Parse(s.Server)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		bad("server", "%q is not the URL of a server, such as https://muster.example.net", s.Server)
	case u.Scheme == "http" && !s.PlainHTTP && !loopback(u.Hostname()):
		bad("server", "%q is without TLS: everybody in between could read and change what the agent says; use https, or --plain-http if you must", s.Server)
	}
	s.Server = strings.TrimRight(s.Server, "/")
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
