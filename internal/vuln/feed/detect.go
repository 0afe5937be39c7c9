package feed

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// signs are the members of the outermost object that only one format has.
var signs = map[string]Format{
	"schema_version": OSV, "modified": OSV, "affected": OSV, "aliases": OSV, "upstream": OSV, "summary": OSV,
	"dataType": CVE5, "dataVersion": CVE5, "cveMetadata": CVE5, "containers": CVE5,
	"resultsPerPage": NVD, "startIndex": NVD, "totalResults": NVD,
	"catalogVersion": KEV, "dateReleased": KEV,
	"@context": OpenVEX, "@id": OpenVEX, "statements": OpenVEX,
}

// detect finds out what a file holds from its beginning, "" where it is none of the formats known.
func detect(start []byte) Format {
	start = bytes.TrimLeft(start, " \t\r\n")
	switch {
	case bytes.HasPrefix(start, []byte("{")), bytes.HasPrefix(start, []byte("[")):
		return detectJSON(start)
	case bytes.HasPrefix(start, []byte("#model_version:")), bytes.HasPrefix(start, []byte("cve,epss,")):
		return EPSS
	case bytes.HasPrefix(bytes.TrimPrefix(start, []byte(`"`)), []byte("cveID")):
		return KEV
	default:
		return ""
	}
}

// detectJSON goes by the names of the outermost members, in whatever order they come.
func detectJSON(start []byte) Format {
	dec := jsontext.NewDecoder(bytes.NewReader(start), lenient)
	if dec.PeekKind() == '[' {
		_, _ = dec.ReadToken()
	}
	if dec.PeekKind() != '{' {
		return ""
	}
	_, _ = dec.ReadToken()
	var id bool
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			break
		}
		member := name.String()
		kind := dec.PeekKind()
		if format, ok := signs[member]; ok {
			return format
		}
		id = id || member == "id"
		if format := byContent(dec, member, kind); format != "" {
			return format
		}
	}
	if id {
		return OSV
	}
	return ""
}

// byContent looks into a member whose name says nothing. It leaves the decoder behind the member.
func byContent(dec *jsontext.Decoder, member string, kind jsontext.Kind) Format {
	depth := dec.StackDepth()
	list := member == "vulnerabilities" && kind == '['
	if list {
		_, _ = dec.ReadToken()
		kind = dec.PeekKind()
	}
	if kind == '{' {
		_, _ = dec.ReadToken()
		switch name := firstName(dec); {
		case list && name == "cve":
			return NVD
		case list && name == "cveID":
			return KEV
		case strings.HasPrefix(name, "CVE-"), strings.HasPrefix(name, "TEMP-"):
			return DebianTracker
		}
	}
	if dec.StackDepth() == depth {
		_ = dec.SkipValue() // an error comes up again with the next name
	}
	for dec.StackDepth() > depth {
		if _, err := dec.ReadToken(); err != nil {
			return ""
		}
	}
	return ""
}

func firstName(dec *jsontext.Decoder) string {
	if dec.PeekKind() != '"' {
		return ""
	}
	name, err := dec.ReadToken()
	if err != nil {
		return ""
	}
	return name.String()
}
