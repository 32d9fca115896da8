package truelayer_test

import (
	"testing"

	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/truelayer/truelayertest"
)

// Goal: TrueLayer's driver shows what every driver shows.
func TestContract(t *testing.T) { providertest.Run(t, truelayertest.Contract()) }

// Goal: nothing that can be received makes the driver panic or claim an effect
// without an object.
func FuzzContract(f *testing.F) { providertest.FuzzParse(f, truelayertest.Contract()) }

// Goal: nothing that is delivered is told unless TrueLayer has signed it for the
// account.
func FuzzWebhook(f *testing.F) { providertest.FuzzWebhook(f, truelayertest.Contract()) }
