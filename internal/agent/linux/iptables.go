package linux

import (
	"strings"
)

// parseIptables reads the table `filter` of iptables-save, or of ip6tables-save.
func parseIptables(out []byte, over protocol) filterTable {
	t := filterTable{}
	inside := false
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			inside = line == "*filter"
		case !inside:
		case strings.HasPrefix(line, ":"):
			f := strings.Fields(line[1:])
			if len(f) < 2 {
				continue
			}
			c := t.chain(f[0])
			c.base[over] = f[0] == "INPUT"
			c.drops = f[1] == "DROP"
		case strings.HasPrefix(line, "-A "):
			words := quotedFields(line)
			if len(words) > 1 {
				c := t.chain(words[1])
				c.rules = append(c.rules, iptablesRule(words[2:]))
			}
		}
	}
	return t
}

// iptablesRule reads a rule, the words after its chain.
func iptablesRule(words []string) filterRule {
	rule := filterRule{width: whole}
	not := false
	for i := 0; i < len(words); i++ {
		word, next := words[i], ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		wide := not
		switch word {
		case "!":
			not = true
			continue
		case "-j", "-g":
			rule.verdict, rule.target = iptablesVerdict(word, next)
			return rule // what follows is of the target
		case "-m", "--comment":
			wide = true
			if next == "limit" || next == "hashlimit" || next == "recent" || next == "statistic" {
				wide = false
			}
			if wide {
				i++
				continue
			}
		case "-i":
			if not == (next == "lo") {
				rule.width = min(rule.width, atInterface)
				wide = true
			}
		case "-p":
			wide = not != (next == "tcp")
		case "--ctstate", "--state":
			wide = not != strings.Contains(next, "NEW")
		}
		not = false
		if wide {
			rule.width = min(rule.width, broad)
		} else {
			rule.width = narrow
		}
		i++
	}
	return rule
}

func iptablesVerdict(how, target string) (v verdict, chain string) {
	switch target {
	case "DROP", "REJECT":
		return drops, ""
	case "ACCEPT":
		return accepts, ""
	case "RETURN":
		return returns, ""
	default: // a chain; other targets (LOG, MARK …) are no chains, so that going to them goes on
		if how == "-g" {
			return leaves, target
		}
		return jumps, target
	}
}

// quotedFields splits a line at blanks, but for those between quotation marks.
func quotedFields(line string) []string {
	var out []string
	var word strings.Builder
	quoted, begun := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted, begun = !quoted, true
		case c == ' ' && !quoted:
			if begun {
				out = append(out, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		out = append(out, word.String())
	}
	return out
}
