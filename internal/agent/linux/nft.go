package linux

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// nftRules is what `nft -j list ruleset` says.
type nftRules struct {
	tables map[string]filterTable // by family and name
	// translated: there are rules of iptables that nft cannot show in full.
	translated bool
}

type nftItem struct {
	Table *struct {
		Family, Name string
		Flags        json.RawMessage
	}
	Chain *struct{ Family, Table, Name, Type, Hook, Policy string }
	Rule  *struct {
		Family, Table, Chain string
		Expr                 []map[string]json.RawMessage
	}
}

// parseNft reads the ruleset of the kernel.
func parseNft(out []byte) (nftRules, error) {
	var list struct{ Nftables []nftItem }
	if err := json.Unmarshal(out, &list); err != nil {
		return nftRules{}, fmt.Errorf("nft wrote what cannot be read: %w", err)
	}
	r := nftRules{tables: map[string]filterTable{}}
	dormant := map[string]bool{}
	table := func(family, name string) filterTable {
		key := family + " " + name
		if r.tables[key] == nil {
			r.tables[key] = filterTable{}
		}
		return r.tables[key]
	}
	for _, item := range list.Nftables {
		switch {
		case item.Table != nil && bytes.Contains(item.Table.Flags, []byte(`"dorm`)):
			dormant[item.Table.Family+" "+item.Table.Name] = true
		case item.Chain != nil:
			c := table(item.Chain.Family, item.Chain.Table).chain(item.Chain.Name)
			asked, family := item.Chain.Hook == "input" && item.Chain.Type == "filter", item.Chain.Family
			c.base = [2]bool{ipv4: asked && (family == "ip" || family == "inet"), ipv6: asked && (family == "ip6" || family == "inet")}
			c.drops = item.Chain.Policy == "drop"
		case item.Rule != nil:
			c := table(item.Rule.Family, item.Rule.Table).chain(item.Rule.Chain)
			rules, translated := nftRule(item.Rule.Expr)
			c.rules = append(c.rules, rules...)
			r.translated = r.translated || translated
		}
	}
	for key := range dormant {
		delete(r.tables, key)
	}
	return r, nil
}

// nftRule reads one rule: its conditions narrow it, and its last statement says what happens. A map of verdicts is as
// many rules as it has entries.
func nftRule(expr []map[string]json.RawMessage) (rules []filterRule, translated bool) {
	rule := filterRule{width: whole}
	for _, e := range expr {
		for kind, raw := range e {
			switch kind {
			case "match":
				rule.width = min(rule.width, nftMatch(raw))
			case "vmap":
				return nftMap(raw, rule.width), translated
			case "counter", "log", "mangle", "set", "notrack", "ct helper":
			case "xt":
				translated = true
				if !bytes.Contains(raw, []byte(`"REJECT"`)) && !bytes.Contains(raw, []byte(`"LOG"`)) {
					rule.width = narrow
				} else if bytes.Contains(raw, []byte(`"REJECT"`)) {
					rule.verdict = drops
				}
			default:
				v, target, ok := nftVerdict(kind, raw)
				if !ok {
					rule.width = narrow
				}
				rule.verdict, rule.target = v, target
			}
		}
	}
	return []filterRule{rule}, translated
}

// nftVerdict reads a statement that decides.
func nftVerdict(kind string, raw json.RawMessage) (v verdict, target string, ok bool) {
	var to struct{ Target string }
	switch kind {
	case "drop", "reject":
		return drops, "", true
	case "accept":
		return accepts, "", true
	case "return":
		return returns, "", true
	case "jump", "goto":
		if json.Unmarshal(raw, &to) != nil {
			return goesOn, "", false
		}
		if kind == "goto" {
			return leaves, to.Target, true
		}
		return jumps, to.Target, true
	default:
		return goesOn, "", false
	}
}

// nftMap reads a map of verdicts by interface; other maps are about something in particular.
func nftMap(raw json.RawMessage, w width) []filterRule {
	var m struct {
		Key  struct{ Meta struct{ Key string } }
		Data struct {
			Set [][]json.RawMessage
		}
	}
	if json.Unmarshal(raw, &m) != nil || !strings.HasPrefix(m.Key.Meta.Key, "iif") {
		return nil
	}
	var rules []filterRule
	for _, entry := range m.Data.Set {
		var does map[string]json.RawMessage
		if len(entry) != 2 || bytes.Contains(entry[0], []byte(`"lo"`)) || json.Unmarshal(entry[1], &does) != nil {
			continue
		}
		for kind, to := range does {
			if v, target, ok := nftVerdict(kind, to); ok {
				rules = append(rules, filterRule{width: min(w, atInterface), verdict: v, target: target})
			}
		}
	}
	return rules
}

// nftMatch says how much of the traffic fulfils a condition.
func nftMatch(raw json.RawMessage) width {
	var m struct {
		Op   string
		Left struct {
			Meta    *struct{ Key string }
			CT      *struct{ Key string }
			Payload *struct{ Protocol string }
		}
		Right json.RawMessage
	}
	if json.Unmarshal(raw, &m) != nil {
		return narrow
	}
	not := m.Op == "!="
	has := func(word string) bool { return bytes.Contains(m.Right, []byte(`"`+word+`"`)) }
	wide := false
	switch {
	case m.Left.Meta != nil && strings.HasPrefix(m.Left.Meta.Key, "iif"):
		if not == has("lo") {
			return atInterface
		}
	case m.Left.Meta != nil && m.Left.Meta.Key == "nfproto":
		wide = not != has("ipv4")
	case m.Left.Meta != nil && m.Left.Meta.Key == "l4proto":
		wide = not != has("tcp")
	case m.Left.CT != nil && m.Left.CT.Key == "state":
		wide = not != has("new")
	case m.Left.Payload != nil:
		wide = not
	}
	if wide {
		return broad
	}
	return narrow
}
