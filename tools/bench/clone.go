package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the same drivers as the store's
	_ "modernc.org/sqlite"

	"muster/internal/device"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/dialect"
	"muster/internal/web"
)

// cloneChunk is how many devices one round of statements makes.
const cloneChunk = 500

// cloneTables are the tables in which every device has rows, those that others refer to first, with what a clone has in
// the place of its original's value.
var cloneTables = []struct {
	name, device string
	columns      map[string]string
}{
	{"devices", "id", map[string]string{
		"id": "c.id", "hardware_id": "c.hardware", "serial": "c.serial", "name": "c.host", "host_name": "c.host",
		"digest": "c.digest", "credentials": "c.credentials",
		// Lists show the addresses in it.
		"profile": "REPLACE(REPLACE(t.profile, c.base_mac, c.mac), c.base_mac2, c.mac2)",
	}},
	{"device_adapters", "device_id", map[string]string{"device_id": "c.id", "mac": "t.mac + c.mac_offset"}},
	// The store gives the clones places of their own: see place.
	{"device_reports", "device_id", map[string]string{"device_id": "c.id", "place": "0"}},
	{"device_seen", "device_id", map[string]string{"device_id": "c.id"}},
}

// cloner makes devices like those that enrolled, row by row, in the database.
type cloner struct {
	*fleet
	db     *sql.DB
	tables []string // a statement for each of cloneTables
	digest *digester
	bases  []named // the originals, in the order of their indexes
}

