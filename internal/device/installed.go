package device

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/posture"
)

// Catalogue describes vulnerabilities.
type Catalogue interface {
	// Describe gives what is said of CVEs or feed entries; those of which nothing is said are left out.
	Describe(ctx context.Context, ids []string) (map[string]Description, error)
	// Rate gives how bad vulnerabilities are as an account ranks them; those of which nothing is known are left out.
	Rate(ctx context.Context, account posture.AccountID, ids []string) (map[string]Rating, error)
	// Keys gives what a program or package of a machine is looked up by.
	Keys(os *posture.OS, app *posture.Application) []ProductKey
}

// Spread keeps what devices have, and how many of them.
type Spread interface {
	// Facets numbers what a device has, and keeps what nobody had before. It is called before the step that stores the
	// device's report: where everything is known already, it writes nothing.
	Facets(ctx context.Context, account posture.AccountID, h *Holdings) (Facets, error)
	// LastReport gives the last report of a live device as it was received, and when. NotFound: it has not reported since
	// it was enrolled.
	LastReport(ctx context.Context, account posture.AccountID, id string) (body []byte, at time.Time, err error)
	// Software gives a part of the versions that live devices have, and the position behind it. Letter case is that of
	// ASCII: other letters must be searched for as they are spelt. Invalid: q.After is not a position of this order.
	Software(ctx context.Context, account posture.AccountID, q SoftwareQuery) ([]Software, string, error)
	// SoftwareVersion gives one version and the ids of its vulnerabilities. NotFound: no live device has it.
	SoftwareVersion(ctx context.Context, account posture.AccountID, product int64, version string) (Software, []Vulnerability, error)
	// Vulnerabilities is Software for vulnerabilities. The words of a vulnerability are not in the store: match, where not
	// nil, takes the place of q.Search: it is asked for many ids at once.
	Vulnerabilities(ctx context.Context, account posture.AccountID, q VulnerabilityQuery, match Matching) ([]Vulnerability, string, error)
	// Affected gives how many live devices have each of these vulnerabilities; those that none ever had are left out.
	Affected(ctx context.Context, account posture.AccountID, ids []string) (map[string]Affected, error)
	// Vulnerability gives one that a device has, or once had. NotFound: none ever had it.
	Vulnerability(ctx context.Context, account posture.AccountID, id string) (Vulnerability, error)
	// VersionsWith gives up to limit of the versions that live devices have of which a vulnerability is known, in the order of
	// SoftwareByName.
	VersionsWith(ctx context.Context, account posture.AccountID, id string, limit int) ([]Software, error)
	// MissingPatches gives the updates that live devices lack, those that most lack first.
	MissingPatches(ctx context.Context, account posture.AccountID) ([]MissingPatch, error)
	// DevicesMissing gives the live devices that lack an update, up to limit of them, in the order of enrolment, after the id.
	DevicesMissing(ctx context.Context, account posture.AccountID, kb, after string, limit int) ([]Device, error)
	// DevicesWith gives the ids of those that have at least one of the facets, up to limit of them, in the order of enrolment,
	// after the id. A walk misses no device that has one throughout, and repeats none.
	DevicesWith(ctx context.Context, account posture.AccountID, facets Facets, after string, limit int) ([]string, error)
}

// Matching tells which of some vulnerabilities are looked for.
type Matching func(ctx context.Context, ids []string) (map[string]bool, error)

// LastReport gives what a live device last reported, and when. NotFound: nothing yet.
func (s *Service) LastReport(ctx context.Context, account posture.AccountID, id string) (*posture.Report, time.Time, error) {
	body, at, err := s.store.LastReport(ctx, account, id)
	if err != nil {
		return nil, time.Time{}, err
	}
	r, err := s.decode(body)
	if err != nil {
		return nil, time.Time{}, errs.Wrap(errs.Internal, err, "The stored report of device %s cannot be read", id)
	}
	return r, at, nil
}

// Software gives a part of the versions of products that live devices have, and the position behind it, "" at the end.
// It costs what there is installed, not how many devices there are. Invalid: q.After is not a position of this order.
func (s *Service) Software(ctx context.Context, account posture.AccountID, q SoftwareQuery) ([]Software, string, error) {
	return s.store.Software(ctx, account, q)
}

// SoftwareDetail gives one version with its vulnerabilities. NotFound: no live device has it.
func (s *Service) SoftwareDetail(ctx context.Context, account posture.AccountID, product int64, version string) (SoftwareDetail, error) {
	sw, list, err := s.store.SoftwareVersion(ctx, account, product, version)
	if err != nil {
		return SoftwareDetail{}, err
	}
	slices.SortFunc(list, worstFirst)
	return SoftwareDetail{Software: sw, Vulnerabilities: list}, s.explain(ctx, list)
}

// worstFirst is the order of vulnerabilities that belong together.
func worstFirst(a, b Vulnerability) int {
	return cmp.Or(cmp.Compare(b.Scores[posture.ScoreOpswat], a.Scores[posture.ScoreOpswat]), strings.Compare(a.ID, b.ID))
}

// explain adds what the catalogue says of vulnerabilities.
func (s *Service) explain(ctx context.Context, list []Vulnerability) error {
	if s.catalogue == nil || len(list) == 0 {
		return nil
	}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	said, err := s.catalogue.Describe(ctx, ids)
	for i := range list {
		list[i].Description = said[list[i].ID]
	}
	return err
}

