package testpg

import "strings"

// Option changes how a throw-away cluster is made.
type Option func(settings)

// settings are lines of postgresql.conf.
type settings map[string]string

// Durable makes the cluster keep what it committed, whatever happens to it: for tests that kill it. Without it a
// cluster trades that for speed.
func Durable() Option {
	return func(s settings) {
		s["fsync"], s["full_page_writes"], s["synchronous_commit"] = "on", "on", "on"
	}
}

// Set gives a parameter of postgresql.conf a value.
func Set(parameter, value string) Option {
	return func(s settings) { s[parameter] = value }
}

func newSettings(socketDir string, options []Option) settings {
	s := settings{
		"unix_socket_directories": socketDir,
		"max_connections":         "200",
		"shared_buffers":          "64MB",
		"fsync":                   "off",
		"full_page_writes":        "off",
		"synchronous_commit":      "off",
		"TimeZone":                "Pacific/Chatham",
		"log_timezone":            "UTC",
	}
	for _, o := range options {
		o(s)
	}
	s["listen_addresses"] = "" // not an option: nothing outside this machine may reach a server that asks no password
	return s
}

// String renders the settings for postgresql.conf.
func (s settings) String() string {
	var b strings.Builder
	b.WriteByte('\n')
	for parameter, value := range s {
		b.WriteString(parameter + " = '" + strings.ReplaceAll(value, "'", "''") + "'\n")
	}
	return b.String()
}
