package adyen_test

import (
	"testing"

	"github.com/acquitpay/acquit/providers/adyen/adyentest"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Goal: Adyen's driver shows what every driver shows.
func TestContract(t *testing.T) { providertest.Run(t, adyentest.Contract()) }

// Goal: nothing that can be received makes the driver panic or claim an effect
// without an object.
func FuzzContract(f *testing.F) { providertest.FuzzParse(f, adyentest.Contract()) }
