package pta

import (
	"gatehouse/secureworld/pta/decrypt"
	"gatehouse/secureworld/pta/grant"
	"gatehouse/secureworld/pta/probe"
	"gatehouse/secureworld/pta/rng"
	"gatehouse/secureworld/pta/sdp"
	"gatehouse/secureworld/tee"
)

// All makes every application, as after reset. Random numbers depend on seed alone.
func All(seed uint64) []tee.PseudoTA {
	return append(sdp.New(), rng.New(seed), decrypt.New(), probe.New(), grant.TA{})
}
