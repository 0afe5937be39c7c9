// Package openapi holds the descriptions of the two APIs, for programs to read and for tests to hold the server to.
package openapi

import _ "embed" // for the descriptions

// YAML is the description of the compatible API, an OpenAPI 3.1 document. It is not to be changed.
//
//go:embed openapi.yaml
var YAML []byte

// AdminYAML is the description of the administration API, an OpenAPI 3.1 document. It is not to be changed.
//
//go:embed admin.yaml
var AdminYAML []byte
