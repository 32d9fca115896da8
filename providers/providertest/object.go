package providertest

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/acquitpay/acquit/providers"
)

// Object is a JSON object, as a provider writes it.
type Object = map[string]any

// With is o with other fields.
func With(o, fields Object) Object {
	o = maps.Clone(o)
	maps.Copy(o, fields)
	return o
}

// JSON is a response, with pairs of names and values in its header. What cannot be
// written as JSON has the reason for a body, which no driver can read.
func JSON(status int, body any, header ...string) providers.Response {
	raw, err := json.Marshal(body)
	if err != nil {
		raw = []byte(err.Error())
	}
	r := providers.Response{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: raw}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}
