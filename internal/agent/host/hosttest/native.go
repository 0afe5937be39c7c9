package hosttest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"muster/internal/agent/host"
)

// Native answers for the calls of Windows. What is nil was not recorded and gives an error.
type Native struct {
	Adapters []host.Link     `json:"links"`
	SMBIOS   *string         `json:"firmware"` // hex digits
	Member   *string         `json:"domain"`
	Supply   *host.Power     `json:"power"`
	LoggedOn []host.Session  `json:"sessions"`
	Services map[string]bool `json:"services"`
}

func readNative(data []byte) (*Native, error) {
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	n := &Native{}
	if err := in.Decode(n); err != nil {
		return nil, fmt.Errorf("section native: %w", err)
	}
	return n, nil
}

var errNotRecorded = errors.New("not recorded")

func recorded[T any](v *T) (T, error) {
	if v == nil {
		var none T
		return none, errNotRecorded
	}
	return *v, nil
}

// Links are those recorded.
func (n *Native) Links() ([]host.Link, error) {
	if n.Adapters == nil {
		return nil, errNotRecorded
	}
	return n.Adapters, nil
}

// Firmware is what was recorded.
func (n *Native) Firmware() ([]byte, error) {
	digits, err := recorded(n.SMBIOS)
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(digits)
}

// Domain is what was recorded.
func (n *Native) Domain() (string, error) { return recorded(n.Member) }

// Power is what was recorded.
func (n *Native) Power() (host.Power, error) { return recorded(n.Supply) }

// Sessions are those recorded.
func (n *Native) Sessions() ([]host.Session, error) {
	if n.LoggedOn == nil {
		return nil, errNotRecorded
	}
	return n.LoggedOn, nil
}

// Service looks among those recorded.
func (n *Native) Service(name string) (bool, error) {
	if n.Services == nil {
		return false, errNotRecorded
	}
	running, ok := n.Services[name]
	if !ok {
		return false, fs.ErrNotExist
	}
	return running, nil
}
