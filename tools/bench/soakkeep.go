package main

import (
	"context"
	"encoding/gob"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"muster/internal/identity"
)

// kept is what has to be known of a fleet to soak it again, beside its database.
type kept struct {
	Made    time.Time // the reports
	Account identity.Account
	Agents  [][3]string // id, key and token
}

// keptFile is its name, in the folder with the database.
const keptFile = "fleet.gob"

// makeOrTake makes the fleet of a soak, or takes up one that an earlier soak left. Only on SQLite is it in the folder.
func (s *soak) makeOrTake(ctx context.Context, b *bench, size int) error {
	if s.options.keep == "" {
		return s.seed(ctx, size)
	}
	s.data = s.options.keep
	name := filepath.Join(s.data, keptFile)
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.makeAndKeep(ctx, size, name)
	}
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	var k kept
	err = gob.NewDecoder(file).Decode(&k)
	if err != nil {
		return err
	}
	if len(k.Agents) != size {
		return errors.New("-keep: the fleet in the folder has another size")
	}
	s.account = k.Account
	for _, a := range k.Agents {
		s.agents = append(s.agents, agent{a[0], a[1], a[2]})
	}
	s.bodies, err = newBodies(b.root, k.Made)
	return err
}

func (s *soak) makeAndKeep(ctx context.Context, size int, name string) error {
	err := s.makeAccount(ctx) // the one that there is lies elsewhere
	if err == nil {
		err = s.seed(ctx, size)
	}
	if err != nil {
		return err
	}
	k := kept{Made: s.made, Account: s.account}
	for _, a := range s.agents {
		k.Agents = append(k.Agents, [3]string{a.id, a.key, a.token})
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(gob.NewEncoder(file).Encode(k), file.Close())
}
