package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"muster/internal/atomicfile"
	"muster/internal/config"
	"muster/internal/errs"
	"muster/internal/store"
)

// makeDir makes the data directory, for its owner only: it holds the inventory of an organisation.
func makeDir(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "The data directory %s cannot be made", dir)
	}
	return nil
}

// access says what a command does to the database that it is pointed at.
type access int

const (
	// existing: it must be there and have the right schema, or a mistyped name would pass for an empty database.
	existing access = iota
	// created: it is made if it is not there, and its schema brought up to date.
	created
)

// openStore opens a database. With existing it makes none.
func openStore(ctx context.Context, db config.Database, log *slog.Logger, a access) (*store.Store, error) {
	if a == existing && db.URL == "" {
		_, err := os.Stat(filepath.Join(db.Dir, store.FileName))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errs.New(errs.NotFound, "There is no Muster database in %s; 'muster serve' and 'muster account create' make one, --data or --database names another", db.Dir)
		}
		if err != nil {
			return nil, errs.Wrap(errs.Unavailable, err, "The database in %s cannot be read", db.Dir)
		}
	}
	return store.Open(ctx, store.Options{Database: db.URL, Dir: db.Dir, Log: log})
}

type migrateCommand struct {
	jsonFlag `embed:""`
}

// Run applies the migrations that are missing.
func (c *migrateCommand) Run(env *environment) error {
	st, err := openStore(env.ctx, env.globals.database(), env.log, created)
	if err != nil {
		return err
	}
	done, err := st.Migrate(env.ctx)
	if err == nil {
		err = st.CheckSchema(env.ctx)
	}
	err = errors.Join(err, st.Close())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(env.stdout, map[string][]string{"applied": done})
	}
	if len(done) == 0 {
		return printLine(env.stdout, "nothing to do: the schema is up to date")
	}
	for _, name := range done {
		err = printLine(env.stdout, "applied", name)
		if err != nil {
			return err
		}
	}
	return nil
}

type backupCommand struct {
	File string `arg:"" help:"File to write; it must not exist yet. - for standard output."`
}

// Run writes a backup. The file gets its name only when it is complete and on disk.
func (c *backupCommand) Run(env *environment) error {
	return env.withServices(func(s *services) error {
		err := s.hasAccount(env.ctx, "There is nothing to back up: the database holds no account")
		if err != nil {
			return err
		}
		if c.File == "-" {
			_, err = s.store.Backup(env.ctx, env.stdout)
			return err
		}
		_, err = os.Lstat(c.File)
		if err == nil {
			return errs.New(errs.Conflict, "%s exists already", c.File)
		}
		var rows int64
		err = atomicfile.Fill(c.File, 0o600, func(w io.Writer) error {
			var err error
			rows, err = s.store.Backup(env.ctx, w)
			return err
		})
		if err != nil {
			return err
		}
		return printLine(env.stdout, "wrote", rows, "rows to", c.File)
	})
}

// hasAccount fails with a text if there is no account.
func (s *services) hasAccount(ctx context.Context, text string) error {
	accounts, err := s.identity.ListAccounts(ctx)
	if err == nil && len(accounts) == 0 {
		err = errs.New(errs.NotFound, "%s", text)
	}
	return err
}

type restoreCommand struct {
	File string `arg:"" help:"Backup file, of either engine; - for standard input."`
}

// Run restores into an empty database. The server must not run on it meanwhile.
func (c *restoreCommand) Run(env *environment) error {
	var file io.Reader = os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it was only read
		file = f
	}
	lock := &server{cfg: config.Server{Database: env.globals.database()}}
	err := lock.acquire()
	if err != nil {
		return err
	}
	err = env.with(created, func(s *services) error {
		rows, err := s.store.Restore(env.ctx, file)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "restored", rows, "rows")
	})
	return errors.Join(err, lock.release())
}
