package app

type demoCommand struct {
	listenFlags `embed:""`
}

// Run is written with the fleet.
func (c *demoCommand) Run(env *environment) error { return nil }
