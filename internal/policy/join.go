package policy

import (
	"slices"

	"muster/internal/posture"
)

// JoinFacts are what is known of a device when it is to join a group.
type JoinFacts struct {
	OS         posture.OS
	DeviceType posture.DeviceType
	Name       string // as its owner or an administrator named it
	HostName   string
	Domain     string // the directory domain
	Serial     string
	Users      []string // accounts on the machine
	IPs        []string
}

// JoinFactsOf gives what a report tells of them.
func JoinFactsOf(r *posture.Report) *JoinFacts {
	f := &JoinFacts{OS: r.OS, DeviceType: r.DeviceType, Name: r.DeviceName, HostName: r.HostName, Domain: r.Domain, Serial: r.Serial}
	for _, u := range r.Users {
		f.Users = append(f.Users, u.Name)
	}
	for i := range r.Adapters {
		f.IPs = append(append(f.IPs, r.Adapters[i].IPv4...), r.Adapters[i].IPv6...)
	}
	if r.PublicIP != "" && !slices.Contains(f.IPs, r.PublicIP) {
		f.IPs = append(f.IPs, r.PublicIP)
	}
	return f
}

func (f *JoinFacts) variables() *variables {
	return &variables{
		texts: map[string]string{
			"os.family": string(f.OS.Family), "os.name": f.OS.Name, "os.version": f.OS.Version, "os.distribution": f.OS.Distribution,
			"device.type": string(f.DeviceType), "device.name": f.Name, "device.host": f.HostName, "device.domain": f.Domain,
			"device.serial": f.Serial,
		},
		lists: map[string]func() any{"users": func() any { return f.Users }, "ips": func() any { return f.IPs }},
		made:  make(map[string]any),
	}
}

// Join is a rule by which devices join a group. It is never changed: many goroutines may ask it at once.
type Join struct{ expression *expression }

// CompileJoin readies a condition in CEL. Invalid: it is none.
func CompileJoin(text string) (*Join, error) {
	e, err := compileExpression(joinEnvironment, text)
	if err != nil {
		return nil, err
	}
	return &Join{e}, nil
}

// Holds reports whether a device meets the condition. It fails where the condition cannot be decided, such as by a
// version that is none, or costs too much: nobody joins by that.
func (j *Join) Holds(facts JoinFacts) (bool, error) { return j.expression.holds(facts.variables()) }
