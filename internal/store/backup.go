package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"muster/internal/errs"
)

// A backup is the same for both engines, so that one moves from SQLite to PostgreSQL by restoring there: zstd over
// lines of JSON. The first line is a header, then for each table one line with its columns and one line for each row,
// and at last a trailer with the number of rows and the digest of all before it. A backup without its trailer is
// incomplete and is refused whole.

const backupFormat = "muster-backup-1"

// backupTables lists the tables in an order in which rows only refer to earlier ones. Windows and leases of the moment
// are left out.
var backupTables = append([]string{
	"accounts", "device_groups", "device_counts", "applications", "tokens", "devices", "device_seen", "device_adapters",
	"report_bases", "device_reports", "events", "device_revocations", "device_words", "device_facets", "device_chunks", "facet_chunks", "products", "product_keys", "product_versions",
	"vulnerabilities", "patches", "account_sequences", "device_commands", "access_activities",
	"policies", "policy_versions", "runs", "registration_codes", "operators", "shared_hardware",
	"webhooks", "webhook_pending", "webhook_deliveries",
	"accepted_risks",
}, catalogueTables...)

// catalogueTables are in backups too: without them a device that reports anew would lose its findings until every feed is
// imported again.
var catalogueTables = []string{
	"catalogue", "catalogue_generations", "catalogue_feeds", "catalogue_keys", "catalogue_entries", "catalogue_facts", "catalogue_lookup",
}

type backupHeader struct {
	Format string `json:"format"`
	Schema int64  `json:"schema"`
}

type backupTable struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

