package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Agent is the agent of one machine. Its calls may run at the same time as each other, but not as Register.
type Agent struct {
	Machine *Machine
	// Now gives the time that reports bear.
	Now func() time.Time

	// What registering gave.
	LicenseKey, DeviceID, Key, Token string

	client        *http.Client
	baseURL, code string
	deviceURL     string
	credentials   http.Header
}

// NewAgent makes the agent of a machine that is not registered yet. The base URL has no slash at its end.
func NewAgent(client *http.Client, baseURL, code string, m *Machine) *Agent {
	return &Agent{Machine: m, Now: time.Now, client: client, baseURL: baseURL, code: code}
}

// CallError is an answer that is no success.
type CallError struct {
	Call   string
	Host   string // name of the emulated machine
	Status int
	Body   string // the beginning of it
}

// Error says which call of which machine was answered what.
func (e *CallError) Error() string {
	return fmt.Sprintf("%s of %s: %d %s: %s", e.Call, e.Host, e.Status, http.StatusText(e.Status), e.Body)
}

const (
	maxAnswer = 64 << 10
	maxShown  = 300 // bytes of an answer in an error
)

// Register enrols the machine with the registration code, or once more if it is registered already.
func (a *Agent) Register(ctx context.Context) error {
	var got struct {
		LicenseKey  string `json:"license_key"`
		DeviceID    string `json:"device_id"`
		AccessKey   string `json:"access_key"`
		AccessToken string `json:"access_token"`
	}
	header := http.Header{"Gears-Auth": {a.code}, "Content-Type": jsonType}
	err := a.call(ctx, "registration", "POST", a.baseURL+"/api/v2/accounts/devices/registration_code", header,
		a.Machine.Registration(a.DeviceID), &got)
	if err != nil {
		return err
	}
	if got.LicenseKey == "" || got.DeviceID == "" || got.AccessKey == "" || got.AccessToken == "" {
		return fmt.Errorf("registration of %s: the answer lacks a member", a.Machine.HostName)
	}
	a.LicenseKey, a.DeviceID, a.Key, a.Token = got.LicenseKey, got.DeviceID, got.AccessKey, got.AccessToken
	a.prepare()
	return nil
}

// Resume makes the agent act for a device that was registered before.
func (a *Agent) Resume(licenseKey, deviceID, key, token string) {
	a.LicenseKey, a.DeviceID, a.Key, a.Token = licenseKey, deviceID, key, token
	a.prepare()
}

var jsonType = []string{"application/json"}

// prepare makes what every call needs once. The agents of phones in the field send the two credentials in each other's
// place, and so do ours.
func (a *Agent) prepare() {
	key, token := a.Key, a.Token
	if a.Machine.mobile() {
		key, token = token, key
	}
	a.credentials = http.Header{"Gears-Access-Key": {key}, "Gears-Access-Token": {token}, "Content-Type": jsonType}
	a.deviceURL = a.baseURL + "/api/v2/accounts/" + url.PathEscape(a.LicenseKey) + "/devices/" + url.PathEscape(a.DeviceID)
}

// Ping shows that the machine is there.
func (a *Agent) Ping(ctx context.Context) error {
	return a.device(ctx, "ping", "POST", "/ping", []byte("{}"), nil)
}

// Report sends a health report of the machine as it is now.
func (a *Agent) Report(ctx context.Context) error {
	return a.SendReport(ctx, a.Machine.Report(a.DeviceID, a.Now()))
}

// SendReport sends a health report that the caller has made.
func (a *Agent) SendReport(ctx context.Context, body []byte) error {
	return a.device(ctx, "report", "PUT", "/report/health", body, nil)
}

// PolicyCheck is what the server thinks of a device.
type PolicyCheck struct {
	Status          string `json:"status"`
	TotalIssue      int    `json:"total_issue"`
	TotalCritical   int    `json:"total_critical_issue"`
	RemediationLink string `json:"remediation_link"`
	LastSeen        string `json:"last_seen"`
}

// PolicyCheck asks what the server thinks of the machine.
func (a *Agent) PolicyCheck(ctx context.Context) (PolicyCheck, error) {
	var out PolicyCheck
	err := a.device(ctx, "policy check", "GET", "/policy_check", nil, &out)
	return out, err
}

// Config is how the server wants its agents to behave; 1 is yes.
type Config struct {
	UserIdentity struct {
		Enable int    `json:"enable"`
		Regex  string `json:"regex"`
		Msg    string `json:"msg"`
	} `json:"user_identity"`
	Privacy       map[string]int `json:"privacy"`
	NotifyInstall int            `json:"notification_install_app"`
	PingSeconds   int            `json:"ping_frequency"`
	ReportSeconds int            `json:"report_frequency"`
}

// Config asks how the agent is to behave.
func (a *Agent) Config(ctx context.Context) (Config, error) {
	var out Config
	err := a.device(ctx, "config", "POST", "/config",
		[]byte(`{"include":["mac_required","user_identity","privacy","notification_install_app"]}`), &out)
	return out, err
}

// CodeRemove is what ImHere gives when the device was deleted: the agent is to remove itself.
const CodeRemove = 802

// ImHere shows that the machine is there, and gives the code of what the agent is to do; 0 is nothing.
func (a *Agent) ImHere(ctx context.Context) (int, error) {
	var out struct {
		Code int `json:"code"`
	}
	body := fmt.Appendf(nil, `{"hwid":%q,"opt":0}`, a.DeviceID)
	err := a.registered(ctx, "imhere", "POST", a.baseURL+"/gears/api/1/agent/imhere", body, &out)
	return out.Code, err
}

// Retire takes the machine out of the inventory. The agent may register again.
func (a *Agent) Retire(ctx context.Context) error {
	return a.device(ctx, "retirement", "DELETE", "", nil, nil)
}

// device makes a call about this device.
func (a *Agent) device(ctx context.Context, call, method, path string, body []byte, into any) error {
	return a.registered(ctx, call, method, a.deviceURL+path, body, into)
}

func (a *Agent) registered(ctx context.Context, call, method, address string, body []byte, into any) error {
	if a.credentials == nil {
		return errors.New(call + " of " + a.Machine.HostName + ": it is not registered")
	}
	return a.call(ctx, call, method, address, a.credentials, body, into)
}

// call sends a request and reads the answer. The header is shared by many requests; the client only reads it.
func (a *Agent) call(ctx context.Context, call, method, address string, header http.Header, body []byte, into any) error {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", call, a.Machine.HostName, err)
	}
	req.Header = header
	answer, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", call, a.Machine.HostName, err)
	}
	// Read to its end, the connection can be used again.
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	err = errors.Join(err, answer.Body.Close())
	switch {
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return &CallError{Call: call, Host: a.Machine.HostName, Status: answer.StatusCode, Body: string(text[:min(len(text), maxShown)])}
	case err == nil && into != nil:
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("%s of %s: the answer (status %d) cannot be read: %w", call, a.Machine.HostName, answer.StatusCode, err)
	}
	return nil
}
