package amazonpay_test

import (
	"testing"

	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Goal: Amazon Pay's driver shows what every driver shows.
func TestContract(t *testing.T) { providertest.Run(t, amazonpaytest.Contract()) }

// Goal: nothing that can be received makes the driver panic or claim an effect
// without an object.
func FuzzContract(f *testing.F) { providertest.FuzzParse(f, amazonpaytest.Contract()) }
