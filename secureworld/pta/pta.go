package pta

import (
	"gatehouse/secureworld/aes"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/pta/decrypt"
	"gatehouse/secureworld/pta/grant"
	"gatehouse/secureworld/pta/keys"
	"gatehouse/secureworld/pta/probe"
	"gatehouse/secureworld/pta/rng"
	"gatehouse/secureworld/pta/sdp"
	"gatehouse/secureworld/pta/ui"
	"gatehouse/secureworld/tee"
)

// Board is what applications have of the board.
type Board struct {
	// Seed is all that random numbers depend on.
	Seed uint64
	// Engine is the crypto engine's driver; nil stands for no engine.
	Engine *aes.Driver
	// Lists is secure memory for lists of the engine's jobs, decrypt.ListsSize bytes; size 0 stands for none.
	Lists memory.Range
	// DeviceKey is what keys are wrapped under.
	DeviceKey [32]byte
	// UI is the trusted user interface.
	UI ui.Config
}

// All makes every application, as after reset.
func All(b Board) []tee.PseudoTA {
	if b.Engine == nil {
		b.Engine = new(aes.Driver)
	}
	return append(sdp.New(), rng.New(b.Seed), decrypt.New(b.Engine, b.Lists), probe.New(), grant.TA{}, keys.New(b.Engine, b.DeviceKey),
		ui.New(b.UI))
}
