package orchestrator

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// seal encrypts an instruction for the record, and returns it as unseal will
// read it: what is built now and what is built after a takeover are the same.
func (o *Orchestrator) seal(in payment.Instruction, key payment.OperationKey) ([]byte, payment.Instruction, error) {
	plain, err := json.Marshal(in)
	if err != nil {
		return nil, in, fmt.Errorf("encode the instruction: %w", err)
	}
	if readsOtherwise(in, plain) {
		var read payment.Instruction
		if err := json.Unmarshal(plain, &read); err != nil {
			return nil, in, fmt.Errorf("decode the instruction: %w", err)
		}
		in = read
	}
	sealed, err := o.cfg.Keys.Seal(plain, key)
	if err != nil {
		return nil, in, fmt.Errorf("seal the instruction: %w", err)
	}
	return sealed, in, nil
}

// readsOtherwise reports whether an instruction is read back in other words than
// encoded: JSON within JSON is made compact, and text that is not UTF-8 is mended. To
// read it back every time took as long as all else that is planned.
func readsOtherwise(in payment.Instruction, plain []byte) bool {
	for _, token := range in.Tokens {
		if token.ClientPayload != nil {
			return true
		}
	}
	return bytes.Contains(plain, []byte(`\ufffd`)) // a valid U+FFFD is written as itself
}

// unseal reads back what the caller asked for.
func (f *flight) unseal() error {
	plain, err := f.o.cfg.Keys.Open(f.op().Sealed, f.op().Key)
	if err != nil {
		return fmt.Errorf("unseal the instruction: %w", err)
	}
	if err := json.Unmarshal(plain, &f.in); err != nil {
		return fmt.Errorf("decode the instruction: %w", err)
	}
	return nil
}
