// Command muster is the Muster server and its command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"muster/internal/app"
)

func main() {
	signalled, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, finish := context.WithCancel(context.Background())
	// The first signal asks the program to finish; from then on, and before it says that it does, a signal ends it at once.
	context.AfterFunc(signalled, func() { stop(); finish() })
	code := app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
