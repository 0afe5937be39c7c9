package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"muster/internal/errs"
	"muster/internal/web"
)

const (
	// worthPacking is from how many bytes on an answer is compressed for those who accept it.
	worthPacking = 1 << 10
	// maxAnswer bounds an answer, in bytes before compression. No list of the reference comes near it; only details of
	// many devices with all of their software could.
	maxAnswer = 16 << 20
)

// answer sends a value with status 200, compressed if the client accepts that.
func (c *call) answer(v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("api: answer cannot be encoded: " + err.Error())
	}
	c.answerRaw(body)
}

// answerRaw is answer for JSON that is written already.
func (c *call) answerRaw(body []byte) {
	if len(body) > maxAnswer {
		present(c.w, c.r, errs.New(errs.TooLarge, "The answer would have more than %d bytes: ask for less", maxAnswer))
		return
	}
	web.WriteRawJSON(c.w, http.StatusOK, c.packed(body))
}

// packed compresses a body that is worth it for a client that accepts it, and says so in the headers.
func (c *call) packed(body []byte) []byte {
	if len(body) < worthPacking {
		return body
	}
	c.w.Header().Add("Vary", "Accept-Encoding")
	if !acceptsGzip(c.r.Header.Get("Accept-Encoding")) {
		return body
	}
	c.w.Header().Set("Content-Encoding", "gzip")
	return pack(body)
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, section 12.5.3): a weight of 0 is a refusal, and what is said of
// gzip itself counts before what is said of everything.
func acceptsGzip(header string) bool {
	anything := false
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(strings.ToLower(part), ";")
		weight = strings.ReplaceAll(weight, " ", "")
		wanted := !strings.HasPrefix(weight, "q=0") || strings.Trim(weight[len("q=0"):], ".0") != ""
		switch strings.TrimSpace(coding) {
		case "gzip":
			return wanted
		case "*":
			anything = wanted
		}
	}
	return anything
}

var packers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err)
	}
	return w
}}

func pack(body []byte) []byte {
	w, ok := packers.Get().(*gzip.Writer)
	if !ok {
		panic("api: the pool holds something else")
	}
	defer packers.Put(w)
	var out bytes.Buffer
	out.Grow(len(body) / 4)
	w.Reset(&out)
	//nolint:errcheck // writing to memory does not fail
	w.Write(body)
	//nolint:errcheck // the same
	w.Close()
	return out.Bytes()
}
