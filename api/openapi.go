// Package openapi holds the description of the OAuth API, for programs to read and for tests to hold the server to.
package openapi

import _ "embed" // for the description

// YAML is the description, an OpenAPI 3.1 document. It is not to be changed.
//
//go:embed openapi.yaml
var YAML []byte
