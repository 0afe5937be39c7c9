package gears

import (
	"cmp"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// decodeReport reads a body that digestOf has accepted. Members that Muster does not know are passed over: they stay
// in the body that is stored.
func decodeReport(raw []byte) (*posture.Report, error) {
	var b body
	if err := unmarshal(raw, &b); err != nil {
		return nil, err
	}
	r := b.report()
	settleRelease(r.Applications, r.OS.Distribution)
	return r, nil
}

// decodeRegistration reads a body that checkJSON has accepted.
func decodeRegistration(raw []byte) (device.Registration, error) {
	var b body
	if err := unmarshal(raw, &b); err != nil {
		return device.Registration{}, err
	}
	r := b.registration()
	if r.DeviceID == "" && r.HardwareID == "" && r.Serial == "" && r.Name == "" && r.OS.Family == "" &&
		len(posture.MACsOf(r.Adapters)) == 0 {
		return device.Registration{}, errs.New(errs.Invalid,
			"The registration names no device: one of device_name, hostname, hardware_id, serial_number, os.family or an adapter's mac is needed")
	}
	return r, nil
}

// unmarshal decodes a body that the scanner has accepted, so repeated names need no second look.
func unmarshal(raw []byte, into any) error {
	err := json.Unmarshal(raw, into, jsontext.AllowDuplicateNames(true))
	if err == nil {
		return nil
	}
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return errs.Wrap(errs.Invalid, err, "The body is not valid JSON")
	}
	problem := "has the wrong type"
	switch {
	case isProblem(semantic.Err):
		problem = semantic.Err.Error()
	case semantic.GoType != nil && semantic.GoType.Kind() == reflect.Struct:
		problem = "must be an object"
	}
	return invalidMember(semantic.JSONPointer, problem)
}

// isProblem reports whether an error is one of this package, written to be read by a person.
func isProblem(err error) bool {
	_, ok := errors.AsType[problem](err)
	return ok
}

// os gives the operating system, wherever it was described.
func (b *body) os() *system {
	s := &b.OS
	switch {
	case len(b.SOH.OSInfo) > 0:
		s = &b.SOH.OSInfo[0]
	case len(b.OSInfo) > 0:
		s = &b.OSInfo[0]
	}
	if s.Nested == nil {
		s.Nested = &system{}
	}
	return s
}

func (b *body) report() *posture.Report {
	s := b.os()
	n := s.Nested
	r := &posture.Report{
		AgentType:    string(b.AgentType),
		AgentVersion: string(b.AgentVersion),
		Engine:       string(b.CoreVersion),
		DeviceName:   first(b.DeviceName, b.HostName),
		HostName:     string(b.HostName),
		HardwareID:   b.hardwareID(),
		MachineID:    string(cmp.Or(b.MachineID, b.SOH.MachineID)),
		Serial:       b.serial(s),
		UserIdentity: string(b.UserIdentity),
		LinkedID:     linkedID(b.TransID, b.CustomID),
		ScanTime:     b.ScanTime.Time,
		DeviceType:   b.deviceType(s),
		OS:           s.posture(),
		Hardware:     b.hardware(s),
		Adapters:     b.adapters(s),
		Users:        b.users(s),
		Domain:       first(b.Domain, b.SOH.Domain),
		Applications: b.SOH.Applications,
		Collected:    categoriesOf(b.SOH.Collected, b.Collected),
		Updates:      b.updates(),
		Reboot:       firstTime(b.SOH.System.LastReboot, s.System.LastReboot),
	}
	r.UserPasswordSet = firstFact(b.SOH.UserPasswordSet, b.UserPasswordSet, s.PasswordSet, n.PasswordSet,
		b.SOH.System.Passcode, s.System.Passcode)
	r.Genuine = firstFact(b.SOH.System.Authentic, s.System.Authentic)
	r.StorageEncrypted = b.storage(s)
	lock := b.lock()
	r.ScreenLock = posture.Fact(lock.Enabled)
	r.ScreenLockAfter = time.Duration(lock.AfterSeconds.n) * time.Second
	b.SOH.fill(r)
	return r
}

func (b *body) registration() device.Registration {
	s := b.os()
	return device.Registration{
		DeviceID:     string(b.DeviceID),
		HardwareID:   b.hardwareID(),
		Serial:       b.serial(s),
		Name:         first(b.DeviceName, b.HostName),
		HostName:     string(b.HostName),
		AgentVersion: string(b.AgentVersion),
		GroupID:      string(b.GroupID),
		Type:         b.deviceType(s),
		OS:           s.posture(),
		Adapters:     b.adapters(s),
		Domain:       first(b.Domain, b.SOH.Domain),
		Users:        b.users(s),
	}
}

