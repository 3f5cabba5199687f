package secureworld

import (
	"errors"
)

// ABI is the set of interfaces through which the normal world reaches the OP-TEE service.
type ABI uint8

// The interfaces.
const (
	// ABIFFA is FF-A: the SPMC and its partitions answer.
	ABIFFA ABI = 1 << iota
	// ABISMC is OP-TEE's own SMC interface.
	ABISMC
	// ABIBoth is both at once, over one service.
	ABIBoth = ABIFFA | ABISMC
)

// ErrConfig wraps all errors about a Config.
var ErrConfig = errors.New("configuration")

// Config is what a board chooses about its secure world. DefaultConfig gives a good one.
type Config struct {
	ABI ABI
	// TRNG offers the TRNG firmware interface; its numbers depend on Seed alone.
	TRNG bool
	Seed uint64
}

// DefaultConfig serves OP-TEE over both interfaces.
func DefaultConfig() Config {
	return Config{ABI: ABIBoth, TRNG: true}
}

func (c *Config) validate() error {
	return nil
}
