package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// A base is made when two devices of a kind report alike and no base serves them well.

const (
	// littlePacked is the length up to which it does not matter how well a report and its verdict are served, and wellPacked
	// how many times smaller than by themselves they are to be.
	littlePacked = 1 << 10
	wellPacked   = 3
	// maxBases is how many bases an account has.
	maxBases = 512
	// maxCandidates is how many reports are remembered that were served badly, and maxCandidate how long they may be.
	maxCandidates = 24
	maxCandidate  = 1 << 20
)

// candidate is a report that was served badly.
type candidate struct {
	account posture.AccountID
	device  string
	kind    string
	marks   marks
	texts   [2][]byte // the report and the verdict
	facets  []int64
}

// candidates are the last such reports.
type candidates struct {
	mu   sync.Mutex
	list []*candidate
}

// pair gives the candidate that is most like another, of another device, and takes it out; where none has more marks in
// common with it than this many, it keeps the other.
func (c *candidates) pair(one *candidate, most int) *candidate {
	c.mu.Lock()
	defer c.mu.Unlock()
	best := -1
	for i, o := range c.list {
		if o.account != one.account || o.kind != one.kind {
			continue
		}
		if o.device == one.device {
			c.list[i] = one
			continue
		}
		if n := o.marks.common(&one.marks); n > most {
			best, most = i, n
		}
	}
	if best >= 0 {
		out := c.list[best]
		c.list = slices.Delete(c.list, best, best+1)
		return out
	}
	if !slices.Contains(c.list, one) {
		c.list = append(c.list, one)
	}
	if len(c.list) > maxCandidates {
		c.list = slices.Delete(c.list, 0, 1)
	}
	return nil
}

// kindOf says of what kind a device is: those of different kinds have little in common.
func kindOfReport(family posture.OSFamily, agentType string) string {
	return string(family) + "/" + agentType
}

// names are the texts of a report that tell whose it is.
func names(r *posture.Report) [][]byte {
	out := namesOf(r.HostName, r.DeviceName, r.HardwareID, r.Serial, r.UserIdentity, r.LinkedID)
	for _, a := range r.Adapters {
		out = append(out, []byte(a.MAC.String()), []byte(strings.ToUpper(a.MAC.String())))
	}
	return out
}

// namesOf leaves out what is too short to tell anything.
func namesOf(texts ...string) [][]byte {
	var out [][]byte
	for _, text := range texts {
		if len(text) >= 4 {
			out = append(out, []byte(text))
		}
	}
	return out
}

// segment begins whatever is compared as one: an object of JSON.
const segment = '{'

// common gives those of the second text's segments, in order and each once, that the first one has too, but none that
// holds one of the names.
func common(first, second []byte, names [][]byte) []byte {
	known := make(map[string]bool)
	for part := range segments(first) {
		known[string(part)] = true
	}
	var out []byte
	for part := range segments(second) {
		if !known[string(part)] || slices.ContainsFunc(names, func(n []byte) bool { return bytes.Contains(part, n) }) {
			continue
		}
		known[string(part)] = false
		out = append(out, part...)
	}
	return out
}

func segments(text []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(text) > 0 {
			end := bytes.IndexByte(text[1:], segment) + 1
			if end == 0 {
				end = len(text)
			}
			if !yield(text[:end]) {
				return
			}
			text = text[end:]
		}
	}
}

// baseOf makes a base of what two reports have in common; nil where that is less than half.
func baseOf(one, two *candidate, names [][]byte) *base {
	var b base
	whole := 0
	for i := range two.texts {
		b.text = append(b.text, common(one.texts[i], two.texts[i], names)...)
		whole += len(two.texts[i])
	}
	if len(b.text) < max(whole/2, leastBase) {
		return nil
	}
	_, missing := differences(one.facets, two.facets)
	b.facets, _ = differences(missing, one.facets)
	return &b
}

// offer considers a report that was served badly by a base that has so many marks in common with it, and makes another where
// another device is more alike.
func (s *Store) offer(ctx context.Context, one *candidate, served int, names func() [][]byte) error {
	other := s.bases.candidates.pair(one, max(alike-1, served+1))
	if other == nil {
		return nil
	}
	b := baseOf(other, one, names())
	if b == nil {
		return nil
	}
	list, err := s.describedBases(ctx, one.account)
	if err != nil || len(list) >= maxBases {
		return err
	}
	err = s.putBase(ctx, one, b)
	s.bases.forgetDescribed(one.account)
	return err
}

// nextBase is nextIDs for one base.
const nextBase = `INSERT INTO account_sequences (account_id, name, next) VALUES (?, 'bases', 2)
	ON CONFLICT (account_id, name) DO UPDATE SET next = account_sequences.next + 1 RETURNING next - 1`