type backupTrailer struct {
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// blob marks bytes among the values of a row.
type blob struct {
	B64 string `json:"b64"`
}

// Backup writes everything as of one moment, while the server goes on. It gives the number of rows.
func (s *Store) Backup(ctx context.Context, to io.Writer) (int64, error) {
	version, err := s.schemaVersion(ctx)
	if err != nil {
		return 0, err
	}
	tx, err := s.pools.Read.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	zw, err := zstd.NewWriter(to)
	if err != nil {
		return 0, err
	}
	digest := sha256.New()
	out := json.NewEncoder(io.MultiWriter(zw, digest))
	err = out.Encode(backupHeader{backupFormat, version})
	if err != nil {
		return 0, err
	}
	var rows int64
	for _, table := range backupTables {
		n, err := backupRows(ctx, tx, table, out)
		if err != nil {
			return 0, fmt.Errorf("backing up %s: %w", table, err)
		}
		rows += n
	}
	trailer := backupTrailer{rows, fmt.Sprintf("%x", digest.Sum(nil))}
	return rows, errors.Join(out.Encode(trailer), zw.Close())
}

func (s *Store) schemaVersion(ctx context.Context) (int64, error) {
	p, err := s.provider()
	if err != nil {
		return 0, err
	}
	have, _, err := p.GetVersions(ctx)
	return have, err
}

func backupRows(ctx context.Context, tx *sql.Tx, table string, out *json.Encoder) (int64, error) {
	//nolint:gosec // the name is one of ours
	rows, err := tx.QueryContext(ctx, "SELECT * FROM "+table)
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // Err below tells of it
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	err = out.Encode(backupTable{table, columns})
	if err != nil {
		return 0, err
	}
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	var n int64
	for rows.Next() {
		err = rows.Scan(places...)
		if err != nil {
			return 0, err
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				values[i] = blob{base64.StdEncoding.EncodeToString(b)}
			}
		}
		err = out.Encode(values)
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}

// Restore fills an empty, migrated database from a backup, all of it or nothing. It gives the number of rows.
// Conflict: the database holds accounts already. Invalid: the file is no backup, incomplete, damaged, of another schema
// version, or holds no account.
func (s *Store) Restore(ctx context.Context, from io.Reader) (int64, error) {
	version, err := s.schemaVersion(ctx)
	if err != nil {
		return 0, err
	}
	zr, err := zstd.NewReader(from)
	if err != nil {
		return 0, errs.Wrap(errs.Invalid, err, "The file is not a Muster backup")
	}
	defer zr.Close()
	in := &backupReader{lines: bufio.NewReaderSize(zr, 1<<20), digest: sha256.New()}
	err = in.header(version)
	if err != nil {
		return 0, err
	}
	tx, err := s.pools.Admin.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing left to undo
	accounts, err := countAccounts(ctx, tx)
	if err != nil {
		return 0, err
	}
	if accounts > 0 {
		return 0, errs.New(errs.Conflict, "The database holds accounts already; restore into an empty one")
	}
	// What was imported already, such as what comes with the program, gives way to what the backup has.
	for _, table := range catalogueTables {
		_, err = tx.ExecContext(ctx, "DELETE FROM "+table) //nolint:gosec // the name is one of ours
		if err != nil {
			return 0, err
		}
	}
	rows, err := s.restoreRows(ctx, tx, in)
	if err != nil {
		return 0, err
	}
	// A backup from before all devices had places.
	_, err = tx.ExecContext(ctx, `UPDATE storage_state SET value = 0 WHERE name = 'postings' AND EXISTS (SELECT 1 FROM device_facets)
		AND EXISTS (SELECT 1 FROM device_reports WHERE place = 0 AND length(facets) > 0)`)
	if err != nil {
		return 0, err
	}
	accounts, err = countAccounts(ctx, tx)
	if err != nil {
		return 0, err
	}
	if accounts == 0 {
		return 0, errs.New(errs.Invalid, "The backup holds no account: it was made of an empty database")
	}
	return rows, tx.Commit()
}

func countAccounts(ctx context.Context, tx *sql.Tx) (n int64, err error) {
	err = tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM accounts").Scan(&n)
	return n, err
}

func (s *Store) restoreRows(ctx context.Context, tx *sql.Tx, in *backupReader) (int64, error) {
	var insert *sql.Stmt
	var rows int64
	for {
		line, err := in.line()
		if err != nil {
			return 0, err
		}
		if line[0] == '[' {
			rows++
			err = restoreRow(ctx, insert, line)
			if err != nil {
				return 0, errs.Wrap(errs.Invalid, err, "Row %d of the backup cannot be restored", rows)
			}
			continue
		}
		table, done, err := in.directive(line, rows)
		if done || err != nil {
			return rows, err
		}
		if insert != nil {
			insert.Close() //nolint:errcheck // done with
		}
		insert, err = tx.PrepareContext(ctx, s.dialect.Rebind(fmt.Sprintf("INSERT INTO %s (%s) VALUES (?%s)",
			table.Table, strings.Join(table.Columns, ", "), strings.Repeat(", ?", len(table.Columns)-1))))
		if err != nil {
			return 0, errs.Wrap(errs.Invalid, err, "The backup does not fit the table %s", table.Table)
		}
	}
}

func restoreRow(ctx context.Context, insert *sql.Stmt, line []byte) error {
	if insert == nil {
		return errors.New("a row before any table")
	}
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	var values []any
	err := dec.Decode(&values)
	if err != nil {
		return err
	}
	for i, v := range values {
		switch v := v.(type) {
		case json.Number:
			values[i], err = numberOf(v)
		case map[string]any:
			text, ok := v["b64"].(string)
			if !ok {
				return errors.New("a value of no known kind")
			}
			values[i], err = base64.StdEncoding.DecodeString(text)
		}
		if err != nil {
			return err
		}
	}
	_, err = insert.ExecContext(ctx, values...)
	return err
}

// numberOf reads a whole number, or else one with a fraction: scores have one.
func numberOf(n json.Number) (any, error) {
	whole, err := n.Int64()
	if err == nil {
		return whole, nil
	}
	return n.Float64()
}

// backupReader reads a backup line by line and digests what it read.
type backupReader struct {
	lines  *bufio.Reader
	digest hash.Hash
}

// line gives the next line. The digest covers it only from the next call on, because the trailer names the digest of
// all before it.
func (r *backupReader) line() ([]byte, error) {
	line, err := r.lines.ReadBytes('\n')
	if err != nil || len(line) < 3 {
		return nil, errs.Wrap(errs.Invalid, err, "The backup is damaged or incomplete")
	}
	if !strings.HasPrefix(string(line), `{"rows":`) {
		r.digest.Write(line)
	}
	return line, nil
}

func (r *backupReader) header(version int64) error {
	line, err := r.line()
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The file is not a Muster backup")
	}
	var h backupHeader
	err = json.Unmarshal(line, &h)
	if err != nil || h.Format != backupFormat {
		return errs.Wrap(errs.Invalid, err, "The file is not a Muster backup")
	}
	if h.Schema != version {
		return errs.New(errs.Invalid, "The backup has schema version %d and the database %d: restore with the version of muster that made it, then run 'muster migrate' or start this one on it", h.Schema, version)
	}
	return nil
}

// directive reads a line that is not a row: the start of a table, or the trailer.
func (r *backupReader) directive(line []byte, rows int64) (t backupTable, done bool, err error) {
	err = json.Unmarshal(line, &t)
	if err == nil && t.Table != "" {
		if !slices.Contains(backupTables, t.Table) || len(t.Columns) == 0 || slices.ContainsFunc(t.Columns, notIdentifier) {
			return t, false, errs.New(errs.Invalid, "The backup names an unknown table")
		}
		return t, false, nil
	}
	var end backupTrailer
	err = json.Unmarshal(line, &end)
	if err != nil || end.Rows != rows || end.SHA256 != fmt.Sprintf("%x", r.digest.Sum(nil)) {
		return t, false, errs.Wrap(errs.Invalid, err, "The backup is damaged or incomplete")
	}
	return t, true, nil
}

// notIdentifier keeps a forged backup from putting SQL where a column name belongs.
func notIdentifier(s string) bool {
	return s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_0123456789") != ""
}
