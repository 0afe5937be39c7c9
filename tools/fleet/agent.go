package fleet

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"muster/internal/agent/protocol"
)

// Agent is the agent of one machine. It speaks through the protocol code of the real agent. Its calls may run at the same
// time as each other, but not as Register.
type Agent struct {
	Machine *Machine
	// Now gives the time that reports bear.
	Now func() time.Time

	// What registering gave.
	protocol.Credentials

	anonymous, client *protocol.Client
	code              string
}

// NewAgent makes the agent of a machine that is not registered yet. The base URL has no slash at its end.
func NewAgent(client *http.Client, baseURL, code string, m *Machine) *Agent {
	c := protocol.New(client, baseURL)
	return &Agent{Machine: m, Now: time.Now, anonymous: c, client: c, code: code}
}

// Register enrols the machine with the registration code, or once more if it is registered already.
func (a *Agent) Register(ctx context.Context) error {
	got, err := a.anonymous.RegisterWithCode(ctx, a.code, a.Machine.Registration(a.DeviceID))
	if err != nil {
		return a.named(err)
	}
	a.Resume(got)
	return nil
}

// Resume makes the agent act for a device that was registered before. The agents of phones in the field send the two
// credentials in each other's place, and so do ours.
func (a *Agent) Resume(who protocol.Credentials) {
	a.Credentials = who
	if a.Machine.mobile() {
		who.Key, who.Token = who.Token, who.Key
	}
	a.client = a.anonymous.As(who)
}

// named says whose error it is.
func (a *Agent) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", a.Machine.HostName, err)
}

// Ping shows that the machine is there.
func (a *Agent) Ping(ctx context.Context) error {
	_, err := a.client.Ping(ctx)
	return a.named(err)
}

// Report sends a health report of the machine as it is now.
func (a *Agent) Report(ctx context.Context) error {
	return a.SendReport(ctx, a.Machine.Report(a.DeviceID, a.Now()))
}

// SendReport sends a health report that the caller has made.
func (a *Agent) SendReport(ctx context.Context, body []byte) error {
	return a.named(a.client.Report(ctx, body))
}

// Verdict asks what the server thinks of the machine.
func (a *Agent) Verdict(ctx context.Context) (protocol.Verdict, error) {
	v, err := a.client.Verdict(ctx)
	return v, a.named(err)
}

// Config asks how the agent is to behave.
func (a *Agent) Config(ctx context.Context) (protocol.Config, error) {
	c, err := a.client.Config(ctx)
	return c, a.named(err)
}

// ImHere shows that the machine is there, and gives the code of what the agent is to do; 0 is nothing.
func (a *Agent) ImHere(ctx context.Context) (int, error) {
	code, err := a.client.ImHere(ctx)
	return code, a.named(err)
}

// Retire takes the machine out of the inventory. The agent may register again.
func (a *Agent) Retire(ctx context.Context) error {
	return a.named(a.client.Retire(ctx))
}
