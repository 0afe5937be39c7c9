// Command muster-agent looks at the machine that it runs on and reports what it finds to a Muster server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"muster/internal/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks the program to finish; from then on a signal ends it at once.
	context.AfterFunc(ctx, stop)
	code := agent.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
