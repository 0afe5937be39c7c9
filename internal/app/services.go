package app

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"time"

	"muster/internal/catalogue"
	"muster/internal/config"
	"muster/internal/device"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/policies"
	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/vuln"
	"muster/internal/webhook"
	"muster/internal/webhook/sender"
)

// services are the parts below the doors.
type services struct {
	store     *store.Store
	identity  *identity.Service
	devices   *device.Service
	webhooks  *webhook.Service
	sender    *sender.Sender // that webhooks is made with
	policies  *policies.Service
	runs      *run.Service
	risks     *risk.Service
	operators *identity.Operators
	judge     *judge
	catalogue *catalogue.Service
	touched   *touchedCache
	log       *slog.Logger
}

// openServices opens a database that has the right schema, or with created is given it.
func openServices(ctx context.Context, db config.Database, log *slog.Logger, a access) (*services, error) {
	st, err := openStore(ctx, db, log, a)
	if err != nil {
		return nil, err
	}
	s, err := newServices(ctx, st, log, a)
	if err != nil {
		st.Close() //nolint:errcheck // the error before it matters more
		return nil, err
	}
	return s, nil
}

func newServices(ctx context.Context, st *store.Store, log *slog.Logger, a access) (*services, error) {
	if a == created {
		done, err := st.Migrate(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range done {
			log.Info("applied a migration", "migration", name)
		}
	}
	// After a migration too: this program knows nothing to apply to the schema of a newer one.
	err := st.CheckSchema(ctx)
	if err != nil {
		return nil, err
	}
	s := &services{}
	runs := run.New(st, time.Now, rand.Reader)
	book := policies.New(policies.Options{Store: st, Now: time.Now, Random: rand.Reader, Wake: runs.Wake})
	known := catalogue.New(catalogue.Options{Store: store.NewCatalogue(st), Log: log})
	risks := risk.New(risk.Options{Store: st, Now: time.Now, Random: rand.Reader, Wake: runs.Wake, Judge: func(ctx context.Context, account posture.AccountID, id string) error {
		return s.devices.JudgeNow(ctx, account, id)
	}})
	judge, err := newJudge(book, st, known, risks)
	if err != nil {
		return nil, err
	}
	ids := identity.New(identity.Options{
		Accounts: st, Applications: st, Tokens: st, Settings: st, Codes: st,
		Rejudging: func(account posture.AccountID) { risks.Forget(account); runs.Wake() },
	})
	*s = services{
		store: st, policies: book, runs: runs, risks: risks, judge: judge, log: log, catalogue: known, touched: newTouchedCache(),
		identity: ids, operators: identity.NewOperators(st, time.Now, rand.Reader),
		devices: device.New(device.Options{
			Store: st, Judge: judge, Decode: gears.Decode, Log: log, Catalogue: descriptions{known, risks}, Wake: runs.Wake,
			Rules: deviceRules(ids), CompileJoin: compileJoin,
		}),
	}
	s.allowWebhooks(nil)
	return s, nil
}

// allowWebhooks says to which networks that are not public webhooks may be sent.
func (s *services) allowWebhooks(networks []netip.Prefix) {
	guard := webhook.Guard{Allowed: networks}
	s.sender = sender.New(guard, "Muster/"+Version)
	s.webhooks = webhook.New(webhook.Options{Store: s.store, Sender: s.sender, Guard: guard})
}

// close ends what the services hold.
func (s *services) close() error { return s.store.Close() }

// descriptions lets the inventory show what the catalogue says of a vulnerability.
type descriptions struct {
	catalogue *catalogue.Service
	risks     *risk.Service
}

// Rate implements device.Catalogue.
func (d descriptions) Rate(ctx context.Context, account posture.AccountID, ids []string) (map[string]device.Rating, error) {
	set, err := d.risks.Active(ctx, account)
	if err != nil {
		return nil, err
	}
	view, err := d.catalogue.View(ctx)
	if err != nil {
		return nil, err
	}
	said, err := view.Said(ctx, ids)
	out := make(map[string]device.Rating, len(said))
	for id, j := range said {
		scores, levels, ok := j.Facts.Scored(vuln.Thresholds(set.Thresholds()))
		if ok {
			out[id] = device.Rating{KEV: j.Facts.KEV, Scores: scores, Levels: levels}
		}
	}
	return out, err
}

// Describe implements device.Catalogue.
func (d descriptions) Describe(ctx context.Context, ids []string) (map[string]device.Description, error) {
	view, err := d.catalogue.View(ctx)
	if err != nil {
		return nil, err
	}
	said, err := view.Said(ctx, ids)
	out := make(map[string]device.Description, len(said))
	for id, j := range said {
		out[id] = device.Description(j.Description)
	}
	return out, err
}

// Keys implements device.Catalogue.
func (descriptions) Keys(os *posture.OS, app *posture.Application) []device.ProductKey {
	keys, other := vuln.KeysOfApplication(os, app)
	out := make([]device.ProductKey, len(keys))
	for i, k := range keys {
		out[i] = device.ProductKey{Space: k.Space, Name: k.Name, ByVendor: k.ByVendor, OtherVersion: other}
	}
	return out
}
