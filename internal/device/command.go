package device

import (
	"context"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/posture"
)

// CommandKind is what an agent is told to do. The words are stored and sent: never rename.
type CommandKind string

// The commands.
const (
	RenewDHCP     CommandKind = "dhcprenew"
	Reidentify    CommandKind = "re-identify"
	FetchAgentLog CommandKind = "fetch_agent_log"
	ScanThreats   CommandKind = "scan_threats"
)

// known reports whether a word is a command.
func (k CommandKind) known() bool {
	return slices.Contains([]CommandKind{RenewDHCP, Reidentify, FetchAgentLog, ScanThreats}, k)
}

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

// Over reports whether nothing more is to come of the command.
func (s CommandState) Over() bool { return s >= CommandDone }

const (
	// CommandLife is how long an agent has to carry a command out. It is the same for all, so that those that end last
	// are those that were queued last: see Commands.OpenSince.
	CommandLife = 7 * 24 * time.Hour
	// CommandKept is how long a command that is over, and what came of it, can still be read.
	CommandKept = 30 * 24 * time.Hour
	// MaxOpenCommands is how many commands may wait for one agent.
	MaxOpenCommands = 32
	// MaxCommandOutput is how many bytes an agent may answer to a command.
	MaxCommandOutput = 1 << 20
	// MaxCommandMessage is how many characters of an agent's remark are kept.
	MaxCommandMessage = 512
	// MaxScanPath is how long a path to scan may be, in characters.
	MaxScanPath = 1024
)

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

// The parts of a scan are numbered from 0.
const (
	scanPath  = 4
	scanParts = 6
)

// Check says what is wrong with the parameters of a scan, if anything is. Invalid: the field names it.
func (p *CommandParams) Check() error {
	for i, part := range p.ScanTypes {
		if part < 0 || part >= scanParts || slices.Contains(p.ScanTypes[:i], part) {
			return errs.InvalidField("scan_types", "The parts of a scan are numbers from 0 to %d, each once", scanParts-1)
		}
	}
	if slices.Contains(p.ScanTypes, scanPath) != (p.Path != "") {
		return errs.InvalidField("path", "A path goes with scan type %d, and with no other", scanPath)
	}
	if utf8.RuneCountInString(p.Path) > MaxScanPath || !utf8.ValidString(p.Path) || hasControl(p.Path) {
		return errs.InvalidField("path", "The path must have at most %d characters, none of them a control character", MaxScanPath)
	}
	return nil
}

func (p *CommandParams) equal(o *CommandParams) bool {
	return p.FullScan == o.FullScan && p.Path == o.Path && slices.Equal(p.ScanTypes, o.ScanTypes)
}

func hasControl(s string) bool { return slices.ContainsFunc([]rune(s), unicode.IsControl) }

// Commands reads commands without a transaction.
type Commands interface {
	// Command gives a command with its output. NotFound: none of the account.
	Command(ctx context.Context, account posture.AccountID, id string) (Command, error)
	// OpenCommands gives the open commands of a device, the oldest first.
	OpenCommands(ctx context.Context, account posture.AccountID, deviceID string) ([]Command, error)
	// OpenSince gives the devices of all accounts that have an open command which expires at or after a time.
	OpenSince(ctx context.Context, expires time.Time) ([]Expecting, error)
	// ForgetCommands removes up to limit commands that ended before a time, and says how many.
	ForgetCommands(ctx context.Context, before time.Time, limit int) (int64, error)
}

// CommandTx is the part of a step that is about commands. All of it but what expires commands is used after the
// device was locked, so that nothing about its commands changes meanwhile; to end one twice does nothing.
type CommandTx interface {
	// OpenCommands gives the open commands of a device, the oldest first.
	OpenCommands(ctx context.Context, account posture.AccountID, deviceID string) ([]Command, error)
	// ExpiredCommands gives up to limit open commands of all accounts whose time is up, and whose account it is.
	ExpiredCommands(ctx context.Context, now time.Time, limit int) ([]Expired, error)
	// InsertCommand stores a new command.
	InsertCommand(ctx context.Context, account posture.AccountID, c *Command) error
	// DeliverCommand notes that a queued command went to its agent.
	DeliverCommand(ctx context.Context, account posture.AccountID, id string, at time.Time) error
	// EndCommand stores the state, end, message and output of a command, and says whether it was still open.
	EndCommand(ctx context.Context, account posture.AccountID, c *Command) (bool, error)
}

// Expecting is a device for which commands wait, the last until a time.
type Expecting struct {
	Ref
	Until time.Time
}

// Expired is a command and whose it is.
type Expired struct {
	Account posture.AccountID
	Command
}
