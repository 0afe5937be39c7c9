package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"

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

type migrateCommand struct {
	jsonFlag `embed:""`
}

// Run applies the migrations that are missing.
func (c *migrateCommand) Run(env *environment) error {
	st, err := store.Open(env.ctx, store.Options{Database: env.globals.Database, Dir: env.globals.Data, Log: env.log})
	if err != nil {
		return err
	}
	done, err := st.Migrate(env.ctx)
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
		if c.File == "-" {
			_, err := s.store.Backup(env.ctx, env.stdout)
			return err
		}
		_, err := os.Lstat(c.File)
		if err == nil {
			return errs.New(errs.Conflict, "%s exists already", c.File)
		}
		rows, err := writeFile(c.File, func(w io.Writer) (int64, error) { return s.store.Backup(env.ctx, w) })
		if err != nil {
			return err
		}
		return printLine(env.stdout, "wrote", rows, "rows to", c.File)
	})
}

// writeFile lets write fill a file beside name, and renames it when everything is on disk.
func writeFile(name string, write func(io.Writer) (int64, error)) (rows int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*") // made with mode 0600
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	rows, err = write(f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return 0, err
	}
	return rows, os.Rename(f.Name(), name)
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
	lock := &server{cfg: config.Server{Database: config.Database{Dir: env.globals.Data, URL: env.globals.Database}}}
	err := lock.acquire()
	if err != nil {
		return err
	}
	err = env.withServices(func(s *services) error {
		rows, err := s.store.Restore(env.ctx, file)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "restored", rows, "rows")
	})
	return errors.Join(err, lock.release())
}
