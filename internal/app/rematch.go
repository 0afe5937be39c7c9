package app

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/internal/catalogue"
	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/run"
	"muster/internal/vuln"
)

const (
	// maxFacets is up to how many things devices are found by; where more are touched, all devices are looked at.
	maxFacets = 256
	// touchedEntries, appraisedProducts and appraisedVulnerabilities are how many are looked at by one part.
	touchedEntries           = 1000
	appraisedProducts        = 200
	appraisedVulnerabilities = 500
)

// startRematches has a run begin in every account whose devices have not been matched with what the catalogue knows.
func (s *services) startRematches(ctx context.Context, _ time.Time) error {
	state, err := s.catalogue.State(ctx)
	if err != nil {
		return err
	}
	generation := state.Generation
	matched, err := s.store.Matched(ctx)
	if err != nil {
		return err
	}
	open, err := s.store.OpenRuns(ctx, run.Rematch)
	if err != nil {
		return err
	}
	reached := generation
	for account, from := range matched {
		reached = min(reached, from)
		going := slices.ContainsFunc(open, func(r run.Run) bool { return r.Account == account && r.Params.To > 0 })
		if from >= generation || going {
			continue
		}
		_, failed := s.runs.Start(ctx, account, run.Rematch, run.Params{From: from, To: generation}, "Muster")
		err = errors.Join(err, failed)
	}
	return errors.Join(err, s.catalogue.Reach(ctx, reached))
}

// touched is what a run is about.
type touched struct {
	all      bool
	facets   device.Facets // of the devices
	products []int64
	cves     []string
}

// touchedCache remembers what the runs are about that this server does: finding that out takes longer than a part of a run.
type touchedCache struct {
	mu    sync.Mutex
	known map[string]*touched // by the id of the run
}

func newTouchedCache() *touchedCache { return &touchedCache{known: make(map[string]*touched)} }

func (c *touchedCache) get(id string, find func() (*touched, error)) (*touched, error) {
	c.mu.Lock()
	t := c.known[id]
	c.mu.Unlock()
	if t != nil {
		return t, nil
	}
	t, err := find()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= 100 {
		clear(c.known)
	}
	c.known[id] = t
	return t, nil
}

func (c *touchedCache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, id)
}

// touchedBy finds what of an account lies between two generations.
func (s *services) touchedBy(ctx context.Context, account posture.AccountID, from, to int64) (*touched, error) {
	if from == 0 {
		return &touched{all: true}, nil
	}
	t := &touched{}
	for at := (catalogue.Cursor{}); !at.End; {
		part, err := s.catalogue.Touched(ctx, from, to, at, touchedEntries)
		if errs.Is(err, errs.Stale) {
			return &touched{all: true}, nil
		}
		if err != nil {
			return nil, err
		}
		at = part.Next
		err = s.addTouched(ctx, account, t, &part)
		if err != nil {
			return nil, err
		}
		slices.Sort(t.products)
		t.products = slices.Compact(t.products)
		if len(t.products)+len(t.cves) > maxFacets {
			return &touched{all: true}, nil // what else there is makes no difference
		}
	}
	facets, err := s.store.FacetsOf(ctx, account, t.products, t.cves)
	t.facets = facets
	t.all = t.all || len(facets) > maxFacets
	return t, err
}

func (s *services) addTouched(ctx context.Context, account posture.AccountID, t *touched, part *catalogue.Changes) error {
	var keys []device.ProductKey
	for _, k := range part.Keys {
		// No index finds devices by their system among what they have.
		t.all = t.all || vuln.IsSystem(k)
		keys = append(keys, device.ProductKey{Space: k.Space, Name: k.Name, ByVendor: k.ByVendor})
	}
	products, err := s.store.ProductsUnder(ctx, account, keys)
	if err != nil {
		return err
	}
	t.products = append(t.products, products...)
	known, err := s.store.Affected(ctx, account, part.IDs)
	for _, id := range part.IDs {
		if _, ok := known[id]; ok {
			t.cves = append(t.cves, id)
		}
	}
	return err
}

// The parts of a rematch, and what its position begins with in each.
const (
	atVulnerabilities = "vulnerabilities "
	atProducts        = "products "
)

// rematch does the next part of a run: first the devices, then what lists say of vulnerabilities, then of products.
func (s *services) rematch(ctx context.Context, r *run.Run) (end bool, err error) {
	err = s.settle(ctx, r)
	if err != nil {
		return false, err
	}
	t, err := s.touched.get(r.ID, func() (*touched, error) { return s.touchedBy(ctx, r.Account, r.Params.From, r.Params.To) })
	if err != nil {
		return false, err
	}
	if at, ok := strings.CutPrefix(r.Position, atProducts); ok {
		r.Position, err = s.appraiseProducts(ctx, r, t, at)
		if err != nil || r.Position != "" {
			return false, err
		}
		s.touched.forget(r.ID)
		r.Total = r.Done
		return true, s.store.SetMatched(ctx, r.Account, r.Params.To)
	}
	if at, ok := strings.CutPrefix(r.Position, atVulnerabilities); ok {
		r.Position, err = s.appraiseVulnerabilities(ctx, r, t, at)
		return false, err
	}
	return false, s.rematchDevices(ctx, r, t)
}

