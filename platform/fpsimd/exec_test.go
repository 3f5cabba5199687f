package fpsimd

import (
	"testing"

	"gatehouse/platform/a64"
)

// TestEveryOperation: no operation may be missing, since guests reach all of them.
func TestEveryOperation(t *testing.T) {
	for i, f := range operations {
		if op := a64.FirstSIMD + a64.Op(i); f == nil {
			t.Errorf("operation %d (%s) is missing", op, a64.SIMDName(op))
		}
	}
}
