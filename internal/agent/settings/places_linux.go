package settings

// Where the agent keeps its things on Linux.
const (
	defaultFile   = "/etc/muster-agent/settings.json"
	defaultState  = "/var/lib/muster-agent"
	defaultStatus = "/run/muster-agent/status.json"
	defaultLog    = "" // journald has it
)
