package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"muster/internal/page"
)

// Pages remembers in the database where the pages of lists begin, for servers that share one: see api.Pages.
type Pages struct {
	*Store
	startPage, notePage, endPages string
}

// NewPages remembers in the database of a store.
func NewPages(s *Store) Pages {
	return Pages{s, s.dialect.Rebind(startPage), s.dialect.Rebind(notePage), s.dialect.Rebind(endPages)}
}

const (
	startPage = `SELECT number, position FROM list_pages WHERE account_id = ? AND list = ? AND number <= ? AND noted_at > ?
		ORDER BY number DESC LIMIT 1`
	notePage = `INSERT INTO list_pages (account_id, list, number, position, noted_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (account_id, list, number) DO UPDATE SET position = excluded.position, noted_at = excluded.noted_at`
	endPages = "DELETE FROM list_pages WHERE account_id = ? AND list = ? AND number > ?"
)

// Start implements api.Pages. It asks the connection that notes are written through, so that what another server noted
// before it answered is seen.
func (p Pages) Start(ctx context.Context, list page.List, number int, now time.Time) (known int, after string, err error) {
	var position []byte // not text: positions may hold what databases refuse in one
	err = p.pools.Single.QueryRowContext(context.WithoutCancel(ctx), p.startPage, list.Account, list.Name, number, millis(now.Add(-page.Life))).
		Scan(&known, &position)
	if errors.Is(err, sql.ErrNoRows) {
		return 1, "", nil
	}
	return known, string(position), p.fault(err)
}

// Note implements api.Pages with a statement that commits by itself.
func (p Pages) Note(ctx context.Context, list page.List, number int, after string, now time.Time) error {
	_, err := p.pools.Single.ExecContext(context.WithoutCancel(ctx), p.notePage, list.Account, list.Name, number, []byte(after), millis(now))
	return p.fault(err)
}

// End implements api.Pages.
func (p Pages) End(ctx context.Context, list page.List, last int) error {
	_, err := p.pools.Single.ExecContext(context.WithoutCancel(ctx), p.endPages, list.Account, list.Name, last)
	return p.fault(err)
}

// ForgetPages removes what was noted before a time.
func (s *Store) ForgetPages(ctx context.Context, before time.Time) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM list_pages WHERE noted_at < ?", millis(before))
		return err
	})
}
