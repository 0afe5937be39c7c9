package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/oauth"
	"muster/internal/ratelimit"
	"muster/internal/web"
)

// The account took three draws and the application one, an event of each among them; these are the tokens from the two
// that follow.
const (
	firstAccess  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACQ"
	firstRefresh = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADA"
	success      = `{"access_token":"` + firstAccess + `","token_type":"bearer","refresh_token":"` + firstRefresh +
		`","expires_in":43199,"scope":"read write","client_id":"` + clientID + `"}`
)

const (
	badClient    = `{"error":"invalid_client","error_description":"Bad client credentials"}`
	badRefresh   = `{"error":"invalid_grant","error_description":"Invalid refresh token"}`
	missingGrant = `{"error":"invalid_request","error_description":"Missing grant type"}`
	unknownGrant = `{"error":"unsupported_grant_type","error_description":"Unsupported grant type"}`
)

// TestToken has every way to ask, each with the answer to the byte.
func TestToken(t *testing.T) {
	tests := []struct {
		name   string
		req    request
		status int
		body   string
	}{
		{"POST with a form", request{body: grantClient, contentType: form}, 200, success},
		{"the alias", request{path: "/o/oauth2/token", body: grantClient, contentType: form}, 200, success},
		{"GET with a query", request{query: grantClient}, 200, success},
		{"GET by the alias", request{path: "/o/oauth2/token", query: grantClient}, 200, success},
		{"GET with a content type", request{query: grantClient, contentType: "application/json"}, 200, success},
		{"GET with a body, which is not read", request{method: "GET", query: grantClient, body: "{", contentType: "application/json"}, 200, success},
		{"POST with all in the query", request{method: "POST", query: grantClient}, 200, success},
		{"POST with an empty body of an odd type", request{method: "POST", query: grantClient, contentType: "text/plain"}, 200, success},
		{"POST with an empty list", request{query: grantClient, body: " []\n", contentType: "application/json"}, 200, success},
		{"POST with null", request{query: grantClient, body: "null", contentType: "application/json"}, 200, success},
		{"query and form mixed", request{query: "grant_type=client_credentials", body: credentials, contentType: form}, 200, success},
		{"the form wins", request{query: "grant_type=password&client_secret=wrong", body: grantClient, contentType: form}, 200, success},
		{"an empty value is none", request{query: "client_secret=" + clientSecret, contentType: form,
			body: "client_secret=&grant_type=client_credentials&client_id=" + clientID}, 200, success},
		{"the first of two counts", request{query: grantClient + "&client_secret=wrong"}, 200, success},
		{"unknown parameters", request{query: grantClient + "&verify=true&scope=admin&;&=&&x"}, 200, success},
		{"charset and case of the type", request{body: grantClient, contentType: "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}, 200, success},
		{"a broken parameter of the type", request{body: grantClient, contentType: form + "; charset"}, 200, success},
		{"no type", request{body: grantClient}, 200, success},
		{"percent-encoded", request{body: strings.ReplaceAll(grantClient, "_", "%5F"), contentType: form}, 200, success},
		{"not encoded, and not decodable", request{body: "redirect_uri=http://127.0.0.1/a%zz?x&" + grantClient, contentType: form}, 200, success},
		{"JSON", request{body: `{"grant_type":"client_credentials","client_id":"` + clientID + `","client_secret":"` + clientSecret + `","x":1}`,
			contentType: "application/json"}, 200, success},
		{"Basic", request{body: "grant_type=client_credentials", contentType: form, header: map[string]string{"Authorization": basicAuth(clientID, clientSecret)}}, 200, success},
		{"Basic, encoded", request{query: "grant_type=client_credentials", header: map[string]string{
			"Authorization": basicAuth("CLIENT"+strings.Repeat("%30", 40)+"ID", clientSecret)}}, 200, success},
		{"Basic of a proxy, parameters of the client", request{body: grantClient, contentType: form,
			header: map[string]string{"Authorization": basicAuth("proxy", "secret")}}, 200, success},

		{"nothing at all", request{}, 400, missingGrant},
		{"no grant type", request{query: credentials}, 400, missingGrant},
		{"unknown grant type", request{query: "grant_type=password&" + credentials}, 400, unknownGrant},
		{"grant type in another case", request{query: "grant_type=Client_Credentials&" + credentials}, 400, unknownGrant},
		{"authorization code", request{query: "grant_type=authorization_code&code=abcdef&" + credentials}, 400, unknownGrant},
		{"no client", request{query: "grant_type=client_credentials"}, 401, badClient},
		{"unknown client", request{query: "grant_type=client_credentials&client_id=x&client_secret=y"}, 401, badClient},
		{"wrong secret", request{query: "grant_type=client_credentials&client_id=" + clientID + "&client_secret=y"}, 401, badClient},
		{"binary client id", request{query: "grant_type=client_credentials&client_id=%00%ff&client_secret=y"}, 401, badClient},
		{"wrong Basic", request{query: "grant_type=client_credentials", header: map[string]string{"Authorization": "Basic eDp5"}}, 401, badClient},
		{"refresh without a token", request{query: grantRefresh}, 400, `{"error":"invalid_request","error_description":"Missing refresh token"}`},
		{"refresh with nonsense", request{query: grantRefresh + "&refresh_token=nonsense"}, 400, badRefresh},
		{"JSON that is none", request{body: "{", contentType: "application/json"}, 400,
			`{"error":"invalid_request","error_description":"The body is not a JSON object"}`},
		{"JSON that is a list", request{body: "[1]", contentType: "application/json"}, 400,
			`{"error":"invalid_request","error_description":"The body is not a JSON object"}`},
		{"broken UTF-8", request{body: "a=\xff", contentType: form}, 400,
			`{"error":"invalid_request","error_description":"The body is not valid UTF-8"}`},
		{"another type", request{body: grantClient, contentType: "text/plain"}, 415,
			`{"error":"invalid_request","error_description":"The body must be application/x-www-form-urlencoded"}`},
		{"multipart", request{body: grantClient, contentType: "multipart/form-data; boundary=x"}, 415,
			`{"error":"invalid_request","error_description":"The body must be application/x-www-form-urlencoded"}`},
		{"largest body", request{body: grantClient + "&x=" + strings.Repeat("x", 64<<10-len(grantClient)-3), contentType: form}, 200, success},
		{"body too large", request{body: grantClient + "&x=" + strings.Repeat("x", 64<<10-len(grantClient)-2), contentType: form}, 413,
			`{"error":"invalid_request","error_description":"The body is larger than 65536 bytes"}`},
		{"another method", request{method: "PUT"}, 405,
			`{"error":"invalid_request","error_description":"Method PUT is not allowed here; use GET or HEAD or POST"}`},
		{"another path", request{path: "/o/oauth/tokens"}, 404, `{"error":"invalid_request","error_description":"No such path"}`},
		{"another path of the alias", request{path: "/o/oauth2/"}, 404, `{"error":"invalid_request","error_description":"No such path"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t).do(tt.req)
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %s\nwant %d %s", w.Code, w.Body, tt.status, tt.body)
			}
			wantHeaders(t, w)
		})
	}
}

// wantHeaders checks what every answer of this door carries.
func wantHeaders(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if allow := w.Header().Get("Allow"); (allow != "") != (w.Code == http.StatusMethodNotAllowed) {
		t.Errorf("%d has Allow %q", w.Code, allow)
	}
}

func TestScopeSaysWhatTheTokenMay(t *testing.T) {
	f := newFixture(t)
	f.application(t, identity.NewApplication{Account: 1, Name: "Eyes", Permission: scope.Read, ClientID: "reader", Secret: clientSecret})
	w := f.do(request{query: "grant_type=client_credentials&scope=write&client_id=reader&client_secret=" + clientSecret})
	if got := decode(t, w); got["scope"] != "read" {
		t.Errorf("got %v", got)
	}
}

// TestRefresh is how one client uses it: by GET, replacing both tokens, and sometimes asking twice.
func TestRefresh(t *testing.T) {
	f := newFixture(t)
	first := decode(t, f.do(request{query: grantClient}))
	second := decode(t, f.do(request{query: grantRefresh + "&refresh_token=" + text(first, "refresh_token")}))
	for _, member := range []string{"access_token", "refresh_token"} {
		if text(second, member) == "" || text(second, member) == text(first, member) {
			t.Errorf("%s: %v after %v", member, second[member], first[member])
		}
	}
	again := f.do(request{query: grantRefresh + "&refresh_token=" + text(first, "refresh_token")})
	if again.Code != 200 {
		t.Errorf("within the overlap: %d %s", again.Code, again.Body)
	}
	f.clock.advance(identity.RefreshOverlap)
	late := f.do(request{query: grantRefresh + "&refresh_token=" + text(first, "refresh_token")})
	if late.Code != 400 || late.Body.String() != badRefresh {
		t.Errorf("after it: %d %s", late.Code, late.Body)
	}
	for _, issued := range []map[string]any{first, second} {
		if _, err := f.identity.Authenticate(t.Context(), text(issued, "access_token")); err != nil {
			t.Errorf("an access token ended: %v", err)
		}
	}
}

func TestRevoke(t *testing.T) {
	f := newFixture(t)
	f.application(t, identity.NewApplication{Account: 1, Name: "Other", Permission: scope.Read, ClientID: "other", Secret: clientSecret})
	issued := decode(t, f.do(request{query: grantClient}))
	access := "token=" + text(issued, "access_token")
	tests := []struct {
		name   string
		req    request
		status int
		body   string
	}{
		{"wrong secret", request{body: "client_id=" + clientID + "&client_secret=x&" + access}, 401, badClient},
		{"no client", request{body: access}, 401, badClient},
		{"no token", request{body: credentials}, 400, `{"error":"invalid_request","error_description":"Missing token"}`},
		{"another client's token", request{body: "client_id=other&client_secret=" + clientSecret + "&" + access}, 400,
			`{"error":"invalid_grant","error_description":"The token was issued to another client"}`},
		{"unknown token", request{body: credentials + "&token=nonsense"}, 200, `{}`},
		{"access token, with a wrong hint", request{body: credentials + "&token_type_hint=refresh_token&" + access}, 200, `{}`},
		{"once more", request{body: credentials + "&" + access}, 200, `{}`},
		{"refresh token, by the alias", request{path: "/o/oauth2/revoke", body: credentials + "&token=" + text(issued, "refresh_token")}, 200, `{}`},
		{"GET", request{method: "GET", query: credentials + "&" + access}, 405,
			`{"error":"invalid_request","error_description":"Method GET is not allowed here; use POST"}`},
		{"JSON that is none", request{body: "{", contentType: "application/json"}, 400,
			`{"error":"invalid_request","error_description":"The body is not a JSON object"}`},
	}
	for _, tt := range tests {
		if tt.req.path == "" {
			tt.req.path = "/o/oauth/revoke"
		}
		w := f.do(tt.req)
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: got %d %s\nwant %d %s", tt.name, w.Code, w.Body, tt.status, tt.body)
		}
		wantHeaders(t, w)
	}
	if _, err := f.identity.Authenticate(t.Context(), text(issued, "access_token")); err == nil {
		t.Error("the access token still works")
	}
	if w := f.do(request{query: grantRefresh + "&refresh_token=" + text(issued, "refresh_token")}); w.Code != 400 {
		t.Errorf("the refresh token still works: %d", w.Code)
	}
}

func TestGuessing(t *testing.T) {
	f := newFixture(t)
	wrong := request{query: "grant_type=client_credentials&client_id=" + clientID + "&client_secret=wrong"}
	for range 10 {
		if w := f.do(wrong); w.Code != 401 || w.Header().Get("Retry-After") != "" {
			t.Fatalf("got %d", w.Code)
		}
	}
	w := f.do(wrong)
	const want = `{"error":"temporarily_unavailable","error_description":"Too many failed attempts; try again in 60 seconds"}`
	if w.Code != 429 || w.Body.String() != want || w.Header().Get("Retry-After") != "60" {
		t.Errorf("got %d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
	wantHeaders(t, w)
	f.clock.advance(ratelimit.Period)
	if w := f.do(request{query: grantClient}); w.Code != 200 {
		t.Errorf("a minute later: %d", w.Code)
	}
}

// TestChallenge: only who tried Basic is asked for it, so that a browser does not ask its user for a password.
func TestChallenge(t *testing.T) {
	f := newFixture(t)
	for authorization, want := range map[string]string{"Basic eDp5": `Basic realm="muster"`, "": "", "Bearer x": ""} {
		w := f.do(request{query: "grant_type=client_credentials", header: map[string]string{"Authorization": authorization}})
		if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != want {
			t.Errorf("%q: %d with %q", authorization, w.Code, got)
		}
	}
}

func TestWhatBreaksStaysOpaque(t *testing.T) {
	f := newFixture(t)
	f.stores.Fail(errors.New("disk on fire in rack 7"))
	w := f.do(request{query: grantClient})
	if want := `{"error":"server_error","error_description":"Internal error"}`; w.Code != 500 || w.Body.String() != want {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(f.log.String(), "rack 7") {
		t.Error("the cause is not logged")
	}
}

// TestSecretsAreNeitherRepeatedNorLogged puts a secret into every place and looks for it in answers and in the log.
func TestSecretsAreNeitherRepeatedNorLogged(t *testing.T) {
	f := newFixture(t)
	const secret = "hunter2hunter2hunter2"
	for _, name := range []string{"grant_type", "client_id", "client_secret", "refresh_token", "token", secret} {
		for _, rest := range []string{"", "&" + credentials, "&" + grantClient, "&" + grantRefresh} {
			for _, path := range []string{"/o/oauth/token", "/o/oauth/revoke", "/o/oauth/" + secret} {
				q := name + "=" + secret + rest
				for _, r := range []request{
					{path: path, query: q}, {path: path, body: q, contentType: form},
					{path: path, body: q, contentType: "application/json"}, {path: path, body: q, contentType: "text/" + secret},
				} {
					if w := f.do(r); strings.Contains(w.Body.String(), secret) {
						t.Errorf("%s %s: %s", path, q, w.Body)
					}
					f.clock.advance(ratelimit.Period)
				}
			}
		}
	}
	for _, s := range []string{secret, clientSecret, firstAccess, firstRefresh} {
		if strings.Contains(f.log.String(), s) {
			t.Errorf("%q is in the log", s)
		}
	}
	if f.log.String() == "" {
		t.Error("nothing was logged at all")
	}
}

// TestRoutes: each is public on purpose, and named.
func TestRoutes(t *testing.T) {
	names := map[string]string{"token": "oauth_token", "revoke": "oauth_revoke"}
	routes := web.NewMux(oauth.New(nil)).Routes()
	if len(routes) != 6 {
		t.Errorf("%d routes", len(routes))
	}
	for _, rt := range routes {
		if rt.Scope != web.Public || rt.Name != names[rt.Path[strings.LastIndex(rt.Path, "/")+1:]] {
			t.Errorf("%s %s: %q, %q", rt.Method, rt.Path, rt.Scope, rt.Name)
		}
	}
}

// FuzzTokenForm: no body and no query brings the door out of its protocol, and none gets a token without the secret.
func FuzzTokenForm(f *testing.F) {
	f.Add(grantClient, "", form)
	f.Add("", grantClient, "")
	f.Add(`{"grant_type":["x"],"client_id":null}`, "verify=true", "application/json")
	f.Add("client_id=%zz&&=&grant_type=refresh_token", "client_secret=+", "application/x-www-form-urlencoded;")
	f.Add("\xff", "grant_type=%00", "multipart/form-data")
	f.Fuzz(func(t *testing.T, body, query, contentType string) {
		fx := newFixture(t)
		w := fx.do(request{method: "POST", body: body, query: query, contentType: contentType})
		got := decode(t, w)
		wantHeaders(t, w)
		switch w.Code {
		case 200:
			if !strings.Contains(body+query, "SECRET") {
				t.Errorf("a token for %q, %q", body, query)
			}
		case 400, 401, 413, 415:
			if got["error"] == "" || got["error_description"] == "" || len(got) != 2 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func decode(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &members); err != nil {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	return members
}

func basicAuth(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func text(members map[string]any, name string) string {
	s, _ := members[name].(string)
	return s
}
