package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// RegisterWithCode enrols the machine that the body describes with a registration code, which may end in _ and the id of
// a group.
func (c *Client) RegisterWithCode(ctx context.Context, code string, body []byte) (Credentials, error) {
	return c.register(ctx, http.Header{"Gears-Auth": {code}, "Content-Type": jsonType}, body)
}

// Register enrols the machine that the body describes; the body names the account by its licence key.
func (c *Client) Register(ctx context.Context, body []byte) (Credentials, error) {
	return c.register(ctx, http.Header{"Content-Type": jsonType}, body)
}

func (c *Client) register(ctx context.Context, header http.Header, body []byte) (Credentials, error) {
	var got Credentials
	err := c.call(ctx, "registration", "POST", c.base+"/api/v2/accounts/devices/registration_code", header, body, &got)
	if err == nil && !got.Complete() {
		err = errors.New("registration: the answer lacks a member")
	}
	return got, err
}

// FetchPrivacy asks, before there are credentials, what is not to be reported. One of code and licence key is "".
func (c *Client) FetchPrivacy(ctx context.Context, code, licenseKey string) (Privacy, error) {
	body, err := json.Marshal(struct {
		Code       string `json:"reg_code,omitempty"`
		LicenseKey string `json:"license_key,omitempty"`
	}{code, licenseKey})
	if err != nil {
		return Privacy{}, err
	}
	var out Privacy
	err = c.call(ctx, "privacy", "POST", c.base+"/gears/api/2/agent/fetch_privacy", http.Header{"Content-Type": jsonType}, body, &out)
	return out, err
}

// Command is what the server asks of the agent.
type Command struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Params  Params    `json:"params"`
	Expires time.Time `json:"expires_at"`
}

// Params are the parameters of a command. Scan types are 0 memory, 1 system volume, 2 portable volumes, 3 other volumes,
// 4 the path, 5 boot records.
type Params struct {
	FullScan  int    `json:"full_scan"`
	ScanTypes []int  `json:"scan_types"`
	Path      string `json:"path"`
}

// The types of commands.
const (
	CommandRenewLeases = "dhcprenew"
	CommandReidentify  = "re-identify"
	CommandSendLog     = "fetch_agent_log"
	CommandScan        = "scan_threats"
)

// Ping shows that the machine is there, and gives what the server asks of it.
func (c *Client) Ping(ctx context.Context) ([]Command, error) {
	var out struct {
		Commands some[Command] `json:"commands"`
	}
	err := c.device(ctx, "ping", "POST", "/ping", []byte("{}"), &out)
	return out.Commands, err
}

// Report sends a health report. When it gives no error, the server has stored it.
func (c *Client) Report(ctx context.Context, body []byte) error {
	return c.device(ctx, "report", "PUT", "/report/health", body, nil)
}

// Result tells what became of a command.
type Result struct {
	Method    string `json:"method"`
	CommandID string `json:"command_id,omitempty"`
	Result    string `json:"result"` // "1" for done
	Message   string `json:"message,omitempty"`
	Output    string `json:"output,omitempty"`
}

// Answer tells the server what became of a command. It may be repeated.
func (c *Client) Answer(ctx context.Context, r Result) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.device(ctx, "result", "POST", "/result", body, nil)
}

// Verdict is what the server thinks of the device.
type Verdict struct {
	Status      string `json:"status"`
	Issues      int    `json:"total_issue"`
	Critical    int    `json:"total_critical_issue"`
	Remediation string `json:"remediation_link"`
	LastSeen    string `json:"last_seen"`
}

// Verdict asks what the server thinks of the device.
func (c *Client) Verdict(ctx context.Context) (Verdict, error) {
	var out Verdict
	err := c.device(ctx, "policy check", "GET", "/policy_check", nil, &out)
	return out, err
}

// Config is how the server wants its agents to behave.
type Config struct {
	UserIdentity struct {
		Enable int    `json:"enable"`
		Regex  string `json:"regex"`
		Msg    string `json:"msg"`
	} `json:"user_identity"`
	Privacy       Privacy           `json:"privacy"`
	NotifyInstall int               `json:"notification_install_app"`
	PingSeconds   int               `json:"ping_frequency"`
	ReportSeconds int               `json:"report_frequency"`
	Neighbours    int               `json:"neighbours"`
	CrossDomain   *CrossDomain      `json:"cross_domain_api"`
	Checks        some[CustomCheck] `json:"custom_checks"`
	Commands      some[Command]     `json:"commands"`
}

// some is a list of which the beginning is read. An answer could hold hundreds of thousands of empty elements, which take a
// hundred times their length in memory.
type some[T any] []T

const maxListed = 1000

// UnmarshalJSON reads a list, or null.
func (s *some[T]) UnmarshalJSON(raw []byte) error {
	*s = nil
	d := json.NewDecoder(bytes.NewReader(raw))
	switch start, err := d.Token(); {
	case err != nil || start == nil:
		return err
	case start != json.Delim('['):
		return errors.New("it is no list")
	}
	for d.More() && len(*s) < maxListed {
		var one T
		if err := d.Decode(&one); err != nil {
			return err
		}
		*s = append(*s, one)
	}
	return nil
}

// Privacy names by a 1 what is not to be reported.
type Privacy struct {
	SerialNumber int `json:"serial_number"`
	LocalIP      int `json:"local_ip"`
	HostName     int `json:"hostname"`
	PublicIP     int `json:"public_ip"`
	MAC          int `json:"mac_addr"`
	Username     int `json:"username"`
}

// CrossDomain says whether web pages may ask the agent which device it is, and at which port of the loopback address.
type CrossDomain struct {
	Enabled int `json:"enabled"`
	Port    int `json:"port"`
}

// CustomCheck is a script that the policy asks the agent to run.
type CustomCheck struct {
	ID             string   `json:"id"`
	Interpreter    string   `json:"interpreter"`
	TimeoutSeconds int      `json:"timeout_seconds"`
	Systems        []string `json:"os"` // those that it was written for; none for all
	Text           string   `json:"text"`
	Signature      string   `json:"signature"` // "" for a script that nobody signed
}

// Config asks how the agent is to behave.
func (c *Client) Config(ctx context.Context) (Config, error) {
	var out Config
	err := c.device(ctx, "config", "POST", "/config",
		[]byte(`{"include":["user_identity","privacy","notification_install_app","neighbours","cross_domain_api","custom_checks"]}`), &out)
	return out, err
}

// CodeRemove is what ImHere gives when the device was deleted: the agent is to remove itself.
const CodeRemove = 802

// ImHere asks what has become of the device; it answers also where the credentials open nothing any more. 0 is nothing.
func (c *Client) ImHere(ctx context.Context) (int, error) {
	if c.header == nil {
		return 0, errors.New("imhere: the device is not registered")
	}
	body, err := json.Marshal(struct {
		HWID string `json:"hwid"`
		Opt  int    `json:"opt"`
	}{c.credentials.DeviceID, 0})
	if err != nil {
		return 0, err
	}
	var out struct {
		Code int `json:"code"`
	}
	err = c.call(ctx, "imhere", "POST", c.base+"/gears/api/1/agent/imhere", c.header, body, &out)
	return out.Code, err
}

// Retire takes the device out of the inventory. Its credentials end.
func (c *Client) Retire(ctx context.Context) error {
	return c.device(ctx, "retirement", "DELETE", "", nil, nil)
}
