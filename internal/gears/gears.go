// Package gears is the door that agents use: the calls below /api/v2/accounts/ and /gears/api/. It speaks the two
// generations of the protocol that agents in the field speak, which share their credentials; docs/agent-protocol.md
// describes both, call by call.
//
// A handler translates: it reads and bounds what came, makes one call of the device service, and writes the answer.
package gears

import (
	"context"
	"net/http"
	"time"

	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/web"
)

// Devices is what the door needs of the device service.
type Devices interface {
	// Enrol registers a device and gives it new credentials. OverLicence: the account has no room for it. NotFound: the
	// registration code lets no more devices in.
	Enrol(ctx context.Context, account posture.AccountID, r device.Registration) (device.Enrolment, error)
	// Authenticate names the device that a pair of credentials belongs to; the two may come in either order.
	// Unauthenticated: they belong to no live device of that id in the account.
	Authenticate(ctx context.Context, account posture.AccountID, deviceID, key, token string) (device.Ref, error)
	// AuthenticateAny does the same for calls that do not say which device of the account is calling.
	AuthenticateAny(ctx context.Context, account posture.AccountID, key, token string) (device.Ref, error)
	// Ping notes that the device was in contact.
	Ping(ctx context.Context, ref device.Ref)
	// Report stores a health report. It passes on the error of the submission's Decode.
	Report(ctx context.Context, ref device.Ref, sub device.Submission) error
	// Summary says what is thought of a device.
	Summary(ctx context.Context, ref device.Ref) (device.Summary, error)
	// Standing says which device calls and what its agent should do, also when the device was retired or deleted. For a
	// live device it notes the contact, as Ping does: the agents that ask it never ping.
	// Unauthenticated: the credentials belong to no device, live or gone, of that id.
	Standing(ctx context.Context, deviceID, key, token string) (device.Ref, device.Standing, error)
	// Commands gives what the agent is to do, the oldest first. It is called for every ping, and answers from memory where
	// there is nothing.
	Commands(ctx context.Context, ref device.Ref) ([]device.Command, error)
	// CommandResult stores what became of a command, named by its id or else its kind. It ignores what is about no command
	// that is open. TooLarge: the output.
	CommandResult(ctx context.Context, ref device.Ref, id string, kind device.CommandKind, ok bool, message string, output []byte) error
	// Retire takes a device out of the inventory.
	Retire(ctx context.Context, ref device.Ref) error
}

// Accounts finds the account that an agent names. All give NotFound when there is none. AccountByLicenseKey is called
// for every ping, so it should answer from memory.
type Accounts interface {
	// EnrolmentCode gives the registration code too, the zero one where it is the account's own.
	EnrolmentCode(ctx context.Context, code string) (identity.Account, identity.RegistrationCode, error)
	// EnrolmentByLicenseKey gives NotFound also where the account does not let agents register by its licence key.
	EnrolmentByLicenseKey(ctx context.Context, key string) (identity.Account, error)
	AccountByRegistrationCode(ctx context.Context, code string) (identity.Account, error)
	AccountByLicenseKey(ctx context.Context, key string) (identity.Account, error)
}

// Guard slows down who guesses registration codes. It counts failures, never successes: a whole office that enrols at
// once through one address is no guesser.
type Guard interface {
	// Allowed reports whether who may try again now, and otherwise after what time.
	Allowed(ctx context.Context, kind, who string) (retryAfter time.Duration, ok bool)
	// Failed counts a failed attempt.
	Failed(ctx context.Context, kind, who string)
}

// GuardKind is the kind under which the door asks the guard.
const GuardKind = "registration_code"

// Privacy says what agents are not to report.
type Privacy struct {
	SerialNumber, LocalIP, HostName, PublicIP, MAC, Username bool
}

// UserIdentity says whether agents are to ask their user who they are, and what an answer has to look like.
type UserIdentity struct {
	Ask     bool
	Pattern string // a regular expression
	Message string // the question
}

// Settings is what the agents of an account are told.
type Settings struct {
	PingEvery, ReportEvery time.Duration // 0: left to the agent
	Privacy                Privacy
	UserIdentity           UserIdentity
	NotifyInstall          bool
	// Neighbours has agents report what they see of other machines.
	Neighbours bool
}

// Deps is what the door is built from.
type Deps struct {
	Devices  Devices
	Accounts Accounts
	Guard    Guard
	// Settings gives what the agents of an account are told.
	Settings func(ctx context.Context, account posture.AccountID) (Settings, error)
	// Checks gives what the policy of a device asks its agent to run.
	Checks func(ctx context.Context, ref device.Ref) ([]CustomCheck, error)
	// BaseURL gives the address under which people reach the server, without a slash at its end. Links in answers start
	// with it.
	BaseURL func(r *http.Request) string
}

// door holds the handlers.
type door struct {
	Deps
	wrong wrongCodes
}

// New builds the door.
func New(deps Deps) *web.Door {
	return &web.Door{
		Name:     "gears",
		Prefixes: []string{"/api/v2/accounts/", "/gears/api/", "/gear/api/"},
		Routes:   (&door{Deps: deps}).routes(),
		Present:  present,
	}
}

const devicePath = "/api/v2/accounts/{license_key}/devices/{device_id}"

func (d *door) routes() []web.Route {
	routes := []web.Route{
		{Method: "POST", Path: "/api/v2/accounts/devices/registration_code", Name: "agent.register", Scope: web.Public, Handler: d.register},
		{Method: "GET", Path: "/api/v2/accounts/{license_key}", Name: "agent.account", Scope: web.Agent, Handler: d.account},
		{Method: "POST", Path: devicePath + "/ping", Name: "agent.ping", Scope: web.Agent, Handler: d.agent(d.ping)},
		{Method: "PUT", Path: devicePath + "/report/health", Name: "agent.report", Scope: web.Agent, Handler: d.agent(d.report)},
		{Method: "GET", Path: devicePath + "/policy_check", Name: "agent.policy_check", Scope: web.Agent, Handler: d.agent(d.policyCheck)},
		{Method: "POST", Path: devicePath + "/config", Name: "agent.config", Scope: web.Agent, Handler: d.agent(d.config)},
		{Method: "POST", Path: devicePath + "/result", Name: "agent.command_result", Scope: web.Agent, Handler: d.agent(d.commandResult)},
		{Method: "DELETE", Path: devicePath, Name: "agent.retire", Scope: web.Agent, Handler: d.agent(d.retire)},
	}
	// The reference shows some of these calls with the prefix misspelt.
	for _, prefix := range []string{"/gears/api/{n}/agent/", "/gear/api/{n}/agent/"} {
		routes = append(routes,
			web.Route{Method: "POST", Path: prefix + "fetch_privacy", Name: "agent.fetch_privacy", Scope: web.Public, Handler: numbered(d.fetchPrivacy)},
			web.Route{Method: "POST", Path: prefix + "imhere", Name: "agent.imhere", Scope: web.Agent, Handler: numbered(d.imHere)},
			web.Route{Method: "POST", Path: prefix + "result", Name: "agent.result", Scope: web.Agent, Handler: numbered(d.result)},
		)
	}
	return routes
}

// numbered lets a call through under the protocol numbers that agents use, 1 to 6; the calls are the same under all.
func numbered(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if n := r.PathValue("n"); len(n) != 1 || n[0] < '1' || n[0] > '6' {
			return errNoPath
		}
		return h(w, r)
	}
}
