package device

import (
	"time"

	"muster/internal/posture"
)

// Group is a part of an account's devices.
type Group struct {
	ID          posture.GroupID
	Name        string
	Domain      string // the directory domain it is kept in step with; "" for none
	Description string
	AutoJoin    bool // devices may join by naming it when they register
	CreatedAt   time.Time
	ModifiedAt  time.Time
	Devices     int64 // live devices in it
}
