package gears

import (
	"net/http"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/internal/web"
)

// report takes in a health report. The body is checked and digested in one pass; the device service asks for it to be
// decoded only if it differs from the report it has. The answer goes out when the report is stored.
func (d *door) report(w http.ResponseWriter, r *http.Request, ref device.Ref) error {
	raw, err := readBody(w, r, maxBody)
	if err != nil {
		return err
	}
	digest, err := digestReport(raw)
	if err != nil {
		return err
	}
	around, raw := aroundOf(raw, &digest)
	err = d.Devices.Report(r.Context(), ref, device.Submission{
		Digest: digest.sum,
		Body:   raw,
		Around: around,
		Decode: func() (*posture.Report, error) { return decodeFrom(r, raw) },
		Hide:   func(p device.Privacy) []byte { return withoutPrivate(raw, p) },
	})
	if err != nil {
		return err
	}
	done(w)
	return nil
}

// decodeFrom reads a report and adds where it came from, which the body does not say: so a report that is the same from
// another address says nothing new.
func decodeFrom(r *http.Request, raw []byte) (*posture.Report, error) {
	report, err := decodeReport(raw)
	if err != nil {
		return nil, err
	}
	if from := web.ClientAddr(r); from.IsValid() {
		report.PublicIP = from.WithZone("").String()
	}
	return report, nil
}
