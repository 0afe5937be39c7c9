package risk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
	"muster/internal/run"
)

// Document is a VEX document, as far as it matters here.
type Document struct {
	ID         string
	Author     string
	Statements []Said
}

// Said is one statement of a document.
type Said struct {
	ID            string // may be ""
	Vulnerability string
	Aliases       []string
	// Products are package URLs or names. A statement without any cannot be used: nobody means all software.
	Products      []string
	Status        Status
	Justification string // the word of OpenVEX; may be ""
	Text          string // what else it says, for people; may be ""
	At            time.Time
}

// Imported is what became of the statements of a document. A statement about several products counts once for each.
type Imported struct {
	Added     int      // new ones by which findings do not count
	Lifted    int      // new ones by which they do
	Unchanged int      // said already, or overtaken by a later one
	Skipped   []string // why some could not be used
}

// maxSkipped is how many reasons are told.
const maxSkipped = 50

func (i *Imported) skip(format string, args ...any) {
	if len(i.Skipped) < maxSkipped {
		i.Skipped = append(i.Skipped, fmt.Sprintf(format, args...))
	}
}

// importPart is how many entries one step stores: everybody else's changes wait for it.
const importPart = 500

// Import takes over the statements of documents, and has the devices judged anew that they may be about. Of what is said of one
// vulnerability and product, the newest holds: a document that was taken over already changes nothing, nor does an older one. An
// import that fails has taken over some, and can be repeated. Invalid: nothing can be used. Conflict: MaxActive entries would hold.
func (s *Service) Import(ctx context.Context, account posture.AccountID, docs []*Document, actor string) (Imported, error) {
	at := s.clock()
	var total Imported
	list := entriesOf(docs, account, at, &total)
	if len(list) == 0 {
		return total, errs.New(errs.Invalid, "There is no VEX statement that can be used: %s", cmp.Or(strings.Join(total.Skipped, "; "), "there is none at all"))
	}
	for part := range slices.Chunk(list, importPart) {
		one, err := s.importSome(ctx, account, part, note{at: at, actor: actor, kind: event.RiskAccepted, detail: sourceOf(docs)})
		if err != nil {
			return total, err
		}
		total.Added, total.Lifted, total.Unchanged = total.Added+one.Added, total.Lifted+one.Lifted, total.Unchanged+one.Unchanged
	}
	if total.Added+total.Lifted > 0 {
		s.wake()
	}
	return total, nil
}

// sourceOf names what is imported, for the record.
func sourceOf(docs []*Document) string {
	if len(docs) == 1 {
		return fmt.Sprintf("VEX document %s of %s", shortened(docs[0].ID), shortened(docs[0].Author))
	}
	return fmt.Sprintf("%d VEX documents", len(docs))
}

func (s *Service) importSome(ctx context.Context, account posture.AccountID, list []Risk, n note) (Imported, error) {
	var out Imported
	err := s.change(ctx, account, func(tx Tx) error {
		out = Imported{}
		about, err := s.takeOver(ctx, tx, list, n.at, &out)
		if err != nil || len(about) == 0 {
			return err
		}
		err = s.roomFor(ctx, tx, account, n.at, 0)
		if err != nil {
			return err
		}
		return s.followImport(ctx, tx, account, about, &out, n)
	})
	return out, err
}

// takeOver stores those entries that say something new, and gives the ids that they are about.
func (s *Service) takeOver(ctx context.Context, tx Tx, list []Risk, at time.Time, out *Imported) (about [][]string, err error) {
	known := make(map[string][]Risk)
	for i := range list {
		r := list[i]
		before, ok := known[r.Vulnerability]
		if !ok {
			before, err = tx.Statements(ctx, r.Account, r.Vulnerability)
			if err != nil {
				return nil, err
			}
		}
		last := lastSaid(before, &r.Product)
		if last >= 0 && !overtakes(&r, &before[last]) {
			known[r.Vulnerability] = before
			out.Unchanged++
			continue
		}
		if last >= 0 && before[last].Revoked.At.IsZero() {
			end := Revocation{At: at, By: r.Author, Reason: fmt.Sprintf("a later statement says %s", r.Statement.Status)}
			err = tx.RevokeRisk(ctx, r.Account, before[last].ID, end)
			if err != nil {
				return nil, err
			}
			before[last].Revoked = end
		}
		r.ID = posture.NewID(at, s.random)
		err = tx.InsertRisk(ctx, &r)
		if err != nil {
			return nil, err
		}
		known[r.Vulnerability] = append(before, r)
		about = append(about, append([]string{r.Vulnerability}, r.Aliases...))
		if r.Accepts() {
			out.Added++
		} else {
			out.Lifted++
		}
	}
	return about, nil
}

