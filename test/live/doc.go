// Package live asks the providers' own sandboxes what the simulators only claim: that an
// authorization holds, that its key brings the same again, that it is captured, refunded
// and voided, and that a decline is one.
//
// It needs accounts and the network, so it is behind the build tag live and no part of
// what CI runs; CI only sees that it compiles. Nothing is skipped: a driver without its
// variables fails. They are, for STRIPE, ADYEN, AMAZONPAY and, without instruments, TRUELAYER:
//
//	ACQUIT_LIVE_STRIPE_CREDENTIAL  as in the configuration of an account; of a sandbox
//	ACQUIT_LIVE_STRIPE_MERCHANT    its merchant_id, where the driver needs one
//	ACQUIT_LIVE_STRIPE_REGION      its region, where the driver has regions
//	ACQUIT_LIVE_STRIPE_ADDRESS     its base_url, if not the driver's own
//	ACQUIT_LIVE_STRIPE_TOKEN       an instrument that is accepted: a stored id or, as JSON, a client's payload
//	ACQUIT_LIVE_STRIPE_DECLINED    an instrument that is declined, likewise
//	ACQUIT_LIVE_STRIPE_CUSTOMER    whose the stored ids are, by the provider's name of them, where it asks for that
//	ACQUIT_LIVE_STRIPE_CURRENCY    what the account takes; EUR if it is not said
//
// It goes through the guard and the table, not the service: what is asked is whether the
// provider is as the driver takes it to be.
package live
