package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"muster/internal/errs"
	"muster/internal/posture"
)

// What earlier versions stored is stored anew as it is stored today, in parts, while the server serves.

// shareAtOnce is how many devices one part looks at.
const shareAtOnce = 200

const (
	sharedBehind = `SELECT device_id, CASE WHEN verdict = '' THEN 0 ELSE 1 END FROM device_reports WHERE account_id = ? AND device_id > ?
		ORDER BY device_id LIMIT ?`
	oldReport = `SELECT r.body, r.verdict, r.facets, d.os_family, d.agent_type, d.host_name, d.name, d.hardware_id, d.serial, d.user_identity
		FROM device_reports r JOIN devices d ON d.account_id = r.account_id AND d.id = r.device_id
		WHERE r.account_id = ? AND r.device_id = ?`
)

// tidied is how far accounts have been looked through. It is only remembered: after a start they are looked through again, and
// little is found to do.
type tidied struct {
	mu sync.Mutex
	// The last device of each account that was looked at, behindIDs where all were.
	reports, places map[posture.AccountID]string
	// lists is up to which id versions and vulnerabilities were looked at, -1 where all were.
	lists map[posture.AccountID]int64
}

// Tidy stores some more of what earlier versions stored as it is stored today, and says whether there may be more to do now.
func (s *Store) Tidy(ctx context.Context, account posture.AccountID) (more bool, err error) {
	sharing, err := s.sharing(ctx)
	if err != nil || !sharing {
		return false, err
	}
	s.tidied.mu.Lock()
	defer s.tidied.mu.Unlock()
	if s.tidied.reports == nil {
		s.tidied.reports, s.tidied.places = make(map[posture.AccountID]string), make(map[posture.AccountID]string)
		s.tidied.lists = make(map[posture.AccountID]int64)
	}
	if s.tidied.lists[account] >= 0 {
		s.tidied.lists[account], err = s.listThings(ctx, account, s.tidied.lists[account])
		return true, err
	}
	for _, part := range []struct {
		reached map[posture.AccountID]string
		do      func(context.Context, posture.AccountID, string) (string, error)
	}{{s.tidied.places, s.placeDevices}, {s.tidied.reports, s.shareReports}} {
		if part.reached[account] == behindIDs {
			continue
		}
		part.reached[account], err = part.do(ctx, account, part.reached[account])
		return true, err
	}
	err = s.allPlaced(ctx)
	if err != nil {
		return false, err
	}
	return s.dropOldFacets(ctx, account)
}

const (
	unplaced = `SELECT device_id, CASE WHEN place = 0 AND length(facets) > 0 THEN 1 ELSE 0 END FROM device_reports
		WHERE account_id = ? AND device_id > ? ORDER BY device_id LIMIT ?`
	selectOldFacets = `SELECT account_id, facet, device_id FROM device_facets WHERE account_id = ? LIMIT 2000`
)

// listAtOnce is how many numbers one part of listThings goes through.
const listAtOnce = 2000

const (
	productOf = "(SELECT p.%[1]s FROM products p WHERE p.account_id = product_versions.account_id AND p.id = product_versions.product_id)"
	isListed  = "CASE WHEN %s > 0 THEN 1 ELSE 0 END"
	lastThing = "SELECT next FROM account_sequences WHERE account_id = ? AND name = 'facets'"
)

// listed are the statements that make rows say what lists need of them, where they do not.
var listed = []string{
	"UPDATE product_versions SET listed = " + fmt.Sprintf(isListed, "devices") + ", name = " + fmt.Sprintf(productOf, "name") +
		", vendor = " + fmt.Sprintf(productOf, "vendor") + ", ecosystem = " + fmt.Sprintf(productOf, "ecosystem") +
		", category = " + fmt.Sprintf(productOf, "category") +
		" WHERE account_id = ? AND id > ? AND id <= ? AND (name = '' OR listed <> " + fmt.Sprintf(isListed, "devices") + ")",
	"UPDATE vulnerabilities SET listed = " + fmt.Sprintf(isListed, "devices + accepted") +
		" WHERE account_id = ? AND id > ? AND id <= ? AND listed <> " + fmt.Sprintf(isListed, "devices + accepted"),
}

