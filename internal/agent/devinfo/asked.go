package devinfo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
)

// The codes of the reference.
const (
	codeSuccess    = 0
	codeNoSuchCall = -31
	codeRefused    = -32
	codeNoDevice   = -41
)

// asked answers pages.
type asked struct {
	origins []string
	device  atomic.Pointer[string]
}

func newAsked(origins []string) (*asked, error) {
	a := &asked{}
	for _, text := range origins {
		o, err := parseOrigin(text)
		if err != nil {
			return nil, err
		}
		a.origins = append(a.origins, o)
	}
	a.tell("")
	return a, nil
}

func (a *asked) tell(deviceID string) { a.device.Store(&deviceID) }

// parseOrigin reads an origin as browsers write it.
func parseOrigin(text string) (string, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		u.User != nil || strings.Trim(u.Host, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.:[]") != "" {
		return "", fmt.Errorf("%q is no origin of pages, such as https://portal.example.net", text)
	}
	return originOf(u), nil
}

// originOf writes the origin of an address as browsers do: in small letters, and without the port that its scheme has anyway.
func originOf(u *url.URL) string {
	host, usual := strings.ToLower(u.Host), map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(host, usual)
}

// answer is what a page is told.
type answer struct {
	Code        int    `json:"code"`
	Description string `json:"description"`
	Info        *info  `json:"info,omitempty"`
}

type info struct {
	HWID string `json:"hwid"`
}

// handler answers requests that were sent to one of the names of this machine.
func (a *asked) handler(names func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Add("Vary", "Origin, Referer, Sec-Fetch-Site")
		if !isOurs(r.Host, names()) {
			write(w, http.StatusMisdirectedRequest, answer{Code: codeRefused, Description: "This agent is not called so"})
			return
		}
		if r.URL.Path != "/opswat/devinfo" && r.URL.Path != "/opswat/3/devinfo" {
			write(w, http.StatusNotFound, answer{Code: codeNoSuchCall, Description: "API not found"})
			return
		}
		origin := a.allowed(r)
		if origin == "" {
			write(w, http.StatusForbidden, answer{Code: codeRefused, Description: "Pages of this origin may not ask"})
			return
		}
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if r.Header.Get("Origin") != "" {
			h.Set("Access-Control-Allow-Origin", origin)
		}
		switch r.Method {
		case http.MethodOptions:
			permit(w, r)
		case http.MethodGet:
			a.answer(w, r)
		default:
			h.Set("Allow", "GET, OPTIONS")
			write(w, http.StatusMethodNotAllowed, answer{Code: codeNoSuchCall, Description: "API not found"})
		}
	})
}

// isOurs guards against pages that have their own name lead to this machine: browsers take them to be of one origin with
// the agent then.
func isOurs(host string, names []string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.Contains([]string{"localhost", "127.0.0.1", "[::1]"}, host) || slices.Contains(names, host)
}

// allowed gives the origin of the page that asks; "" for one that may not, and for whoever does not say. Browsers let no
// page lie about it: scripts that are loaded come with a Referer, what is fetched with an Origin.
func (a *asked) allowed(r *http.Request) string {
	// A page that is to show the answer, in a frame or by itself, is not what this is for.
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "script" && dest != "empty" {
		return ""
	}
	// Nothing but a page: "none" is somebody who typed the address.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "cross-site" && site != "same-site" {
		return ""
	}
	said := r.Header.Values("Origin")
	if len(said) == 0 {
		said = r.Header.Values("Referer")
	}
	if len(said) != 1 {
		return ""
	}
	u, err := url.Parse(said[0])
	if err != nil || u.Host == "" {
		return ""
	}
	if o := originOf(u); slices.Contains(a.origins, o) {
		return o
	}
	return ""
}

// permit answers a browser that asks whether it may ask.
func permit(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET")
	if asks := r.Header.Get("Access-Control-Request-Headers"); headerNames.MatchString(asks) {
		h.Set("Access-Control-Allow-Headers", asks)
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

var (
	headerNames = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}(, ?[A-Za-z0-9-]{1,64}){0,9}$`)
	// callbacks are names of functions, which is all that may stand in front of an answer.
	callbacks = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$`)
)

const maxCallback = 128

// answer tells which device this is. What else stands in the query does not matter: some clients put JSON there.
func (a *asked) answer(w http.ResponseWriter, r *http.Request) {
	out := answer{Code: codeSuccess, Description: "Success"}
	if id := *a.device.Load(); id != "" {
		out.Info = &info{id}
	} else {
		out.Code, out.Description = codeNoDevice, "This machine is not enrolled"
	}
	query := r.URL.Query()
	if !query.Has("callback") {
		write(w, http.StatusOK, out)
		return
	}
	callback := query.Get("callback")
	if len(callback) > maxCallback || !callbacks.MatchString(callback) {
		write(w, http.StatusBadRequest, answer{Code: codeNoSuchCall, Description: "The callback is no name of a function"})
		return
	}
	text, err := json.Marshal(out)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = fmt.Fprintf(w, "%s(%s)", callback, text) //nolint:gosec // a name of a function, as was just seen; and whoever asked may have gone
}

func write(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // whoever asked may have gone
}
