package settings

// Where the agent keeps its things on macOS.
const (
	defaultFile   = "/Library/Application Support/muster-agent/settings.json"
	defaultState  = "/Library/Application Support/muster-agent/state"
	defaultStatus = "/var/run/muster-agent/status.json"
	defaultLog    = "" // the end of it is in memory, for the server to fetch
)
