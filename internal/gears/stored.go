package gears

import "muster/internal/posture"

// Decode reads a report that this door accepted before, as it was received: for judging it again.
func Decode(body []byte) (*posture.Report, error) { return decodeReport(body) }
