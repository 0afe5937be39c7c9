package linux

// When is a firewall switched on? Not when a service is installed, nor when there are rules, but when what comes in is
// dropped unless a rule lets it in. So a chain that the kernel asks about incoming traffic counts when
//
//   - its policy is to drop, and no rule before accepts everything; or
//   - one of its rules, or of a chain that it goes on to, drops or rejects everything, or everything but something: that
//     comes in at an interface, begins a connection, is TCP, or is not addressed to one port.
//
// Rules that drop what is named (the address of an attacker, packets out of place) filter nothing of the rest, as those of
// fail2ban do.
//
// Traffic over IPv4 and over IPv6 is filtered apart. A machine that has an IPv6 address by which others reach it has to drop
// both.

// protocol is one of the two.
type protocol uint8

const (
	ipv4 protocol = iota
	ipv6
)

// width says which traffic a rule is about.
type width uint8

const (
	narrow      width = iota // something in particular
	atInterface              // all of it at one interface, which others may have another rule for
	broad                    // most of it
	whole                    // all of it
)

// verdict is what a rule does with a packet.
type verdict uint8

const (
	goesOn verdict = iota
	drops
	accepts
	returns
	jumps
	leaves // goes to another chain and does not come back
)

// filterRule is one rule, as far as it matters here.
type filterRule struct {
	width   width
	verdict verdict
	target  string // of jumps and leaves
}

// filterChain is a list of rules.
type filterChain struct {
	base  [2]bool // the kernel asks it about incoming traffic, by protocol
	drops bool    // the policy of a base chain
	rules []filterRule
}

// filterTable is chains that know each other by their names.
type filterTable map[string]*filterChain

// chain gives the chain of that name, and makes it where there is none yet.
func (t filterTable) chain(name string) *filterChain {
	c := t[name]
	if c == nil {
		c = &filterChain{}
		t[name] = c
	}
	return c
}

// maxDepth is how far chains may go on to others; the kernel allows 16.
const maxDepth = 16

// asked reports whether the kernel asks the table about incoming traffic at all.
func (t filterTable) asked() bool {
	for _, c := range t {
		if c.base[ipv4] {
			return true
		}
	}
	return false
}

// filters reports whether the table drops incoming traffic that nothing lets in.
func (t filterTable) filters(over protocol) bool {
	for _, c := range t {
		if !c.base[over] {
			continue
		}
		steps := 0
		switch t.walk(c, maxDepth, &steps) {
		case drops:
			return true
		case accepts:
		default:
			if c.drops {
				return true
			}
		}
	}
	return false
}

// maxSteps bounds a walk: chains that go on to each other in many ways would be walked for ever.
const maxSteps = 100_000

// walk follows a packet of which nothing is special: what happens to it, drops or accepts, or goesOn where it comes to
// the end.
func (t filterTable) walk(c *filterChain, depth int, steps *int) verdict {
	for _, r := range c.rules {
		if *steps++; *steps > maxSteps {
			return goesOn
		}
		if r.width == narrow {
			continue
		}
		v := r.verdict
		if v == jumps || v == leaves {
			v = t.follow(r, depth, steps)
		}
		switch {
		case v == drops:
			return drops
		case r.width == atInterface: // the rest goes on
		case v == accepts:
			return accepts
		case r.verdict == returns || r.verdict == leaves:
			return goesOn
		}
	}
	return goesOn
}

func (t filterTable) follow(r filterRule, depth int, steps *int) verdict {
	next := t[r.target]
	if next == nil || depth == 0 {
		return goesOn
	}
	return t.walk(next, depth-1, steps)
}
