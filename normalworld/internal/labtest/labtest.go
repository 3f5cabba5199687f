// Package labtest makes the machines on which tests put a normal world together: with the Go secure world, as a choice of ABI and
// policy needs it. Only tests import it.
package labtest

import (
	"testing"

	"gatehouse/normalworld/lab"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
	wire "gatehouse/smc/optee"
)

// Where the carve-out of the policy static is, and the size of memory.
const (
	RAM          = 192 << 20
	Carveout     = platform.RAMBase + 128<<20
	CarveoutSize = 32 << 20
)

// Machine makes a machine. change adapts its secure world.
func Machine(tb testing.TB, policy lab.Policy, change ...func(*secureworld.Config)) *platform.Machine {
	tb.Helper()
	world := secureworld.DefaultConfig()
	cfg := platform.Config{TZASC: true, RAM: RAM}
	if policy == lab.Static {
		world.Carveout, world.CarveoutUse = memory.Range{Base: Carveout, Size: CarveoutSize}, wire.UseCaseSecureVideoPlay
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "protected", Base: Carveout, Size: CarveoutSize, NoMap: true})
	}
	for _, f := range change {
		f(&world)
	}
	cfg.Firmware = secureworld.New(world)
	m, err := platform.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	return m
}

// Probe reads and writes one byte as a master does, and says what is allowed. A write puts back what was read where it could be.
func Probe(m *platform.Machine, master uint8, pa uint64) (read, write bool) {
	p := m.Port(bus.Attr{Privileged: true, NSAID: master})
	var b [1]byte
	read = p.Read(pa, b[:]) == bus.OKAY
	write = p.Write(pa, b[:]) == bus.OKAY
	return read, write
}
