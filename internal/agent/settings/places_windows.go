package settings

// Where the agent keeps its things on Windows. Both folders are made for the system and administrators alone.
const (
	defaultFile   = `C:\ProgramData\muster-agent\settings.json`
	defaultState  = `C:\ProgramData\muster-agent\state`
	defaultStatus = ""
	defaultLog    = `C:\ProgramData\muster-agent\state\agent.log`
)
