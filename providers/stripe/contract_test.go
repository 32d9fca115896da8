package stripe_test

import (
	"testing"

	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
)

// Goal: Stripe's driver shows what every driver shows.
func TestContract(t *testing.T) { providertest.Run(t, stripetest.Contract()) }

// Goal: nothing that can be received makes the driver panic or claim an effect
// without an object.
func FuzzContract(f *testing.F) { providertest.FuzzParse(f, stripetest.Contract()) }

// Goal: nothing that can be delivered makes the driver panic, or tells what is not
// signed.
func FuzzWebhook(f *testing.F) { providertest.FuzzWebhook(f, stripetest.Contract()) }
