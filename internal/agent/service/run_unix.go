//go:build unix

package service

import "context"

// Run does the work of the service until it ends or the service manager asks for its end. Here that is asked by a
// signal, which the program takes as anybody's.
func Run(ctx context.Context, work func(context.Context) error) error { return work(ctx) }
