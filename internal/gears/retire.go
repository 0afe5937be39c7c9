package gears

import (
	"net/http"

	"muster/internal/device"
)

// retire takes a device out of the inventory on its agent's word. Agents send no body, with or without saying so.
func (d *door) retire(w http.ResponseWriter, r *http.Request, ref device.Ref) error {
	if err := d.Devices.Retire(r.Context(), ref); err != nil {
		return err
	}
	done(w)
	return nil
}
