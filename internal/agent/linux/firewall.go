package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// firewallCollector lists the packet filter of the kernel and the programs that look after it. See filter.go for when a
// firewall counts as switched on. All of them fill the same filter, so each is switched on when that drops, and it runs.
func firewallCollector(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "firewall", Light: true, Collect: func(ctx context.Context, s *collect.Snapshot) error {
		s.Firewalls = collect.Of(firewalls(ctx, h, s))
		return nil
	}}
}

// packetFilter is what the kernel does with incoming traffic.
type packetFilter struct {
	asked   bool
	filters [2]bool         // by protocol
	chains  map[string]bool // by name
}

func (p *packetFilter) add(t filterTable) {
	p.asked = p.asked || t.asked()
	for _, over := range []protocol{ipv4, ipv6} {
		p.filters[over] = p.filters[over] || t.filters(over)
	}
	for name := range t {
		p.chains[name] = true
	}
}

func firewalls(ctx context.Context, h *host.Host, s *collect.Snapshot) ([]collect.Product, error) {
	name := "nftables"
	rules, err := readFilter(ctx, h)
	if !anyExists(h, []string{"usr/sbin/nft", "sbin/nft", "usr/bin/nft"}) {
		name = "iptables"
	}
	if errors.Is(err, host.ErrNoProgram) {
		return nil, errors.New("neither nft nor iptables is installed to list the rules of the kernel")
	}
	if err != nil && !h.Privileged {
		err = fmt.Errorf("needs root: the rules of the kernel are listed for root only (%w)", err)
	}
	on := rules.filters[ipv4] && (rules.filters[ipv6] || !reachableOverIPv6(s))
	fact := func(value func() bool) collect.Fact[bool] {
		if err != nil {
			return collect.CouldNotRead[bool](err)
		}
		return collect.Known(value())
	}
	products := []collect.Product{{
		Name: name, Version: packageVersion(s, name),
		Running: fact(func() bool { return rules.asked }), Enabled: fact(func() bool { return on }),
	}}
	if h.Exists("usr/sbin/ufw") {
		loaded := func() bool { return rules.chains["ufw-user-input"] }
		products = append(products, collect.Product{
			Name: "ufw", Version: packageVersion(s, "ufw"),
			Running: fact(loaded), Enabled: fact(func() bool { return loaded() && on }),
		})
	}
	if anyExists(h, []string{"usr/sbin/firewalld", "usr/bin/firewalld"}) {
		up, unseen := systemProcesses(h, "firewalld")
		p := collect.Product{Name: "firewalld", Version: packageVersion(s, "firewalld"), Running: collect.Of(up["firewalld"], unseen)}
		p.Enabled = fact(func() bool { return up["firewalld"] && on })
		if unseen != nil {
			p.Enabled = collect.CouldNotRead[bool](unseen)
		}
		products = append(products, p)
	}
	return products, nil
}

// reachableOverIPv6 reports whether the machine has an IPv6 address that leads beyond its link. Of a machine whose adapters
// are not known that is not known either; IPv4 it has.
func reachableOverIPv6(s *collect.Snapshot) bool {
	adapters, _ := s.Adapters.Get()
	for i := range adapters {
		for _, a := range adapters[i].Addresses {
			if a.Addr().Is6() && !a.Addr().Is4In6() && a.Addr().IsGlobalUnicast() {
				return true
			}
		}
	}
	return false
}

// readFilter lists the rules of the kernel: those of nftables, in which those of iptables show on newer systems, and those
// of iptables' older form, which lie beside them.
func readFilter(ctx context.Context, h *host.Host) (packetFilter, error) {
	p := packetFilter{chains: map[string]bool{}}
	// Without what is in the sets: lists of addresses may be longer than everything else.
	out, err := h.Run(ctx, "nft", "-j", "-t", "list", "ruleset")
	var exit *host.ExitError
	if errors.As(err, &exit) { // a version that cannot leave it out
		out, err = h.Run(ctx, "nft", "-j", "list", "ruleset")
	}
	if errors.Is(err, host.ErrNoProgram) {
		err = p.addBoth(ctx, h, "iptables-save", "ip6tables-save")
		return p, err
	}
	if err != nil {
		return p, err
	}
	rules, err := parseNft(out)
	if err != nil {
		return p, err
	}
	for _, t := range rules.tables {
		p.add(t)
	}
	if rules.translated {
		// Only iptables itself can say what these rules are. Without it they stay what nft makes of them.
		if err := p.addBoth(ctx, h, "iptables-save", "ip6tables-save"); err != nil && !errors.Is(err, host.ErrNoProgram) {
			return p, err
		}
	}
	return p, errors.Join(
		p.addLegacy(ctx, h, ipv4, "proc/self/net/ip_tables_names", "iptables-legacy-save", "iptables-save"),
		p.addLegacy(ctx, h, ipv6, "proc/self/net/ip6_tables_names", "ip6tables-legacy-save", "ip6tables-save"))
}

// addLegacy adds the rules of iptables' older form. Listing them where there are none would make them, so the kernel is asked
// first.
func (p *packetFilter) addLegacy(ctx context.Context, h *host.Host, over protocol, names, program, older string) error {
	list, err := readStart(h, names, 4096)
	if err != nil || !bytes.Contains(list, []byte("filter")) {
		return nil //nolint:nilerr // a kernel without them has no such file
	}
	err = p.addIptables(ctx, h, over, program)
	if errors.Is(err, host.ErrNoProgram) {
		err = p.addIptables(ctx, h, over, older)
	}
	return err
}

// addBoth adds the rules for both protocols. Where there is no program for IPv6, nothing of it is filtered.
func (p *packetFilter) addBoth(ctx context.Context, h *host.Host, four, six string) error {
	if err := p.addIptables(ctx, h, ipv4, four); err != nil {
		return err
	}
	err := p.addIptables(ctx, h, ipv6, six)
	if errors.Is(err, host.ErrNoProgram) {
		return nil
	}
	return err
}

func (p *packetFilter) addIptables(ctx context.Context, h *host.Host, over protocol, program string) error {
	out, err := h.Run(ctx, program, "-t", "filter")
	if err != nil {
		return err
	}
	p.add(parseIptables(out, over))
	return nil
}
