package settings

// Where the agent keeps its things on macOS.
const (
	defaultFile   = "/Library/Application Support/muster-agent/settings.json"
	defaultState  = "/Library/Application Support/muster-agent/state"
	defaultStatus = "/var/run/muster-agent/status.json"
	defaultLog    = "" // launchd puts it where the property list says
)
