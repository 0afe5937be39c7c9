package app

import (
	"context"
	"fmt"
	"io"
	"strings"

	"muster/internal/catalogue"
	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/vuln/feed"
)

// vexDocuments puts statements of OpenVEX documents together as an account takes them over.
func vexDocuments(list []*feed.Statement) []*risk.Document {
	var out []*risk.Document
	at := make(map[[2]string]*risk.Document)
	for _, x := range list {
		name := [2]string{x.Document, x.Author}
		d := at[name]
		if d == nil {
			d = &risk.Document{ID: x.Document, Author: x.Author}
			at[name] = d
			out = append(out, d)
		}
		d.Statements = append(d.Statements, saidBy(x))
	}
	return out
}

// saidBy turns a statement of a document into what an account takes over. Parts of products are left alone: where the product
// itself is not what is installed, nobody can tell whether the part is the one that is.
func saidBy(x *feed.Statement) risk.Said {
	out := risk.Said{
		ID: x.ID, Vulnerability: x.Vulnerability, Aliases: x.Aliases, Status: risk.Status(x.Status), Justification: x.Justification,
		Text: strings.TrimSpace(x.Impact + " " + x.Notes), At: x.At,
	}
	if x.Updated.After(x.At) {
		out.At = x.Updated
	}
	for _, p := range x.Products {
		switch {
		case p.PURL != "":
			out.Products = append(out.Products, p.PURL)
		default:
			out.Products = append(out.Products, p.ID)
		}
	}
	return out
}

// owner gives the account that statements are for.
func (in *intake) owner(ctx context.Context) (posture.AccountID, error) {
	if in.account == nil {
		return 0, errs.New(errs.Invalid, "These are VEX statements, which belong to an account: import them with 'muster feed import --account A'")
	}
	return in.account(ctx)
}

// ended ends an import well. Where there is nothing but statements, the catalogue stays as it is.
func (in *intake) ended(ctx context.Context, input string) (catalogue.Result, error) {
	if n := len(in.statements); n == 0 || in.progress.items.Load() > int64(n) {
		return in.finish(ctx, input)
	}
	return catalogue.Result{Feeds: []catalogue.Outcome{}, Unused: []catalogue.Unused{}}, in.session.Abort(ctx, false)
}

// vexView is what became of VEX statements as the command line prints it. The names of its members stay.
type vexView struct {
	Added     int      `json:"added"`
	Lifted    int      `json:"lifted"`
	Unchanged int      `json:"unchanged"`
	Skipped   []string `json:"skipped"`
}

// importStatements takes over VEX statements for an account.
func (s *services) importStatements(ctx context.Context, account posture.AccountID, list []*feed.Statement) (*vexView, error) {
	got, err := s.risks.Import(ctx, account, vexDocuments(list), "command line")
	return &vexView{got.Added, got.Lifted, got.Unchanged, append([]string{}, got.Skipped...)}, err
}

func printStatements(w io.Writer, v *vexView) error {
	for _, why := range v.Skipped {
		err := printLine(w, "not used:", printable(why))
		if err != nil {
			return err
		}
	}
	return printLine(w, fmt.Sprintf("VEX statements: %d accept, %d lift, %d say nothing new; 'muster vuln accepted --source vex' lists them", v.Added, v.Lifted, v.Unchanged))
}