// clone makes the rest of the fleet. The server must not run.
func (f *fleet) clone(ctx context.Context, size int) (err error) {
	c := &cloner{fleet: f, digest: newDigester()}
	c.db, err = f.openSQL(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	if size <= baseSize {
		return c.settle(ctx)
	}
	err = c.prepare(ctx)
	if err != nil {
		return err
	}
	for from := baseSize; from < size; from += cloneChunk {
		err = c.chunk(ctx, from, min(from+cloneChunk, size))
		if err != nil {
			return fmt.Errorf("cloning devices: %w", err)
		}
	}
	err = f.place(ctx)
	if err != nil {
		return fmt.Errorf("placing clones: %w", err)
	}
	return c.finish(ctx, size/baseSize)
}

// place has the store place the clones, so that they are found by what they have.
func (f *fleet) place(ctx context.Context) (err error) {
	st, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	for more := true; more && err == nil; {
		more, err = st.Tidy(ctx, f.account.ID)
	}
	return err
}

// openSQL opens the database as the store does; durable says whether commits are to be on disk.
func (f *fleet) openSQL(durable bool) (*sql.DB, error) {
	driver, name := "pgx", f.url
	if f.engine == "sqlite" {
		sync := "OFF"
		if durable {
			sync = "FULL"
		}
		driver = "sqlite"
		name = "file:" + filepath.Join(f.data, store.FileName) +
			"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=cache_size(-65536)&_pragma=wal_autocheckpoint(4000)&_pragma=synchronous(" + sync + ")"
	}
	db, err := sql.Open(driver, name)
	if err == nil {
		db.SetMaxOpenConns(1) // settings stay with their connection
	}
	return db, err
}

func (f *fleet) rebind(query string) string {
	if f.engine == "postgres" {
		return dialect.Postgres.Rebind(query)
	}
	return query
}

// prepare makes the table of what the clones are to be called, and the statements that make them.
func (c *cloner) prepare(ctx context.Context) error {
	if c.engine == "postgres" {
		_, err := c.db.ExecContext(ctx, "SET synchronous_commit = off")
		if err != nil {
			return err
		}
	}
	_, err := c.db.ExecContext(ctx, `CREATE TABLE bench_clones (base TEXT NOT NULL, id TEXT NOT NULL, hardware TEXT NOT NULL,
		serial TEXT NOT NULL, host TEXT NOT NULL, mac_offset BIGINT NOT NULL, digest BYTEA NOT NULL, credentials BYTEA NOT NULL,
		base_mac TEXT NOT NULL, mac TEXT NOT NULL, base_mac2 TEXT NOT NULL, mac2 TEXT NOT NULL)`)
	if err != nil {
		return err
	}
	err = c.prepareIndexes(ctx)
	if err != nil {
		return err
	}
	for _, t := range cloneTables {
		columns, err := c.columns(ctx, t.name)
		if err != nil {
			return err
		}
		values := make([]string, len(columns))
		for i, name := range columns {
			values[i] = "t." + name
			if other := t.columns[name]; other != "" {
				values[i] = other
			}
		}
		c.tables = append(c.tables, "INSERT INTO "+t.name+" ("+strings.Join(columns, ", ")+") SELECT "+strings.Join(values, ", ")+
			" FROM bench_clones c JOIN "+t.name+" t ON t.account_id = ? AND t."+t.device+" = c.base")
	}
	return nil
}

func (c *cloner) columns(ctx context.Context, table string) ([]string, error) {
	rows, err := c.db.QueryContext(ctx, "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // there are none
	names, err := rows.Columns()
	return names, errors.Join(err, rows.Err())
}

// chunk makes the devices from one index to before another.
func (c *cloner) chunk(ctx context.Context, from, to int) error {
	var args []any
	for i := from; i < to; i++ {
		a := newAgent()
		c.agents = append(c.agents, a)
		base := i % baseSize
		digest, err := c.digest.of(c.bodies.report(nil, i))
		if err != nil {
			return err
		}
		args = append(args, c.agents[base].id, a.id, posture.IdentifyingNumber(hardwareID(i)), posture.IdentifyingNumber(serialNumber(i)),
			hostName(i), macOf(i, 0)-macOf(base, 0), digest, a.digest(),
			macText(base, 0), macText(i, 0), macText(base, 1), macText(i, 1))
	}
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after the commit
	const values = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	_, err = tx.ExecContext(ctx, c.rebind("INSERT INTO bench_clones VALUES "+values+strings.Repeat(", "+values, to-from-1)), args...)
	if err != nil {
		return err
	}
	for _, statement := range c.tables {
		_, err = tx.ExecContext(ctx, c.rebind(statement), c.account.ID)
		if err != nil {
			return err
		}
	}
	err = c.cloneWords(ctx, tx, from, to)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM bench_clones")
	if err != nil {
		return err
	}
	return tx.Commit()
}

// finish brings the counts up to date, every device standing for so many now, and settles the database.
func (c *cloner) finish(ctx context.Context, times int) error {
	columns, err := c.columns(ctx, "device_counts")
	if err != nil {
		return err
	}
	var set []string
	for _, name := range columns {
		if name != "account_id" && name != "group_id" {
			set = append(set, fmt.Sprintf("%s = %s * %d", name, name, times))
		}
	}
	statements := []string{"DROP TABLE bench_clones", "UPDATE device_counts SET " + strings.Join(set, ", ")}
	for _, table := range []string{"product_versions", "vulnerabilities", "patches"} {
		statements = append(statements, fmt.Sprintf("UPDATE %s SET devices = devices * %d", table, times))
	}
	err = c.run(ctx, statements...)
	if err != nil {
		return err
	}
	return c.settle(ctx)
}

// settle leaves the database as one that has long been there.
func (c *cloner) settle(ctx context.Context) error {
	if c.engine == "postgres" {
		// Autovacuum would do the first by itself, at a moment that nobody chose.
		return c.run(ctx, "VACUUM ANALYZE", "CHECKPOINT")
	}
	return c.run(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
}

func (c *cloner) run(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		_, err := c.db.ExecContext(ctx, statement)
		if err != nil {
			return err
		}
	}
	return nil
}

func newAgent() agent {
	var secret [64]byte
	rand.Read(secret[:])
	return agent{posture.NewID(time.Now(), rand.Reader), hex.EncodeToString(secret[:32]), hex.EncodeToString(secret[32:])}
}

// digest is what is stored of an agent's credentials: see package device.
func (a agent) digest() []byte {
	key, token := a.key, a.token
	if key > token {
		key, token = token, key
	}
	sum := sha256.Sum256([]byte(key + "\x00" + token))
	return sum[:]
}

// digester asks the agent door what digest a report has. The door keeps that to itself, so it is given a device service
// that does nothing but look.
type digester struct {
	gears.Devices
	gears.Accounts
	mux   *web.Mux
	found []byte
}

func newDigester() *digester {
	d := &digester{}
	d.mux = web.NewMux(gears.New(gears.Deps{Devices: d, Accounts: d}))
	return d
}

// AccountByLicenseKey implements gears.Accounts.
func (d *digester) AccountByLicenseKey(context.Context, string) (identity.Account, error) {
	return identity.Account{}, nil
}

// Authenticate implements gears.Devices.
func (d *digester) Authenticate(context.Context, posture.AccountID, string, string, string) (device.Ref, error) {
	return device.Ref{}, nil
}

// Report implements gears.Devices.
func (d *digester) Report(_ context.Context, _ device.Ref, sub device.Submission) error {
	d.found = sub.Digest[:]
	return nil
}

func (d *digester) of(report []byte) ([]byte, error) {
	d.found = nil
	r := &http.Request{
		Method: http.MethodPut, URL: &url.URL{Path: "/api/v2/accounts/k/devices/d/report/health"},
		Header: http.Header{"Gears-Access-Key": {"k"}, "Gears-Access-Token": {"t"}},
		Body:   http.NoBody, ContentLength: int64(len(report)),
	}
	r.Body = readCloser{strings.NewReader(string(report))}
	d.mux.ServeHTTP(nowhere{}, r)
	if d.found == nil {
		return nil, errors.New("the agent door refuses the report of a clone")
	}
	return d.found, nil
}

type readCloser struct{ *strings.Reader }

// Close implements io.Closer.
func (readCloser) Close() error { return nil }

// nowhere is a response that nobody reads.
type nowhere struct{}

// Header implements http.ResponseWriter.
func (nowhere) Header() http.Header { return http.Header{} }

// Write implements http.ResponseWriter.
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (nowhere) WriteHeader(int) {}
