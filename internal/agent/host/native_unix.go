//go:build unix

package host

func native() Native { return nil }
