package main

// knownSeeds names, for mutants that few histories catch, one that does. It is played
// before the others, and saves the time of those that come before it; it decides
// nothing. One that catches its mutant no more, since histories are drawn otherwise,
// costs that time again: the run says so, and at which seed the mutant is caught now.
func knownSeeds() map[string]int {
	return map[string]int{
		"T2 without the parent's revision":                           2315,
		"a late flight over FENCING":                                 603,
		"a look that found nothing settled ends both":                518,
		"sent after its caller was told that nothing was":            410,
		"an orphan is matched with nothing":                          318,
		"a non-sticky refusal closes an attempt of any epoch":        249,
		"a flow that just ends":                                      234,
		"another credential is as good":                              126,
		"told that nothing was sent, while the ledger is asked":      116,
		"a non-sticky refusal closes after an unknown send":          98,
		"what was called off ends by the answer to the cancel":       94,
		"a non-sticky refusal closes where requests may be repeated": 91,
		"a void that ends before its authorization":                  90,
		"void beside a capture":                                      75,
		"a hold seen after a cancel is a success":                    59,
		"an ambiguous claim is taken for made":                       47,
		"a void that succeeds whatever its authorization did":        46,
	}
}