func (s *Store) putBase(ctx context.Context, like *candidate, b *base) error {
	content := b.pack()
	m := marksOf(b.facets)
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		tx.dirty = true
		var id int64
		err := tx.queryRow(ctx, nextBase, like.account).Scan(&id)
		if err != nil {
			return err
		}
		return tx.execOne(ctx, `INSERT INTO report_bases (account_id, id, kind, marks, content, created_at, retired_at)
			VALUES (?, ?, ?, ?, ?, ?, 0)`, like.account, id, like.kind, m.pack(), content, millis(s.now()))
	})
}

const (
	// newBase is how long a base is left alone that nobody uses yet, and retiredBase how long one that nobody used is kept
	// for those who chose it before: far longer than it takes to store a report.
	newBase     = 24 * time.Hour
	retiredBase = time.Hour
)

// tidyBases has the bases that nobody uses go: first nobody chooses them any more, later they are removed.
func (s *Store) tidyBases(ctx context.Context, account posture.AccountID, used map[int64]bool) error {
	now := s.now()
	var retire, recall, remove []int64
	err := s.query(ctx, func(r scanner) error {
		var id, created, retired int64
		err := r.Scan(&id, &created, &retired)
		switch {
		case used[id] && retired > 0:
			recall = append(recall, id)
		case !used[id] && retired == 0 && now.Sub(timeOf(created)) > newBase:
			retire = append(retire, id)
		case !used[id] && retired > 0 && now.Sub(timeOf(retired)) > retiredBase:
			remove = append(remove, id)
		}
		return err
	}, "SELECT id, created_at, retired_at FROM report_bases WHERE account_id = ? ORDER BY id", account)
	if err != nil || len(retire)+len(recall)+len(remove) == 0 {
		return err
	}
	defer s.bases.forgetDescribed(account)
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		for _, part := range []struct {
			ids  []int64
			text string
			args []any
		}{
			{retire, "UPDATE report_bases SET retired_at = ? WHERE account_id = ? AND id = ?", []any{millis(now), account}},
			{recall, "UPDATE report_bases SET retired_at = ? WHERE account_id = ? AND id = ?", []any{0, account}},
			{remove, "DELETE FROM report_bases WHERE account_id = ? AND id = ?", []any{account}},
		} {
			for _, id := range part.ids {
				_, err := tx.exec(ctx, part.text, append(slices.Clone(part.args), id)...)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// sharing reports whether reports may be stored so that the previous version cannot read them. Where it may still serve
// after an upgrade, that is from a day on.
func (s *Store) sharing(ctx context.Context) (bool, error) {
	from := s.sharedFrom.Load()
	if from == 0 {
		err := s.queryRow(ctx, "SELECT value FROM storage_state WHERE name = 'shared_from'").Scan(&from)
		if err != nil {
			return false, err
		}
		from++
		s.sharedFrom.Store(from)
	}
	return millis(s.now()) >= from-1, nil
}

// PackReport implements device.Agents.
func (s *Store) PackReport(ctx context.Context, p *device.ToPack) (device.PackedReport, error) {
	verdict, err := writeVerdict(p.Verdict)
	if err != nil {
		return device.PackedReport{}, err
	}
	return s.packTexts(ctx, &candidate{
		account: p.Account, device: p.Device, kind: kindOfReport(p.Report.OS.Family, p.Report.AgentType), texts: [2][]byte{p.Body, verdict}, facets: p.Facets,
	}, func() [][]byte { return names(p.Report) })
}

// packTexts readies a report and a verdict to be stored. names are asked for where a base is made.
func (s *Store) packTexts(ctx context.Context, one *candidate, names func() [][]byte) (device.PackedReport, error) {
	body, verdict := one.texts[0], one.texts[1]
	out := device.PackedReport{Facets: one.facets}
	sharing, err := s.sharing(ctx)
	if err != nil {
		return out, err
	}
	if !sharing {
		out.Body, out.Verdict, out.Set = packAlone(body), string(verdict), packFacets(one.facets)
		return out, nil
	}
	one.marks = marksOf(one.facets)
	b, served, err := s.chooseBase(ctx, one.account, one.kind, &one.marks)
	if errors.Is(err, errNoBase) || errors.Is(err, errBadBase) {
		s.log.Error("a base of stored reports cannot be used; reports that were stored with it cannot be read", "error", err)
		b, err = nil, nil
	}
	if err != nil {
		return out, err
	}
	pack := packAlone
	if b != nil {
		pack = b.compress
	}
	out.PackedVerdict, out.Set = pack(verdict), packSet(b, one.facets)
	if body == nil {
		return out, nil
	}
	out.Body = pack(body)
	whole, packed := len(body)+len(verdict), len(out.Body)+len(out.PackedVerdict)
	if packed > littlePacked && whole <= maxCandidate && (b == nil || packed*wellPacked > b.alone(whole)) {
		err = s.offer(ctx, one, served, names)
	}
	return out, err
}

func packAlone(text []byte) []byte { return encoder.EncodeAll(text, nil) }
