package host

// LookUp finds a program in the system's own folders. PATH is not asked: what an ordinary user can write to must not
// decide what the agent runs. ErrNoProgram: there is none.
func LookUp(name string) (string, error) { return lookUp(name) }
