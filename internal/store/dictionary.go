package store

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"sync"

	"muster/internal/device"
	"muster/internal/posture"
)

// dictionary remembers the numbers of what devices have, so that a report that names only known things costs no query.
// An entry says that the row is there and said what the report says of it: numbers never change and rows are never
// removed, so an entry is only forgotten, never wrong. A row may meanwhile say what a newer catalogue says: whoever brings
// that puts all rows right that it touches, see appraise.go, maybe on another server. So entries of versions hold for one
// generation of the catalogue. What is remembered is a digest, to bound the memory whatever the
// names are: two generations of dictionaryLimit entries are some 30 MB.
type dictionary struct {
	mu         sync.RWMutex
	young, old map[dictKey]dictIDs
}

type dictKey [sha256.Size]byte

// dictIDs is what an entry stands for; product only for a version.
type dictIDs struct{ id, product int64 }

const dictionaryLimit = 1 << 17

func (d *dictionary) get(keys []dictKey, ids []dictIDs) (complete bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	complete = true
	for i, k := range keys {
		known, ok := d.young[k]
		if !ok {
			known, ok = d.old[k]
		}
		ids[i] = known
		complete = complete && ok
	}
	return complete
}

// put remembers entries whose rows are committed. When the young are many, the old are forgotten and the young grow old.
func (d *dictionary) put(keys []dictKey, ids []dictIDs) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, k := range keys {
		if ids[i].id == 0 {
			continue
		}
		if d.young == nil || len(d.young) >= dictionaryLimit {
			d.old, d.young = d.young, make(map[dictKey]dictIDs)
		}
		d.young[k] = ids[i]
	}
}

// forget empties the dictionary: rows may say less than they did.
func (d *dictionary) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.young, d.old = nil, nil
}

// keyText builds the text that a key is the digest of: what follows from different values differs.
type keyText []byte

func (b *keyText) start(kind facetKind, account posture.AccountID) {
	*b = append((*b)[:0], byte(kind))
	b.number(uint64(account))
}

func (b *keyText) number(n uint64) { *b = binary.AppendUvarint(*b, n) }

func (b *keyText) text(s string) {
	b.number(uint64(len(s)))
	*b = append(*b, s...)
}

func (b *keyText) levels(l posture.Levels) {
	for _, level := range l {
		*b = append(*b, byte(level))
	}
}

func (b *keyText) key() dictKey { return sha256.Sum256(*b) }

// keysOf gives the keys of all that a device has: first the versions, then the vulnerabilities, then the patches. A key
// covers what the catalogue says of it, and what it is looked up by, so that a row that does not say so yet is not found
// under it.
func keysOf(account posture.AccountID, h *device.Holdings) []dictKey {
	keys := make([]dictKey, 0, len(h.Installed)+len(h.Vulnerabilities)+len(h.Missing))
	var b keyText
	generation := posture.GenerationOf(h.Catalogue)
	for i := range h.Installed {
		p := &h.Installed[i]
		b.start(facetProductVersion, account)
		b.text(generation)
		b.text(p.Name)
		b.text(p.Vendor)
		b.text(p.Ecosystem)
		b.text(p.Version)
		b.text(p.Context)
		b.levels(p.Levels)
		for _, cve := range p.CVEs {
			b.text(cve)
		}
		keys = append(keys, b.key())
	}
	for i := range h.Vulnerabilities {
		v := &h.Vulnerabilities[i]
		b.start(facetVulnerability, account)
		b.text(v.ID)
		b.number(uint64(flag(v.KEV)))
		b.levels(v.Levels)
		for _, score := range v.Scores {
			b.number(math.Float64bits(score))
		}
		keys = append(keys, b.key())
	}
	for i := range h.Missing {
		b.start(facetPatch, account)
		b.text(h.Missing[i].KB)
		b.text(h.Missing[i].Title)
		keys = append(keys, b.key())
	}
	return keys
}