func (b *body) hardwareID() string {
	return first(b.HardwareID, b.HWID, b.SOH.HardwareID, b.SOH.HWID)
}

func (b *body) serial(s *system) string {
	return first(b.SerialNumber, b.SOH.SerialNumber, s.SerialNumber, s.Nested.SerialNumber,
		b.SOH.System.SerialNumber, s.System.SerialNumber)
}

func (b *body) deviceType(s *system) posture.DeviceType {
	return posture.ParseDeviceType(strings.ToLower(first(b.DeviceType, s.DeviceType, s.Nested.DeviceType)))
}

// posture reads the flattened and the nested form.
func (s *system) posture() posture.OS {
	n := s.Nested
	return posture.OS{
		Family:       family(first(s.Family, s.OSFamily, n.Family, n.OSFamily)),
		Name:         first(s.Name, s.OSName, n.Name, n.OSName),
		Version:      first(s.Version, s.OSVersion, n.Version, n.OSVersion),
		Vendor:       first(s.Vendor, s.OSVendor, n.Vendor, n.OSVendor),
		Architecture: first(s.Architecture, s.OSArchitecture, n.Architecture, n.OSArchitecture),
		Language:     first(s.Language, s.OSLanguage, n.Language, n.OSLanguage),
		ServicePack:  first(s.ServicePack, s.SPVersion, s.OSSPVersion, n.ServicePack, n.SPVersion, n.OSSPVersion),
		Build:        string(cmp.Or(s.Build, n.Build)),
		Distribution: first(s.Distribution, n.Distribution),
	}
}

// adapters takes the first list that has any: agents that send two send the same twice.
func (b *body) adapters(s *system) []posture.Adapter {
	for _, l := range []list[wireAdapter]{
		b.Adapters, s.Adapters, s.Adapters2, s.Nested.Adapters, s.Nested.Adapters2,
	} {
		if len(l) > 0 {
			return adaptersOf(l)
		}
	}
	return nil
}

func adaptersOf(in list[wireAdapter]) []posture.Adapter {
	out := make([]posture.Adapter, len(in))
	for i, w := range in {
		a := &out[i]
		a.MAC, a.HasMAC = posture.ParseMAC(string(w.MAC))
		a.Permanent, a.HasPermanent = posture.ParseMAC(string(w.Permanent))
		a.Description = string(w.Description)
		a.IPv4, a.IPv6 = sortAddresses(w.IPv4, w.IPv6)
		a.Enabled = posture.Fact(w.Enabled)
		w.fill(a)
		switch strings.ToLower(string(w.MediaState)) {
		case "connected":
			a.Connected = posture.Yes
		case "disconnected":
			a.Connected = posture.No
		}
	}
	return out
}

func (b *body) users(s *system) []posture.User {
	var out []posture.User
	for _, l := range []list[wireUser]{
		b.LocalUsers, b.SOH.LocalUsers, s.LocalUsers, s.Nested.LocalUsers, b.UserInfo, b.SOH.UserInfo,
	} {
		for _, u := range l {
			if name := first(u.Name, u.Username); name != "" {
				out = append(out, posture.User{Name: name, Domain: string(u.Domain)})
			}
		}
	}
	return out
}

func categoriesOf(lists ...list[collected]) []posture.Category {
	var out []posture.Category
	for _, l := range lists {
		for _, name := range l {
			if c := category(string(name)); c != "" {
				out = append(out, c)
			}
		}
	}
	return out
}

func (b *body) updates() posture.Updates {
	u := b.SOH.Updates
	if !u.Pending.known && !u.Security.known {
		u = b.Updates
	}
	return posture.Updates{
		Known: u.Pending.known || u.Security.known,
		// Security updates are among those pending, whether or not the agent counted them in.
		Pending:  max(u.Pending.n, u.Security.n),
		Security: u.Security.n,
		Checked:  u.Checked.Time,
	}
}

func (b *body) lock() screenLock {
	if b.SOH.ScreenLock != (screenLock{}) {
		return b.SOH.ScreenLock
	}
	return b.ScreenLock
}

// storage gives the whole-device answer of a phone: encrypted when no part of its storage is said not to be.
func (b *body) storage(s *system) posture.Fact {
	e := b.SOH.System.Encryption
	if firstFact(e.Internal, e.External) == posture.NotReported {
		e = s.System.Encryption
	}
	internal, external := posture.Fact(e.Internal), posture.Fact(e.External)
	if internal == posture.No || external == posture.No {
		return posture.No
	}
	return internal
}

func firstTime(times ...looseMoment) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t.Time
		}
	}
	return time.Time{}
}
