package device

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Enrol registers a device of an account and gives it new credentials. A machine that enrolled before is recognised by
// its own id, hardware id, serial number or a non-random adapter address, in that order, never by its name; its older
// credentials end. OverLicence: the account has no room; the device is kept without credentials. NotFound: the
// registration code is not valid, or is used up and the device was not in service.
func (s *Service) Enrol(ctx context.Context, account posture.AccountID, r Registration) (Enrolment, error) {
	rules, err := s.rules(ctx, account)
	if err != nil {
		return Enrolment{}, err
	}
	r = rules.Privacy.registration(r)
	key, token := s.newSecret(), s.newSecret()
	at := s.clock()
	// Outside of the step: within it, others would wait for the rules.
	joins, err := s.joins.rules(ctx, account)
	if err != nil {
		return Enrolment{}, err
	}
	wanted := joins.choose(r.report(), 0).group
	var d Device
	var full bool
	err = s.store.Change(ctx, Change{Do: func(tx Tx) error {
		var err error
		d, full, err = s.enrol(ctx, tx, account, &entry{&r, at, credentialDigest(key, token), wanted, rules.RefuseAtLimit})
		return err
	}})
	if err != nil {
		return Enrolment{}, err
	}
	ref := Ref{Account: account, ID: d.ID}
	s.auth.forget(ref)
	if full {
		if d.ID != "" {
			s.seen.note(ref, at)
		}
		return Enrolment{}, errs.New(errs.OverLicence, "Exceeded token usage")
	}
	s.seen.note(ref, at)
	return Enrolment{DeviceID: d.ID, Key: key, Token: token}, nil
}

// entry is a registration that is ready to be stored.
type entry struct {
	*Registration
	at     time.Time
	digest []byte
	// wanted is the group that wants the device by rule or domain; 0 for none.
	wanted posture.GroupID
	// refuse says that nothing is kept of a device that is new and has no place.
	refuse bool
}

func (s *Service) enrol(ctx context.Context, tx Tx, account posture.AccountID, e *entry) (Device, bool, error) {
	r, at := e.Registration, e.at
	// The licence row is read first: it makes registrations of one account wait for each other, so that a machine that
	// asks twice at once is recognised the second time, and the last place is given once.
	allowed, used, err := tx.Licence(ctx, account)
	if err != nil {
		return Device{}, false, err
	}
	known := *r // the step may run again
	r, e.Registration = &known, &known
	r.HardwareID, err = identifyingHardware(ctx, tx, account, r.HardwareID)
	if err != nil {
		return Device{}, false, err
	}
	id, err := s.recognise(ctx, tx, account, r)
	if err != nil {
		return Device{}, false, err
	}
	var old Device
	if id != "" {
		old, err = tx.DeviceForUpdate(ctx, account, id)
		if err != nil {
			return Device{}, false, err
		}
	}
	full := !(id != "" && old.Monitored()) && used >= allowed
	if full && id == "" && (e.refuse || !identifiable(r)) {
		// Kept, it could not be recognised when it asks again, and every attempt would leave another row.
		return Device{}, true, nil
	}
	if full && old.waits() {
		// Its agent tries again every minute or so: that is no news, neither to the record nor to whoever is told of changes.
		return old, true, nil
	}
	d := old
	if !old.Monitored() || !old.Managed {
		err = admit(ctx, tx, &d, account, e, full)
		if err != nil {
			return Device{}, false, err
		}
	}
	s.applyRegistration(&d, account, r, at)
	d.Credentials = e.digest
	if full {
		d.Credentials = nil
		d.Cell.Status = posture.StatusOutOfLicence
	}
	if old.Lifecycle != Live || old.ID == "" {
		d.RemoveAt, err = firstLook(ctx, tx, account, at)
		if err != nil {
			return Device{}, false, err
		}
	}
	err = s.saveEnrolment(ctx, tx, &old, &d, r, at)
	return d, full, err
}

// waits reports whether a device is there, and waits for a place in the licence.
func (d *Device) waits() bool {
	return d.Lifecycle == Live && d.Cell.Status == posture.StatusOutOfLicence
}

