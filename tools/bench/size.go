package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"muster/internal/store"
)

// size gives how many bytes the database has on disk, without its log. The server must not run.
func (f *fleet) size(ctx context.Context) (bytes int64, err error) {
	if f.engine == "sqlite" {
		info, err := os.Stat(filepath.Join(f.data, store.FileName))
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	db, err := f.openSQL(false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&bytes)
	return bytes, err
}
