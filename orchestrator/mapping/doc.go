// Package mapping is the table that says what a provider's answer proves.
//
// It guarantees that every answer has exactly one row, that whatever no row
// names proves nothing (evidence unknown), and that no row allows another
// account while the effect is unknown: Load refuses a table in which one of
// these does not hold. Judge never fails, reads no clock and does no I/O.
//
// It does not decide what to do. The verdict says what is proven, whether the
// same bytes may go out again and whether another account may be tried; the
// attempt loop and the state machine decide, and they may do less.
//
// # The files
//
// any.csv holds the classes of transport outcome and of HTTP status, which hold
// for every driver. Each other file holds the rows of the driver it is named
// after. The columns:
//
//	id         unique; begins with the file's name, as in sandbox.authorize.declined
//	operation  authorize, capture, refund, void, complete, query, fence, fenced, or any
//	code       the provider's code or object status, exactly as the driver spells it
//	decline    the finer decline code; only together with a code
//	http       a status (402) or, where no code is given, a class (5xx)
//	transport  how far an exchange got that brought no answer; any.csv only
//	evidence   what is proven: effect, pending, no_effect_sticky, no_effect_not_sticky, unknown
//	category   the family of the answer; never decides about money
//	canonical  the stable name that callers see
//	shopper    what a shopper may be shown; empty means the canonical name
//	resend     never, token_refresh, immediate or backoff: same key, same bytes
//	failover   yes or no: another account may be tried once the evidence closed this attempt
//	alert      yes or no: somebody should look
//	source     where the provider, a specification or a rule of ours says so
//
// # The ladder
//
// An answer is looked up from the most specific statement to the least, and the
// first row that fits wins:
//
//	driver + operation + code + decline    driver + operation + code
//	driver + code + decline                driver + code
//	driver + HTTP status                   driver + HTTP class
//	every driver + HTTP status             every driver + HTTP class
//	every driver + transport class         (instead of all of the above, if there was no answer)
//	any.unknown
//
// On each rung a row for the very operation comes before a row for any. A look-up
// after a fence has codes of its own and shares the rows of statuses and transport
// classes with every look-up.
//
// # What no row can claim
//
// Some claims are refused whatever a row says, and the search goes on below it:
// an answer outside 2xx and 4xx proves nothing; an effect is shown only by a 2xx
// that carries the provider's id; a look-up borrows no "no effect" from rows that
// speak about sends, since the refusal of a question says nothing about the thing
// asked for; a look-up after a fence borrows no claim at all, since a cancel that is
// still on its way may change what other rows take for final; and the answer to a
// cancel, which closes no attempt, allows no other account.
package mapping
