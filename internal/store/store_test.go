package store_test

import (
	"testing"

	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/testpg"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, storetest.Engine{Name: "sqlite", Exec: store.Exec, New: func(t *testing.T) store.Options { return store.Options{Dir: t.TempDir()} }})
}

func TestPostgres(t *testing.T) {
	storetest.Run(t, storetest.Engine{Name: "postgres", Exec: store.Exec, New: func(t *testing.T) store.Options {
		return store.Options{Database: testpg.Database(t)}
	}})
}