// applyRegistration fills a device, new, returning or merely registering again, from what its agent says.
func (s *Service) applyRegistration(d *Device, account posture.AccountID, r *Registration, at time.Time) {
	if d.ID == "" {
		d.Account, d.ID, d.EnrolledAt = account, posture.NewID(at, s.random), at
	}
	if !d.Monitored() || !d.Managed {
		d.Lifecycle = Live
		d.Cell = posture.Cell{Group: d.Cell.Group, Status: posture.StatusInstalled}
		d.Judged, d.Digest, d.Issues = posture.StatusInstalled, nil, Issues{}
		d.Vulnerabilities = 0
		d.Exempted, d.Exemption = false, Exemption{}
		d.forgetTimes()
		d.stand()                            // a quarantine outlives the agent: else registering anew would end it
		d.PackedProfile, d.LinkedID = "", "" // another device may have the link by now
	}
	if len(d.Digest) == 0 {
		s.describe(d, func(p *Profile) {
			p.registration(r)
			r.Private.profile(p)
		})
	}
	d.Managed = true
	keep(&d.HardwareID, posture.IdentifyingNumber(r.HardwareID))
	keep(&d.Serial, posture.IdentifyingNumber(r.Serial))
	keep(&d.Name, r.Name)
	keep(&d.HostName, r.HostName)
	keep(&d.AgentVersion, r.AgentVersion)
	keep(&d.OSName, r.OS.Name)
	keep(&d.OSVersion, r.OS.Version)
	keepWord(&d.Type, r.Type)
	keepWord(&d.OSFamily, r.OS.Family)
	r.Private.forget(d)
}

// forgetTimes leaves nothing that time may do to the device. Since when it is unfit stays: else its owner could begin
// grace anew by removing the agent and installing it again.
func (d *Device) forgetTimes() {
	d.NextChange, d.VerdictChange = time.Time{}, time.Time{}
	d.Silence, d.Silent, d.LinkedMatters = 0, false, false
}

// keep replaces a value by a newer one, unless nothing newer was said.
func keep(old *string, newer string) { keepWord(old, newer) }

func keepWord[T ~string](old *T, newer T) {
	if newer != "" {
		*old = newer
	}
}

func (s *Service) saveEnrolment(ctx context.Context, tx Tx, old, d *Device, r *Registration, at time.Time) error {
	kind, save := event.Enrolled, func() error { return tx.Insert(ctx, d) }
	if old.ID != "" {
		kind, save = event.Returned, func() error { return tx.Update(ctx, old, d) }
	}
	err := save()
	if err != nil {
		return err
	}
	err = tx.PutAdapters(ctx, d.Account, d.ID, posture.MACsOf(r.Adapters), at)
	if err != nil {
		return err
	}
	err = dropFacets(ctx, tx, old, d)
	if err != nil {
		return err
	}
	if old.ID != "" {
		err = tx.Revoke(ctx, Ref{Account: d.Account, ID: d.ID}, at)
		if err != nil {
			return err
		}
	}
	err = s.recordAgent(ctx, tx, at, old, d)
	if err != nil {
		return err
	}
	return tx.Record(ctx, s.newEvent(at, kind, d, old.Cell.Status))
}

// recognise gives the id of the device that registers again, or "".
func (s *Service) recognise(ctx context.Context, tx Tx, account posture.AccountID, r *Registration) (string, error) {
	hardwareID, serial := posture.IdentifyingNumber(r.HardwareID), posture.IdentifyingNumber(r.Serial)
	if r.DeviceID != "" {
		id, err := unlessAnothers(ctx, tx, account, r.DeviceID, hardwareID)
		if err != nil || id != "" {
			return id, err
		}
	}
	if hardwareID != "" {
		ids, err := tx.Recognise(ctx, account, hardwareID, "")
		if err != nil {
			return "", err
		}
		if len(ids) > 0 {
			return survivorOf(ctx, tx, account, ids[0])
		}
	}
	if serial != "" {
		ids, err := tx.Recognise(ctx, account, "", serial)
		if err != nil {
			return "", err
		}
		if len(ids) > 0 {
			id, err := unlessAnothers(ctx, tx, account, ids[0], hardwareID)
			if err != nil || id != "" {
				return id, err
			}
		}
	}
	return s.recogniseByMAC(ctx, tx, account, r, hardwareID, serial)
}

