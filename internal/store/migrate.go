package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"muster/internal/errs"
)

// Migrations carry the same number on both engines, only go forward, and leave the previous version working while it
// still serves.
//
//go:embed migrations
var migrations embed.FS

func (s *Store) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations/"+s.dialect.Name)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithSlog(slog.New(slog.DiscardHandler))}
	if s.dialect.SharedLimits {
		// A lock row rather than an advisory lock: distributed engines that speak PostgreSQL's protocol have no others.
		locker, err := lock.NewPostgresTableLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithLocker(locker))
	}
	return goose.NewProvider(s.dialect.Goose, s.pools.Admin, files, options...)
}

// Migrate brings the schema up to date and says which migrations it applied. Several servers may call it at once.
func (s *Store) Migrate(ctx context.Context) ([]string, error) {
	p, err := s.provider()
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The database schema could not be brought up to date")
	}
	names := make([]string, 0, len(done))
	for _, m := range done {
		names = append(names, m.Source.Path)
	}
	return names, nil
}

// CheckSchema refuses a database that needs migrating, or that a newer version has migrated.
func (s *Store) CheckSchema(ctx context.Context) error {
	p, err := s.provider()
	if err != nil {
		return err
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "The version of the database schema cannot be read")
	}
	switch {
	case have < want:
		return errs.New(errs.Unavailable, "The database schema is at version %d and this program needs %d: run 'muster migrate'", have, want)
	case have > want:
		return errs.New(errs.Unavailable, "The database schema is at version %d, newer than the %d of this program: use a newer muster", have, want)
	default:
		return nil
	}
}
