// Package agent is the endpoint agent: its commands, how it enrols, and how it goes on reporting.
package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// Version is the version of the agent, set when it is built.
var Version = "unknown"

// Main runs the program and gives its exit status.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if err := command(ctx, args, stdout, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "muster-agent:", err)
		return 1
	}
	return 0
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 1 && args[0] == "version" {
		_, err := fmt.Fprintln(stdout, Version)
		return err
	}
	h := host.System()
	s := collect.Gather(ctx, collectors(h), nil, h.Now(), slog.New(slog.NewTextHandler(stderr, nil)))
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	return out.Encode(s)
}
