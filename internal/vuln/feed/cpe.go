package feed

import (
	"net/url"
	"slices"
	"strings"
)

// cpe is a name of the Common Platform Enumeration. A part that says nothing is "": both * (any) and - (none) are, but
// for the version, where the difference matters.
type cpe struct {
	part      string // a, o or h
	vendor    string
	product   string
	version   string // as it is written, * and - included
	update    string
	swEdition string
	targetSW  string
}

// parseCPE reads both forms, cpe:2.3:a:vendor:product:… and the older cpe:/a:vendor:product:….
func parseCPE(s string) (cpe, bool) {
	var parts []string
	switch {
	case strings.HasPrefix(s, "cpe:2.3:"):
		parts = unescaped(strings.TrimPrefix(s, "cpe:2.3:"))
	case strings.HasPrefix(s, "cpe:/"):
		parts = strings.Split(strings.TrimPrefix(s, "cpe:/"), ":")
		for i, p := range parts {
			if text, err := url.PathUnescape(p); err == nil {
				parts[i] = text
			}
		}
	default:
		return cpe{}, false
	}
	if len(parts) < 3 {
		return cpe{}, false
	}
	at := func(i int) string {
		if i >= len(parts) || parts[i] == "*" || parts[i] == "-" {
			return ""
		}
		return parts[i]
	}
	c := cpe{part: at(0), vendor: at(1), product: at(2), update: at(4), swEdition: at(7), targetSW: strings.ToLower(at(8))}
	c.version = "*"
	if len(parts) > 3 && parts[3] != "" {
		c.version = parts[3]
	}
	return c, c.vendor != "" && c.product != ""
}

// unescaped splits at colons, and takes away the backslashes before signs.
func unescaped(s string) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == ':':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(out, b.String())
}

// words is a vendor or product as people write it.
func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

// name is the product as it is named among those of others. Alone it is often a common word: desktop, client, reader.
func (c *cpe) name() string {
	if strings.HasPrefix(plain(c.product), plain(c.vendor)) {
		return words(c.product)
	}
	return words(c.vendor) + " " + words(c.product)
}

// targets are the systems that a CPE name says software is made for.
var targets = map[string]string{
	"windows": windows, "macos": mac, "mac_os_x": mac, "mac_os": mac, "linux": linux, "linux_kernel": linux, "android": android,
	"iphone_os": ios, "ios": ios, "ipados": ios,
}

// family is the system that the software is made for, "" where none is told.
func (c *cpe) family() string { return targets[c.targetSW] }

// within reports whether the software is part of another, as an extension of a browser is: there its name is not that of the
// program of the same name.
func (c *cpe) within() bool {
	return slices.Contains([]string{"chrome", "edge", "firefox", "safari", "visual_studio_code", "outlook", "word", "excel"}, c.targetSW)
}
