package gears

import (
	"net/http"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/web"
)

// ping notes that a device is there. A million devices that ping every minute make this the call that counts: it
// parses nothing and leaves the body to net/http, which throws it away (up to a bound of its own) before the
// connection is used again.
func (d *door) ping(w http.ResponseWriter, r *http.Request, ref device.Ref) error {
	if r.ContentLength > maxSmallBody {
		return errs.New(errs.TooLarge, "The body is larger than %d bytes", maxSmallBody)
	}
	d.Devices.Ping(r.Context(), ref)
	commands, err := d.Devices.Commands(r.Context(), ref)
	if err != nil {
		return err
	}
	if len(commands) > 0 {
		web.WriteJSON(w, http.StatusOK, struct {
			Commands []commandAnswer `json:"commands"`
		}{commandAnswers(commands)})
		return nil
	}
	done(w)
	return nil
}

// The header values and the body of an answer that says no more than that all is well. They are shared by all
// requests; nothing writes to them.
var (
	jsonType   = []string{"application/json"}
	noSniff    = []string{"nosniff"}
	emptyLen   = []string{"2"}
	emptyReply = []byte("{}")
)

// done answers {}.
func done(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = emptyLen
	h["X-Content-Type-Options"] = noSniff
	//nolint:errcheck // the client has gone; there is nobody left to tell
	w.Write(emptyReply)
}
