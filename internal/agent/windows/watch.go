package windows

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"muster/internal/agent/collect"
)

// watchSoftware lists the installed programs anew as soon as one comes or goes. A program that is brought up to date where it
// is changes nothing that is cheap to see: it is noticed when all is looked at.
func (m *machine) watchSoftware(ctx context.Context, s *collect.Snapshot) error {
	if m.marksOfSoftware() == m.softwareMarks {
		return nil
	}
	return m.software(ctx, s)
}

// marksOfSoftware tells when keys were added to, or taken from, the lists of programs.
func (m *machine) marksOfSoftware() string {
	keys := machineLists()
	hives, err := m.hives()
	if err != nil {
		return err.Error()
	}
	for _, hive := range hives {
		keys = append(keys, hive+`\`+uninstall)
	}
	var b strings.Builder
	for _, key := range keys {
		k, err := m.h.Registry.Open(key)
		if err != nil {
			continue
		}
		at, err := k.Modified()
		fmt.Fprintln(&b, key, at.UnixNano(), err)
		_ = k.Close()
	}
	return b.String()
}

// watchProtection looks anew at what guards the machine as soon as a service or a setting changes, which costs no start of
// PowerShell to see.
func (m *machine) watchProtection(ctx context.Context, s *collect.Snapshot) error {
	if m.marksOfProtection() == m.protectionMarks {
		return nil
	}
	return m.protection(ctx, s)
}

// marksOfProtection has the states of services, the switches of the firewall and of Defender, and what products have told
// SecurityCenter2 last. The latter is documented nowhere, and is only taken for a sign that something changed.
func (m *machine) marksOfProtection() string {
	var b strings.Builder
	for _, name := range append(serviceNames(), "MpsSvc", "WinDefend") {
		if m.h.Native == nil {
			break
		}
		if running, err := m.h.Native.Service(name); !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintln(&b, name, running)
		}
	}
	number := func(key, value string) {
		if n, err := m.number(key, value); err == nil {
			fmt.Fprintln(&b, key, value, n)
		}
	}
	for _, where := range firewallKeys {
		for _, names := range profiles {
			for _, name := range names {
				number(where+`\`+name, "EnableFirewall")
			}
		}
	}
	number(localMachine+`SOFTWARE\Microsoft\Windows Defender\Real-Time Protection`, "DisableRealtimeMonitoring")
	for _, kind := range []string{"Av", "Fw"} {
		registered := localMachine + `SOFTWARE\Microsoft\Security Center\Provider\` + kind
		products, err := m.subkeys(registered)
		if err != nil {
			continue
		}
		for _, product := range products {
			fmt.Fprintln(&b, product)
			number(registered+`\`+product, "STATE")
		}
	}
	return b.String()
}

func serviceNames() []string {
	out := make([]string, 0, len(services)+2)
	for _, s := range services {
		out = append(out, s.service)
	}
	return out
}
