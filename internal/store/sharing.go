package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"muster/internal/errs"
	"muster/internal/posture"
)

// What earlier versions stored is stored anew as it is stored today, in parts, while the server serves.

// shareAtOnce is how many devices one part looks at.
const shareAtOnce = 100

const (
	sharedBehind = `SELECT device_id, CASE WHEN verdict = '' THEN 0 ELSE 1 END FROM device_reports WHERE account_id = ? AND device_id > ?
		ORDER BY device_id LIMIT ?`
	oldReport = `SELECT r.body, r.verdict, r.facets, d.os_family, d.agent_type, d.host_name, d.name, d.hardware_id, d.serial, d.user_identity
		FROM device_reports r JOIN devices d ON d.account_id = r.account_id AND d.id = r.device_id
		WHERE r.account_id = ? AND r.device_id = ?`
)

// tidied is how far an account has been looked through. It is only remembered: after a start it is looked through again, and
// little is found to do.
type tidied struct {
	mu      sync.Mutex
	reports map[posture.AccountID]string // the last device that was looked at, behindIDs where all were
}

// Tidy stores some more of what earlier versions stored as it is stored today, and says whether there may be more to do now.
func (s *Store) Tidy(ctx context.Context, account posture.AccountID) (more bool, err error) {
	sharing, err := s.sharing(ctx)
	if err != nil || !sharing {
		return false, err
	}
	s.tidied.mu.Lock()
	defer s.tidied.mu.Unlock()
	after := s.tidied.reports[account]
	if after == behindIDs {
		return false, nil
	}
	next, err := s.shareReports(ctx, account, after)
	if err != nil {
		return false, err
	}
	if s.tidied.reports == nil {
		s.tidied.reports = make(map[posture.AccountID]string)
	}
	s.tidied.reports[account] = next
	return next != behindIDs, nil
}

// shareReports stores the reports of the next devices behind an id so that they share what they have in common, where an
// earlier version stored them. It gives the last one it looked at.
func (s *Store) shareReports(ctx context.Context, account posture.AccountID, after string) (next string, err error) {
	var old []string
	seen := 0
	err = s.query(ctx, func(r scanner) error {
		var is bool
		err := r.Scan(&next, &is)
		if is {
			old = append(old, next)
		}
		seen++
		return err
	}, sharedBehind, account, after, shareAtOnce)
	if err != nil {
		return after, err
	}
	if seen < shareAtOnce {
		next = behindIDs
	}
	for _, id := range old {
		err = s.shareReport(ctx, account, id)
		if errs.Is(err, errs.Unavailable) {
			return after, err
		}
		if err != nil { // one that cannot be read must not keep all others
			s.log.Error("a stored report cannot be stored anew", "account", account, "device", id, "error", err)
		}
	}
	return next, nil
}

// shareReport stores one. Where another report comes meanwhile, that one stays.
func (s *Store) shareReport(ctx context.Context, account posture.AccountID, id string) error {
	var body, facets []byte
	var verdict, family, agentType string
	var name [5]string
	err := s.queryRow(ctx, oldReport, account, id).Scan(&body, &verdict, &facets, &family, &agentType, &name[0], &name[1], &name[2], &name[3], &name[4])
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := s.unpack(ctx, account, body)
	if err != nil {
		return err
	}
	set, err := s.unpackSet(ctx, account, facets)
	if err != nil {
		return err
	}
	packed, err := s.packTexts(ctx, &candidate{
		account: account, device: id, kind: kindOfReport(posture.OSFamily(family), agentType), texts: [2][]byte{text, []byte(verdict)}, facets: set,
	}, func() [][]byte { return namesOf(name[:]...) })
	if err != nil {
		return err
	}
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		_, err := tx.exec(ctx, `UPDATE device_reports SET body = ?, verdict = '', packed_verdict = ?, facets = ?
			WHERE account_id = ? AND device_id = ? AND verdict = ? AND body = ? AND facets = ?`,
			packed.Body, bytesOf(packed.PackedVerdict), bytesOf(packed.Set), account, id, verdict, body, bytesOf(facets))
		return err
	})
}
