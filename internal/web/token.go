package web

import (
	"net/http"
	"net/url"
	"strings"
)

// PresentedToken finds the access token in a request: in `Authorization: Bearer` (RFC 6750, 2.1), in a header named
// access_token or Access-Token, or in the query parameter access_token, in this order. Clients of this API use each of
// them, and some use several at once: the header is then what they mean. A body is never looked into. It gives "" where
// there is no token.
func PresentedToken(r *http.Request) string {
	if token := bearer(r.Header.Get("Authorization")); token != "" {
		return token
	}
	for _, name := range []string{"access_token", "Access-Token"} {
		if token := strings.TrimSpace(r.Header.Get(name)); token != "" {
			return token
		}
	}
	return queryToken(r.URL.RawQuery)
}

// BearerToken gives the access token of `Authorization: Bearer`, for doors that look nowhere else; "" where there is none.
func BearerToken(r *http.Request) string { return bearer(r.Header.Get("Authorization")) }

// bearer reads an Authorization header. Other schemes are not ours: a proxy in between may use them.
func bearer(header string) string {
	scheme, token, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// queryToken gives the first access_token that has a value. Another parameter that is badly encoded does no harm.
func queryToken(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != "access_token" {
			continue
		}
		if token, err := url.QueryUnescape(value); err == nil && token != "" {
			return token
		}
	}
	return ""
}