// lastSaid gives the place of the newest statement about a product, -1 where there is none.
func lastSaid(list []Risk, p *Product) int {
	last := -1
	for i := range list {
		if list[i].Product.Same(p) && (last < 0 || later(&list[i], &list[last])) {
			last = i
		}
	}
	return last
}

// overtakes reports whether a statement says something that is not said yet. Of one time, it does only where it lifts.
func overtakes(r, before *Risk) bool {
	if r.Statement.At.Equal(before.Statement.At) {
		return before.Accepts() && !r.Accepts()
	}
	return r.Statement.At.After(before.Statement.At)
}

func (s *Service) followImport(ctx context.Context, tx Tx, account posture.AccountID, about [][]string, out *Imported, n note) error {
	err := tx.MoveRiskRevision(ctx, account)
	if err != nil {
		return err
	}
	ids := slices.Concat(about...)
	if slices.ContainsFunc(about, func(ids []string) bool { return touched(ids) == nil }) {
		ids = nil // one of them is only found by looking at all
	}
	slices.Sort(ids)
	err = s.insertRun(ctx, tx, account, run.Params{CVEs: touched(slices.Compact(ids)), Anew: true}, n)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("%s: %d statements accept, %d lift", n.detail, out.Added, out.Lifted)
	return tx.Record(ctx, event.Event{
		Account: account, ID: posture.NewID(n.at, s.random), At: n.at, Kind: n.kind, Actor: n.actor, Detail: detail,
	})
}

// entriesOf gives one entry for each statement and product, the oldest first.
func entriesOf(docs []*Document, account posture.AccountID, at time.Time, out *Imported) []Risk {
	var list []Risk
	for _, d := range docs {
		for i := range d.Statements {
			list = append(list, d.Statements[i].entries(d, account, at, out)...)
		}
	}
	slices.SortStableFunc(list, func(a, b Risk) int { return a.Statement.At.Compare(b.Statement.At) })
	return list
}

func (x *Said) entries(d *Document, account posture.AccountID, at time.Time, out *Imported) []Risk {
	id, aliases, err := x.canonical()
	if err != nil {
		out.skip("%s", err)
		return nil
	}
	r := Risk{
		Account: account, Source: VEX, Vulnerability: id, Aliases: aliases, Reason: clipped(x.reason(), maxReason), Author: clipped(d.Author, maxAuthor),
		CreatedAt: at, Statement: Statement{
			Document: clipped(d.ID, maxReason), ID: clipped(x.ID, maxReason), Status: x.Status, Justification: clipped(x.Justification, maxAuthor),
			At: x.At.UTC().Truncate(time.Millisecond),
		},
	}
	switch {
	case x.At.IsZero() || x.At.After(at.Add(24*time.Hour)):
		out.skip("%s: the statement has no time, or one that is still to come", id)
		return nil
	case !slices.Contains([]Status{NotAffected, Fixed, Affected, UnderInvestigation}, x.Status):
		out.skip("%s: %q is no status of OpenVEX", id, shortened(string(x.Status)))
		return nil
	case len(x.Products) == 0:
		out.skip("%s: the statement names no product", id)
		return nil
	}
	var list []Risk
	for _, text := range x.Products {
		p, err := ParseProduct(text)
		if err != nil || p.Any() {
			out.skip("%s: the product %q cannot be told among what is installed", id, shortened(text))
			continue
		}
		one := r
		one.Product = p
		list = append(list, one)
	}
	return list
}

// canonical gives the id by which statements about one vulnerability are told to be about one: its CVE id where it has one.
func (x *Said) canonical() (id string, aliases []string, err error) {
	for _, text := range append([]string{x.Vulnerability}, x.Aliases...) {
		one, wrong := VulnerabilityID(text)
		if wrong != nil {
			err = wrong
			continue
		}
		aliases = append(aliases, one)
	}
	if len(aliases) == 0 {
		return "", nil, err
	}
	id = aliases[0]
	for _, one := range aliases {
		if isCVE(one) && !isCVE(id) {
			id = one
		}
	}
	slices.Sort(aliases)
	aliases = slices.DeleteFunc(slices.Compact(aliases), func(one string) bool { return one == id })
	return id, aliases[:min(len(aliases), maxAliases)], nil
}

const maxAliases = 32

func (x *Said) reason() string {
	out := string(x.Status)
	if x.Justification != "" {
		out += ": " + x.Justification
	}
	if x.Text != "" {
		out += ": " + x.Text
	}
	return out
}

// clipped makes a text of a document one that can be stored and shown.
func clipped(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return !plain(string(r), 1) || r == ' ' }), " ")
	if plain(s, most) {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
