package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/agent/report"
	"muster/internal/agent/settings"
)

const onceText = `
It sends nothing and needs no server. Without the rights of an administrator it finds less, and says what it could not
read and why.`

func runOnce(ctx context.Context, p *program, c *command, args []string) error {
	f := settings.NewFlags(c.name, p.env)
	asJSON := f.Bool("json", false, "the report that would be sent, as JSON")
	if err := p.loadAlone(c, f, args); err != nil {
		return helped(err)
	}
	log, _ := newLog(p.stderr, f.Settings.LogLevel)
	h := host.System()
	s := collect.Gather(ctx, withoutNeighbours(collectors(h)), nil, h.Now(), log)
	s.Neighbours = notAsked
	made, err := report.New(s, report.About{
		Version: Version, DeviceName: f.Settings.DeviceName, UserID: userIdentity(f.Settings.StateDir),
	})
	if err != nil {
		return err
	}
	if *asJSON {
		var out bytes.Buffer
		if err := json.Indent(&out, made.Body, "", "  "); err != nil {
			return err
		}
		out.WriteByte('\n')
		_, err = out.WriteTo(p.stdout)
		return err
	}
	p.show(s, h.Privileged, len(made.Body))
	return nil
}

// show tells a person what was found.
func (p *program) show(s *collect.Snapshot, privileged bool, bytes int) {
	line := func(name, format string, args ...any) { p.say("%-16s "+format+"\n", append([]any{name}, args...)...) }
	maker := strings.TrimSpace(s.Hardware.Vendor.Value + " " + s.Hardware.Model.Value)
	parts := []string{s.Identity.HostName.Value, string(s.Hardware.Type.Value), maker}
	line("machine", "%s", strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ", "))
	line("system", "%s %s (%s)", s.OS.Name.Value, s.OS.Version.Value, s.OS.Architecture.Value)
	for _, a := range s.Adapters.Value {
		line("adapter", "%s %s %v", a.Name, a.MAC, a.Addresses)
	}
	for _, kind := range []struct {
		name     string
		products []collect.Product
	}{{"anti-malware", s.Antimalware.Value}, {"firewall", s.Firewalls.Value}, {"encryption", s.Encryption.Value}} {
		for i := range kind.products {
			line(kind.name, "%s", describe(&kind.products[i]))
		}
	}
	if u, ok := s.Updates.Get(); ok {
		line("updates", "%d waiting, %d of them for security", u.Pending, u.Security)
	}
	installed := 0
	for _, f := range s.Software {
		installed += len(f.Value)
	}
	line("software", "%d packages and applications", installed)
	line("report", "%d bytes (--json shows it)", bytes)
	p.say("\n")
	for _, u := range report.Facts(s) {
		if u.State == "unreadable" {
			p.say("could not be read: %s: %s\n", u.Fact, u.Why)
		}
	}
	if !privileged {
		p.say("\nThis was looked at without the rights of an administrator; the service has them.\n")
	}
}

func describe(p *collect.Product) string {
	out := p.Name
	if p.Version != "" {
		out += " " + p.Version
	}
	for _, f := range []struct {
		fact    collect.Fact[bool]
		yes, no string
	}{{p.Running, "running", "not running"}, {p.Enabled, "on", "off"}} {
		if v, ok := f.fact.Get(); ok {
			if v {
				out += ", " + f.yes
			} else {
				out += ", " + f.no
			}
		}
	}
	for _, v := range p.Volumes {
		switch e, ok := v.Encrypted.Get(); {
		case !ok:
			out += ", " + v.Name + " not known"
		case e:
			out += ", " + v.Name + " encrypted"
		default:
			out += ", " + v.Name + " not encrypted"
		}
	}
	return out
}

// exists reports whether there is a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
