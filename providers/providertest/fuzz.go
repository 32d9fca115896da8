package providertest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// FuzzParse feeds a driver what no provider should say. It never panics, reads
// the same twice, and the table takes an effect out of a 2xx only, with an id.
// The seeds are the Config's samples.
func FuzzParse(f *testing.F, c Config) {
	f.Helper()
	if err := c.incomplete(); err != nil {
		f.Fatal(err)
	}
	d := c.New(c.Credentials[0])
	table, err := mapping.Load()
	if err != nil {
		f.Fatal(err)
	}
	all := d.Traits().Methods
	for _, s := range c.Samples {
		for i, m := range all {
			if m == s.Send.Method {
				f.Add(uint8(i), s.Answers != ToSend, s.Send.Step.Fence(), string(s.Send.ProviderReference), s.Response.Status, s.Response.Body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, method uint8, asked, fence bool, id string, status int, body []byte) {
		s := c.Send(all[int(method)%len(all)])
		s.ProviderReference = payment.ProviderReference(id)
		parse, m := d.Parse, s.Method
		switch {
		case asked:
			parse, m = d.ParseQuery, mapping.Query
		case fence:
			s.Step, m = payment.StepCancel(1), mapping.Fence
		}
		r := providers.Response{Status: status, Body: body}
		a := parse(s, r)
		if diff := cmp.Diff(a, parse(s, r)); diff != "" {
			t.Errorf("read twice, differently (-first +again):\n%s", diff)
		}
		a.Transport, a.HTTPStatus = payment.TransportAnswered, status
		if v := table.Judge(d.Traits().Driver, m, a); v.Evidence == payment.EvidenceEffect && (status < 200 || status > 299 || a.Reference == "") {
			t.Errorf("%s takes an effect from status %d, reference %q", v.Row, status, a.Reference)
		}
	})
}
