package gears

import (
	"cmp"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/posture"
)

// machine is what Muster's own agent says of the machine, beside what phones say in the same place. In what form those
// say it is not known for certain, so what cannot be read is passed over.
type machine struct {
	Vendor loose       `json:"vendor"`
	Model  loose       `json:"model"`
	CPU    looseCPU    `json:"cpu"`
	Memory looseMemory `json:"memory"`
}

type looseCPU struct {
	Model  loose      `json:"model"`
	Cores  looseCount `json:"cores"`
	MaxMHz looseCount `json:"max_speed_mhz"`
}

// UnmarshalJSON reads an object or nothing.
func (c *looseCPU) UnmarshalJSON(raw []byte) error {
	type plain looseCPU
	return orNothing(raw, (*plain)(c))
}

// looseMemory has the size that does not change; what is free is not read.
type looseMemory struct {
	TotalMB looseCount `json:"total_memory_mb"`
}

// UnmarshalJSON reads an object or nothing.
func (m *looseMemory) UnmarshalJSON(raw []byte) error {
	type plain looseMemory
	return orNothing(raw, (*plain)(m))
}

// orNothing reads an object of which no member can be refused.
func orNothing(raw []byte, into any) error {
	if raw[0] != '{' {
		return nil
	}
	return json.Unmarshal(raw, into, scanOptions...)
}

// looseCount is a count or nothing.
type looseCount int

// UnmarshalJSON reads a count or nothing.
func (c *looseCount) UnmarshalJSON(raw []byte) error {
	var n count
	if n.UnmarshalJSON(raw) == nil {
		*c = looseCount(n.n)
	}
	return nil
}

// hypervisor is a name, or the empty one of no hypervisor; what is no name says nothing.
type hypervisor struct {
	name loose
	said bool
}

// UnmarshalJSON reads a string or nothing.
func (h *hypervisor) UnmarshalJSON(raw []byte) error {
	if raw[0] != '"' {
		return nil
	}
	h.said = true
	return h.name.UnmarshalJSON(raw)
}

// hardware gives the machine.
func (b *body) hardware(s *system) posture.Hardware {
	x, y := &b.SOH.System.machine, &s.System.machine
	h := posture.Hardware{
		Vendor: string(cmp.Or(x.Vendor, y.Vendor)), Model: string(cmp.Or(x.Model, y.Model)),
		CPU: string(cmp.Or(x.CPU.Model, y.CPU.Model)), Cores: int(cmp.Or(x.CPU.Cores, y.CPU.Cores)),
		MaxMHz: int(cmp.Or(x.CPU.MaxMHz, y.CPU.MaxMHz)), MemoryMB: int(cmp.Or(x.Memory.TotalMB, y.Memory.TotalMB)),
	}
	if v := cmp.Or(s.Virtual, s.Nested.Virtual); v.said {
		h.Virtual, h.Hypervisor = posture.No, string(v.name)
	}
	if h.Hypervisor != "" {
		h.Virtual = posture.Yes
	}
	return h
}

// unread is a fact that the agent has no value of.
type unread struct {
	Fact  fact    `json:"fact"`
	State text    `json:"state"`
	Why   clipped `json:"why"`
}

func (unread) form() (int, jsontext.Kind) { return maxUnread, '{' }

// fact is the name of a fact.
type fact text

const errFactLong = problem("is longer than 64 characters")

// UnmarshalJSON reads the name as a text that is shorter than others.
func (f *fact) UnmarshalJSON(raw []byte) error {
	err := (*text)(f).UnmarshalJSON(raw)
	if err == nil && utf8.RuneCountInString(string(*f)) > maxFact {
		err = errFactLong
	}
	return err
}

// unreadOf leaves out what names no fact. A state that Muster does not know is that of a fact that could not be read:
// only a plain word says that there is nothing to know.
func unreadOf(in list[unread]) []posture.Unread {
	var out []posture.Unread
	for _, u := range in {
		if u.Fact == "" {
			continue
		}
		p := posture.Unread{Fact: string(u.Fact), State: posture.Unreadable, Why: string(u.Why)}
		if posture.UnreadState(u.State) == posture.NotApplicable {
			p.State = posture.NotApplicable
		}
		out = append(out, p)
	}
	return out
}