// listThings makes the versions and vulnerabilities behind a number ready for lists. It gives the last number that it looked at,
// -1 at the end.
func (s *Store) listThings(ctx context.Context, account posture.AccountID, after int64) (reached int64, err error) {
	var next int64
	err = s.query(ctx, func(r scanner) error { return r.Scan(&next) }, lastThing, account)
	if err != nil {
		return after, err
	}
	if after >= next {
		return -1, nil
	}
	err = s.writer.do(ctx, keyMany, func(tx *Tx) error {
		for _, text := range listed {
			_, err := tx.exec(ctx, text, account, after, after+listAtOnce)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return after + listAtOnce, err
}

// placeDevices gives places to the next devices behind an id that have facets and no place. It gives the last one it looked at.
func (s *Store) placeDevices(ctx context.Context, account posture.AccountID, after string) (next string, err error) {
	next, ids, err := s.behindWith(ctx, unplaced, account, after)
	if err != nil || len(ids) == 0 {
		return next, err
	}
	err = s.writer.do(ctx, keyMany, func(tx *Tx) error {
		for _, id := range ids {
			err := tx.placeStored(ctx, account, id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return after, err
	}
	return next, nil
}

// placeStored gives a device a place, with what is stored of it. The device is locked first, so that no report moves its facets
// meanwhile.
func (tx *Tx) placeStored(ctx context.Context, account posture.AccountID, id string) error {
	_, err := tx.DeviceForUpdate(ctx, account, id)
	if err != nil {
		return unlessNotFound(err)
	}
	var stored []byte
	var at place
	err = tx.query(ctx, func(r scanner) error { return r.Scan(&stored, &at) }, selectFacets, account, id)
	if err != nil || at != 0 || len(stored) == 0 {
		return err
	}
	set, err := tx.w.store.unpackSet(ctx, account, stored)
	if err != nil {
		return err
	}
	return tx.wantPlace(ctx, account, id, set)
}

func unlessNotFound(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// allPlaced notes that all devices have places, once they have in every account.
func (s *Store) allPlaced(ctx context.Context) error {
	ready, _, err := s.postings(ctx)
	if err != nil || ready {
		return err
	}
	left := 0
	err = s.query(ctx, func(r scanner) error {
		var account posture.AccountID
		err := r.Scan(&account)
		if s.tidied.places[account] != behindIDs || s.tidied.lists[account] >= 0 {
			left++
		}
		return err
	}, "SELECT id FROM accounts")
	if err != nil || left > 0 {
		return err
	}
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		_, err := tx.exec(ctx, "UPDATE storage_state SET value = ? WHERE name = 'postings' AND value = 0", millis(s.now()))
		return err
	})
}

// dropOldFacets removes some of what device_facets holds, once nobody writes it any more.
func (s *Store) dropOldFacets(ctx context.Context, account posture.AccountID) (more bool, err error) {
	_, only, err := s.postings(ctx)
	if err != nil || !only {
		return false, err
	}
	some := 0
	err = s.query(ctx, func(scanner) error { some++; return nil }, "SELECT 1 FROM device_facets WHERE account_id = ? LIMIT 1", account)
	if err != nil || some == 0 {
		return false, err
	}
	return true, s.writer.do(ctx, keyMany, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM device_facets WHERE (account_id, facet, device_id) IN ("+selectOldFacets+")", account)
		return err
	})
}

// behindWith looks at the next devices behind an id. It gives the last of them, behindIDs at the end, and those that the query
// marks.
func (s *Store) behindWith(ctx context.Context, query string, account posture.AccountID, after string) (next string, marked []string, err error) {
	seen := 0
	err = s.query(ctx, func(r scanner) error {
		var is bool
		err := r.Scan(&next, &is)
		if is {
			marked = append(marked, next)
		}
		seen++
		return err
	}, query, account, after, shareAtOnce)
	if err != nil {
		return after, nil, err
	}
	if seen < shareAtOnce {
		next = behindIDs
	}
	return next, marked, nil
}

// shareReports stores the reports of the next devices behind an id so that they share what they have in common, where an
// earlier version stored them. It gives the last one it looked at.
func (s *Store) shareReports(ctx context.Context, account posture.AccountID, after string) (next string, err error) {
	next, old, err := s.behindWith(ctx, sharedBehind, account, after)
	if err != nil {
		return after, err
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
