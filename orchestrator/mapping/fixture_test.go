package mapping

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// acme is a made-up driver whose file uses every feature of the table.
const acme = columns + `
acme.authorize.held,authorize,held,,,,effect,ok,,,never,no,no,made up
acme.authorize.redirect,authorize,redirect,,,,pending,in_flight,,,never,no,no,made up
acme.authorize.declined_funds,authorize,declined,funds,,,no_effect_sticky,soft_decline,insufficient_funds,,never,yes,no,made up
acme.authorize.declined,authorize,declined,,,,no_effect_sticky,soft_decline,declined,,never,yes,no,made up
acme.declined_stolen,any,declined,stolen,,,no_effect_sticky,hard_decline,stolen_card,generic_decline,never,no,no,made up
acme.declined,any,declined,,,,no_effect_sticky,hard_decline,declined,,never,no,no,made up
acme.invalid,any,invalid,,,,no_effect_not_sticky,invalid_request,request_invalid,,never,no,yes,made up
acme.expired_token,any,token_expired,,,,no_effect_not_sticky,auth_config,token_expired,,token_refresh,no,no,made up
acme.busy,any,busy,,,,unknown,in_flight,in_flight_at_provider,,backoff,no,no,made up
acme.query.held,query,held,,,,effect,ok,,,never,no,no,made up
acme.query.cancelled,query,cancelled,,,,no_effect_sticky,provider_error,cancelled,,never,yes,no,made up
acme.http.418,any,,,418,,no_effect_not_sticky,provider_error,teapot,,never,yes,no,made up
acme.http.5xx,any,,,5xx,,unknown,ambiguous,acme_error,,never,no,yes,made up
acme.refund.5xx,refund,,,5xx,,unknown,ambiguous,acme_refund_error,,backoff,no,yes,made up
acme.fence.cancelled,fence,cancelled,,,,effect,ok,,,never,no,no,made up
acme.fence.nothing,fence,nothing,,,,no_effect_sticky,provider_error,nothing_to_cancel,,never,no,no,made up
acme.fenced.gone,fenced,cancelled,,,,no_effect_sticky,provider_error,cancelled,,never,yes,no,made up
acme.fenced.held,fenced,held,,,,unknown,ambiguous,not_cancelled,,backoff,no,no,made up
acme.query.taken,query,taken,,,,effect,ok,,,never,no,no,made up
acme.settled,any,settled,,,,effect,ok,,,never,no,no,made up
acme.limited,any,limited,,,,no_effect_not_sticky,rate_limited,limited,,backoff,yes,no,made up
`

// tableWith loads the rows for every driver and one driver file beside them.
func tableWith(t *testing.T, driver, content string) (*Table, error) {
	t.Helper()
	general, err := os.ReadFile("any.csv")
	if err != nil {
		t.Fatal(err)
	}
	return load(fstest.MapFS{
		"any.csv":        {Data: general},
		driver + ".csv":  {Data: []byte(content)},
		"notes.txt":      {Data: []byte("not a table")},
		"testdata/x.csv": {Data: []byte("not read")},
	})
}

func acmeTable(t *testing.T) *Table {
	t.Helper()
	table, err := tableWith(t, "acme", acme)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// without returns acme's file with old replaced by new, which must be in it.
func acmeWith(t *testing.T, old, replacement string) string {
	t.Helper()
	if !strings.Contains(acme, old) {
		t.Fatalf("the fixture has no %q", old)
	}
	return strings.Replace(acme, old, replacement, 1)
}
