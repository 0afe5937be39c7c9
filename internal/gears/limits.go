package gears

// What is accepted of one body. Each limit is far above what a real machine reports, and low enough that a single agent
// can neither fill the database nor keep a processor busy.
const (
	maxBody        = 4 << 20 // bytes of a registration or report
	maxSmallBody   = 64 << 10
	maxOpenBody    = 256 << 10 // of a registration by licence key, which is read before anything is known of who sends it
	maxResultBody  = 4 << 20   // of a result: an output of device.MaxCommandOutput, most of it escaped
	maxDepth       = 64
	maxMembers     = 10_000 // of one object
	maxText        = 512    // characters of a text that is read; the others are only kept
	maxAdapters    = 1000
	maxAddresses   = 1000 // of one adapter and family
	maxApps        = 20_000
	maxVolumes     = 1000 // of one application
	maxUsers       = 1000
	maxCategories  = 200
	maxSystems     = 16
	maxPatches     = 5000
	maxThreats     = 1000
	maxEngines     = 100 // of one threat
	maxProcesses   = 10_000
	maxDisks       = 1000
	maxCustom      = 1000
	maxNeighbours  = 1000
	maxUnread      = 200
	maxFact        = 64 // characters of the name of a fact
	maxCount       = 1_000_000_000
	maxCode        = 64 // characters of a registration code or licence key
	maxGroupID     = 20
	maxMemberShown = 160 // characters of a member's name in an error text
)