// Vulnerabilities gives a part of those that live devices have, and the position behind it, "" at the end. It costs
// what there is in the account, not how many devices there are. Invalid: q.After is not a position of this order.
func (s *Service) Vulnerabilities(ctx context.Context, account posture.AccountID, q VulnerabilityQuery) ([]Vulnerability, string, error) {
	list, next, err := s.store.Vulnerabilities(ctx, account, q, s.matching(q.Search))
	if err != nil {
		return nil, "", err
	}
	return list, next, s.explain(ctx, list)
}

// matching gives a test whether a vulnerability's id or summary holds the text, nil where everything does.
func (s *Service) matching(search string) Matching {
	search = strings.ToLower(strings.TrimSpace(search))
	if search == "" {
		return nil
	}
	return func(ctx context.Context, ids []string) (map[string]bool, error) {
		var said map[string]Description
		if s.catalogue != nil {
			var err error
			said, err = s.catalogue.Describe(ctx, ids)
			if err != nil {
				return nil, err
			}
		}
		out := make(map[string]bool)
		for _, id := range ids {
			out[id] = strings.Contains(strings.ToLower(id), search) || strings.Contains(strings.ToLower(said[id].Summary), search)
		}
		return out, nil
	}
}

// DeviceVulnerabilities gives those of one live device that count, worst first under opswat_score. NotFound: it never reported.
func (s *Service) DeviceVulnerabilities(ctx context.Context, account posture.AccountID, id string) ([]FoundVulnerability, error) {
	verdict, err := s.store.Verdict(ctx, account, id)
	if err != nil {
		return nil, err
	}
	var findings []posture.Finding
	for i := range verdict.Findings {
		if verdict.Findings[i].Accepted == nil {
			findings = append(findings, verdict.Findings[i])
		}
	}
	open := heldVulnerabilities(findings)
	err = s.rate(ctx, account, findings, open)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(open))
	at := make(map[string]int, len(open))
	out, known := make([]FoundVulnerability, len(open)), make([]Vulnerability, len(open))
	for i, o := range open {
		ids[i], at[o.ID] = o.ID, i
		known[i] = Vulnerability{ID: o.ID, KEV: o.KEV, Scores: o.Scores, Levels: o.Levels}
	}
	err = s.explain(ctx, known)
	if err != nil {
		return nil, err
	}
	devices, err := s.store.Affected(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	for i := range findings {
		for _, cve := range vulnerabilityIDs(&findings[i]) {
			if n, ok := at[cve]; ok {
				out[n].Findings = append(out[n].Findings, findings[i])
			}
		}
	}
	for i := range out {
		out[i].Vulnerability = known[i]
		out[i].Affected = devices[out[i].ID]
	}
	slices.SortFunc(out, func(a, b FoundVulnerability) int { return worstFirst(a.Vulnerability, b.Vulnerability) })
	return out, nil
}

// Vulnerability gives one that live devices have, whether it counts there or not. NotFound: none has it.
func (s *Service) Vulnerability(ctx context.Context, account posture.AccountID, id string) (Vulnerability, error) {
	v, err := s.store.Vulnerability(ctx, account, id)
	if err == nil && v.Affected == (Affected{}) {
		err = errs.New(errs.NotFound, "No device has this vulnerability")
	}
	if err != nil {
		return Vulnerability{}, err
	}
	one := []Vulnerability{v}
	err = s.explain(ctx, one)
	return one[0], err
}

// VersionsWith gives up to limit of the versions that live devices have of which a vulnerability is known, whether it counts on
// these devices or not, by name. It costs what is installed in the account.
func (s *Service) VersionsWith(ctx context.Context, account posture.AccountID, id string, limit int) ([]Software, error) {
	return s.store.VersionsWith(ctx, account, id, limit)
}

// MissingPatches gives the updates that live devices lack, those that most lack first.
func (s *Service) MissingPatches(ctx context.Context, account posture.AccountID) ([]MissingPatch, error) {
	return s.store.MissingPatches(ctx, account)
}

// DevicesMissing gives up to limit of the live devices that lack an update, in the order of enrolment, starting after
// the id, "" for the first; next is "" at the end.
func (s *Service) DevicesMissing(ctx context.Context, account posture.AccountID, kb, after string, limit int) (list []Device, next string, err error) {
	list, err = s.store.DevicesMissing(ctx, account, kb, after, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].ID
	}
	for i := range list {
		s.seen.overlay(&list[i])
	}
	return list, next, nil
}

// pack readies a report, as it was judged, and its verdict to be stored; the body is nil where the stored one stays. It is called before a step,
// not within one.
func (s *Service) pack(ctx context.Context, ref Ref, body []byte, r *posture.Report, v *posture.Verdict) (PackedReport, error) {
	h := holdingsOf(r, v, s.catalogue)
	err := s.rate(ctx, ref.Account, v.Findings, h.Vulnerabilities)
	if err != nil {
		return PackedReport{}, err
	}
	facets, err := s.store.Facets(ctx, ref.Account, &h)
	if err != nil {
		return PackedReport{}, err
	}
	packed, err := s.store.PackReport(ctx, &ToPack{
		Account: ref.Account, Device: ref.ID, Body: body, Report: r, Verdict: v, Facets: facets,
	})
	packed.Open = countOpen(h.Vulnerabilities)
	return packed, err
}

// dropFacets takes from a device that is no longer live, or starts anew, what it counted among.
func dropFacets(ctx context.Context, tx Tx, old, d *Device) error {
	if len(old.Digest) == 0 || (d.Lifecycle == Live && len(d.Digest) > 0) {
		return nil
	}
	return tx.DropFacets(ctx, d.Account, d.ID)
}