// rematchDevices judges the next devices of a run anew.
func (s *services) rematchDevices(ctx context.Context, r *run.Run, t *touched) error {
	if !t.all && len(t.facets) == 0 {
		r.Position = atVulnerabilities
		return nil
	}
	w, err := s.walk(ctx, r)
	if err != nil {
		return err
	}
	if !t.all {
		w.Facets = t.facets
	}
	end, err := s.rejudge(ctx, r, w)
	if end {
		r.Position = atVulnerabilities
	}
	return err
}

// appraiseVulnerabilities puts right how bad the next vulnerabilities of an account are, and gives where to go on.
func (s *services) appraiseVulnerabilities(ctx context.Context, r *run.Run, t *touched, at string) (string, error) {
	cves, next, err := s.nextVulnerabilities(ctx, r.Account, t, at)
	if err != nil {
		return "", err
	}
	view, err := s.catalogue.ViewSince(ctx, r.Params.To)
	if err != nil {
		return "", err
	}
	set, err := s.risks.Active(ctx, r.Account)
	if err != nil {
		return "", err
	}
	said, err := view.Said(ctx, cves)
	if err != nil {
		return "", err
	}
	var list []device.HeldVulnerability
	for id, j := range said {
		v := device.HeldVulnerability{ID: id, KEV: j.Facts.KEV}
		var scored bool
		v.Scores, v.Levels, scored = j.Facts.Scored(vuln.Thresholds(set.Thresholds()))
		if scored {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b device.HeldVulnerability) int { return strings.Compare(a.ID, b.ID) })
	err = s.store.AppraiseVulnerabilities(ctx, r.Account, list)
	if err != nil || next == "" {
		return atProducts, err
	}
	return atVulnerabilities + next, nil
}

// nextVulnerabilities gives some of those that a run is about, and the position behind them, "" at the end.
func (s *services) nextVulnerabilities(ctx context.Context, account posture.AccountID, t *touched, at string) ([]string, string, error) {
	if !t.all {
		after, _ := strconv.Atoi(at)
		end := min(after+appraisedVulnerabilities, len(t.cves))
		if end == len(t.cves) {
			return t.cves[min(after, end):], "", nil
		}
		return t.cves[after:end], strconv.Itoa(end), nil
	}
	list, next, err := s.store.Vulnerabilities(ctx, account, device.VulnerabilityQuery{
		MinScore: -1, Window: page.Window{After: at, Limit: appraisedVulnerabilities},
	}, nil)
	cves := make([]string, len(list))
	for i := range list {
		cves[i] = list[i].ID
	}
	return cves, next, err
}

// appraiseProducts takes from the next products of an account the vulnerabilities that they cannot have any more, and gives
// where to go on, "" at the end.
func (s *services) appraiseProducts(ctx context.Context, r *run.Run, t *touched, at string) (string, error) {
	after, _ := strconv.ParseInt(at, 10, 64)
	products, err := s.nextProducts(ctx, r.Account, t, after)
	if err != nil || len(products) == 0 {
		return "", err
	}
	versions, err := s.store.KnownVersions(ctx, r.Account, products)
	if err != nil {
		return "", err
	}
	err = s.appraiseVersions(ctx, r, versions)
	for errs.Is(err, errs.Stale) { // a feed was imported meanwhile
		err = s.catalogue.Refresh(ctx)
		if err == nil {
			err = s.appraiseVersions(ctx, r, versions)
		}
	}
	return atProducts + strconv.FormatInt(products[len(products)-1], 10), err
}

func (s *services) appraiseVersions(ctx context.Context, r *run.Run, versions []device.KnownVersion) error {
	view, err := s.catalogue.ViewSince(ctx, r.Params.To)
	if err != nil {
		return err
	}
	list, err := appraise(ctx, view, versions)
	if err != nil {
		return err
	}
	return s.store.AppraiseVersions(ctx, r.Account, view.Generation(), list)
}

func (s *services) nextProducts(ctx context.Context, account posture.AccountID, t *touched, after int64) ([]int64, error) {
	if t.all {
		return s.store.ProductsAfter(ctx, account, after, appraisedProducts)
	}
	i, _ := slices.BinarySearch(t.products, after+1)
	return t.products[i:min(i+appraisedProducts, len(t.products))], nil
}

// appraise says what versions may have.
func appraise(ctx context.Context, view *catalogue.View, versions []device.KnownVersion) ([]device.VersionAppraisal, error) {
	var keys []vuln.Key
	for i := range versions {
		for _, k := range lookupsOf(&versions[i]) {
			keys = append(keys, k.Key)
		}
	}
	slices.SortFunc(keys, vuln.Key.Compare)
	groups, err := view.Groups(ctx, slices.Compact(keys))
	if err != nil {
		return nil, err
	}
	out := make([]device.VersionAppraisal, len(versions))
	for i := range versions {
		v := &versions[i]
		out[i] = device.VersionAppraisal{
			ID: v.ID, Still: vuln.MayHave(lookupsOf(v), v.Vendor, v.Version, func(k vuln.Key) *vuln.Group { return groups[k] }),
		}
	}
	return out, nil
}

func lookupsOf(v *device.KnownVersion) []vuln.Lookup {
	out := make([]vuln.Lookup, len(v.Keys))
	for i, k := range v.Keys {
		out[i] = vuln.Lookup{Key: vuln.Key{Space: k.Space, Name: k.Name, ByVendor: k.ByVendor}, OtherVersion: k.OtherVersion}
	}
	return out
}
