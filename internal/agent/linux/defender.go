package linux

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"muster/internal/agent/collect"
)

const defenderName = "Microsoft Defender for Endpoint"

// defenderHealth is what `mdatp health` says.
type defenderHealth struct {
	version     string
	realTime    collect.Fact[bool]
	definitions collect.Fact[time.Time]
}

// defenderInterval is how long an answer of Defender is good for: asking takes it about a second of a core.
const defenderInterval = 15 * time.Minute

// askDefender fills in what Defender says of itself.
func (c *antimalware) askDefender(ctx context.Context, p *collect.Product) {
	now := c.h.Now()
	health := c.defender.get(now.Truncate(defenderInterval).String(), now, func() collect.Fact[defenderHealth] {
		out, err := c.h.Run(ctx, "mdatp", "health", "--output", "json")
		if err != nil {
			return collect.CouldNotRead[defenderHealth](err)
		}
		return collect.Of(parseDefender(out, now))
	})
	said, ok := health.Get()
	if !ok {
		p.Enabled = collect.CouldNotReadf[bool]("mdatp: %s", health.Why)
		p.Definitions = collect.CouldNotReadf[time.Time]("mdatp: %s", health.Why)
		return
	}
	p.Enabled, p.Definitions = said.realTime, said.definitions
	if p.Version == "" {
		p.Version = said.version
	}
}

// parseDefender reads the health of Defender. How old the definitions are it says in minutes; to the hour their date
// stays the same from one answer to the next.
func parseDefender(out []byte, now time.Time) (defenderHealth, error) {
	var m struct {
		AppVersion                   string
		RealTimeProtectionEnabled    json.RawMessage
		DefinitionsUpdatedMinutesAgo *int64
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return defenderHealth{}, fmt.Errorf("its answer cannot be read: %w", err)
	}
	h := defenderHealth{
		version:     m.AppVersion,
		realTime:    collect.CouldNotReadf[bool]("mdatp does not say whether protection in real time is switched on"),
		definitions: collect.CouldNotReadf[time.Time]("mdatp does not say when the definitions were updated"),
	}
	var managed struct{ Value *bool }
	var plain bool
	switch {
	case json.Unmarshal(m.RealTimeProtectionEnabled, &plain) == nil && string(m.RealTimeProtectionEnabled) != "null":
		h.realTime = collect.Known(plain)
	case json.Unmarshal(m.RealTimeProtectionEnabled, &managed) == nil && managed.Value != nil:
		h.realTime = collect.Known(*managed.Value)
	}
	const tenYears = 10 * 365 * 24 * 60
	if n := m.DefinitionsUpdatedMinutesAgo; n != nil && *n >= 0 && *n < tenYears {
		h.definitions = collect.Known(now.Add(-time.Duration(*n) * time.Minute).Truncate(time.Hour))
	}
	return h, nil
}
