package interceptors

import "regexp"

// The lengths of card numbers (ISO/IEC 7812-1).
const (
	minCard = 13
	maxCard = 19
)

// cardFinder finds what looks like a card number in free text: 13 to 19 digits,
// single spaces or hyphens between groups of them allowed, with the prefix of a
// known issuer and a correct check digit.
//
// One in ten numbers has a correct check digit, so what is plainly something
// else is left out: a UUID, a hexadecimal digest, and an international telephone
// number (a plus, up to 15 digits).
type cardFinder struct {
	identifiers *regexp.Regexp
}

func newCardFinder() cardFinder {
	return cardFinder{identifiers: regexp.MustCompile(
		`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32,}`)}
}

// in reports whether the text holds one.
func (c cardFinder) in(text string) bool {
	if !enoughDigits(text) {
		return false
	}
	text = c.identifiers.ReplaceAllString(text, "|")
	for i := 0; i < len(text); {
		if !digit(text[i]) {
			i++
			continue
		}
		number, end := numberAt(text, i)
		phone := plus(text, i) && len(number.digits) <= maxTelephone
		if !phone && number.card() {
			return true
		}
		i = end
	}
	return false
}

// enoughDigits spares nearly all text the rest.
func enoughDigits(text string) bool {
	n := 0
	for i := range len(text) {
		if digit(text[i]) {
			n++
		}
	}
	return n >= minCard
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// maxTelephone is the most digits that an international number has (ITU-T E.164).
const maxTelephone = 15

// plus reports whether a number begins after a plus that begins a word.
func plus(text string, at int) bool {
	if at == 0 || text[at-1] != '+' {
		return false
	}
	if at == 1 {
		return true
	}
	c := text[at-2]
	return !digit(c) && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}

// number is a sequence of groups of digits, each with one separator to the next.
type number struct {
	digits []byte
	starts []int // of each group, and the end of the last
}

// numberAt reads the number that begins at a digit, and where it ends.
func numberAt(text string, at int) (number, int) {
	n := number{starts: []int{0}}
	for ; at < len(text); at++ {
		switch c := text[at]; {
		case digit(c):
			n.digits = append(n.digits, c-'0')
			continue
		case (c == ' ' || c == '-') && at+1 < len(text) && digit(text[at+1]):
			n.starts = append(n.starts, len(n.digits))
			continue
		}
		break
	}
	n.starts = append(n.starts, len(n.digits))
	return n, at
}

// card reports whether any run of whole groups is a card number: other numbers,
// such as an expiry date, may stand beside it.
func (n number) card() bool {
	for i, from := range n.starts {
		for _, to := range n.starts[i+1:] {
			if to-from > maxCard {
				break
			}
			if to-from >= minCard && issued(n.digits[from:to]) && checked(n.digits[from:to]) {
				return true
			}
		}
	}
	return false
}

// issued reports whether the digits begin as the numbers of an issuer do.
func issued(d []byte) bool {
	first := int(d[0])*1000 + int(d[1])*100 + int(d[2])*10 + int(d[3])
	two, three := first/100, first/10
	switch {
	case d[0] == 4: // Visa
	case 51 <= two && two <= 55, 2221 <= first && first <= 2720: // Mastercard
	case two == 34, two == 37: // American Express
	case two == 36, two == 38, two == 39, 300 <= three && three <= 305, three == 309: // Diners Club
	case first == 6011, two == 65, 644 <= three && three <= 649: // Discover
	case 3528 <= first && first <= 3589: // JCB
	case two == 62: // UnionPay
	default:
		return false
	}
	return true
}

// checked reports whether the last digit is the check digit of the others (Luhn).
func checked(d []byte) bool {
	sum := 0
	for i := range d {
		n := int(d[len(d)-1-i])
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}