// unlessAnothers gives the device that one is by now which an id, a serial number or an address names: itself, or the one that
// it went up in. It gives "" where there is none, or where it is another machine than the one that registers.
func unlessAnothers(ctx context.Context, tx Tx, account posture.AccountID, id, hardwareID string) (string, error) {
	d, err := tx.DeviceForUpdate(ctx, account, id)
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	if err != nil || anothers(&d, hardwareID) {
		return "", err
	}
	id, err = survivorOf(ctx, tx, account, id)
	if err != nil || id == "" || id == d.ID || d.HardwareID != "" { // that it told again, and so it may be whatever it became
		return id, err
	}
	survivor, err := tx.DeviceForUpdate(ctx, account, id)
	if err != nil || anothers(&survivor, hardwareID) {
		return "", err
	}
	return id, nil
}

// anothers reports whether a device is another machine than the one that registers, whatever else says that it is the same.
// Ids, serial numbers and addresses of devices are no secrets, and a registration code is on every machine: who knows them must
// not get a device's credentials, nor its group and its user once it is gone. So what has told its hardware id has to tell it
// again. Agents that tell none, as phones do, have nothing but the rest.
func anothers(d *Device, hardwareID string) bool {
	return d.HardwareID != "" && d.HardwareID != hardwareID
}

// recogniseByMAC asks who owns the machine's burnt-in addresses. It answers only when all that have an owner have the
// same one, and that device does not bear another hardware id or serial number: else a dock that moved from one laptop
// to another would turn the second into the first.
func (s *Service) recogniseByMAC(ctx context.Context, tx Tx, account posture.AccountID, r *Registration, hardwareID, serial string) (string, error) {
	found := ""
	for _, mac := range identifying(r.Adapters) {
		claims, err := tx.ClaimsAll(ctx, account, mac)
		if err != nil {
			return "", err
		}
		id, ok := Owner(claims)
		if !ok {
			continue
		}
		if found != "" && found != id {
			return "", nil
		}
		found = id
	}
	if found == "" {
		return "", nil
	}
	d, err := tx.DeviceForUpdate(ctx, account, found)
	if err != nil || differ(d.Serial, serial) {
		return "", err
	}
	return unlessAnothers(ctx, tx, account, found, hardwareID)
}

// differ reports whether both are known and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// identifiable reports whether the machine could be recognised if it registered again.
func identifiable(r *Registration) bool {
	if posture.IdentifyingNumber(r.HardwareID) != "" || posture.IdentifyingNumber(r.Serial) != "" {
		return true
	}
	return len(identifying(r.Adapters)) > 0
}

// maxLookups bounds how many addresses of one registration are looked up while others wait for the writer.
const maxLookups = 16

// identifying gives the burnt-in addresses among the adapters, the first few of them.
func identifying(adapters []posture.Adapter) []posture.MAC {
	var out []posture.MAC
	for _, mac := range posture.MACsOf(adapters) {
		if mac.Identifies() && len(out) < maxLookups {
			out = append(out, mac)
		}
	}
	return out
}

// newSecret gives 32 random bytes in hexadecimal digits.
func (s *Service) newSecret() string {
	var b [32]byte
	_, err := io.ReadFull(s.random, b[:])
	if err != nil {
		panic("device: source of randomness failed: " + err.Error())
	}
	return hex.EncodeToString(b[:])
}

// credentialDigest hashes a key and a token regardless of their order: one family of agents sends them crossed.
func credentialDigest(key, token string) []byte {
	if key > token {
		key, token = token, key
	}
	var b [256]byte
	sum := sha256.Sum256(append(append(append(b[:0], key...), 0), token...))
	return sum[:]
}
