package device

import "time"

// CommandKind is what an agent is told to do. The words are stored and sent: never rename.
type CommandKind string

// The commands.
const (
	RenewDHCP     CommandKind = "dhcprenew"
	Reidentify    CommandKind = "re-identify"
	FetchAgentLog CommandKind = "fetch_agent_log"
	ScanThreats   CommandKind = "scan_threats"
)

// CommandState is how far a command has come. The numbers are stored; from CommandDone on it is over.
type CommandState uint8

// The states.
const (
	CommandQueued    CommandState = 0
	CommandDelivered CommandState = 1
	CommandDone      CommandState = 2
	CommandFailed    CommandState = 3
	CommandExpired   CommandState = 4
)

// String gives the word that people and agents see.
func (s CommandState) String() string {
	return [...]string{"queued", "delivered", "done", "failed", "expired"}[s]
}

// CommandLife is how long an agent has to carry a command out.
const CommandLife = 7 * 24 * time.Hour

// Command is one thing that an agent is to do.
type Command struct {
	ID       string
	DeviceID string
	Kind     CommandKind
	Params   CommandParams
	State    CommandState
	Actor    string // who asked
	// The times are zero for what has not happened.
	CreatedAt, DeliveredAt, EndedAt, ExpiresAt time.Time
	Message                                    string // what the agent said about it
	Output                                     []byte // the log it was asked for
}

// CommandParams are those of ScanThreats. They are stored and sent as JSON.
type CommandParams struct {
	FullScan bool `json:"full_scan,omitempty"`
	// ScanTypes are the parts of a scan that is not full: 0 memory, 1 system volume, 2 portable volumes, 3 other volumes, 4
	// Path, 5 boot records.
	ScanTypes []int  `json:"scan_types,omitempty"`
	Path      string `json:"path,omitempty"`
}
