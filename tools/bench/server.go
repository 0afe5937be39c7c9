package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"muster/tools/process"
)

// floorMode makes this program the server that answers next to nothing.
const floorMode = "serve-floor"

// build makes the real program. Profiles need its symbols, so the server is this program itself in their case.
func (b *bench) build(ctx context.Context) (string, error) {
	if b.profile != "" {
		return os.Executable()
	}
	program := filepath.Join(b.dir, "muster")
	return program, process.Build(ctx, b.root, program)
}

// meter reads the processor time of the server and of the database.
type meter struct {
	server   int
	database func() []int // nil where the database is part of the server
}

// reading is what a meter showed at one moment.
type reading struct{ server, database time.Duration }

func (r reading) total() time.Duration { return r.server + r.database }

func (r reading) minus(o reading) reading {
	return reading{r.server - o.server, r.database - o.database}
}

func (m meter) read() (reading, error) {
	var r reading
	var err error
	r.server, _, err = process.Usage(m.server)
	if err != nil || m.database == nil {
		return r, err
	}
	r.database, err = process.TreeUsage(m.database())
	return r, err
}

// serveFloor serves the two handlers that show what net/http alone costs.
func serveFloor(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		//nolint:errcheck // the caller sees that nothing comes
		json.NewEncoder(w).Encode(struct {
			Result int    `json:"result"`
			Msg    string `json:"msg"`
		}{1, "OK"})
	})
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "{\"msg\":\"listening\",\"address\":%q}\n", ln.Addr())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { srv.Close() }) //nolint:errcheck // nothing is lost with it
	defer stop()
	err = srv.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
