package main

import (
	"fmt"

	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/usecase"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

// The machine on which the Go normal world stands: memory for everything that a path holds, and within it the carve-out of the
// policy static.
const (
	labRAM      = 256 << 20
	labCarveout = platform.RAMBase + 160<<20
	labCarveLen = 64 << 20
	// labPool is the size of the pools that are lent: Linux takes what the secure world asks for, and OP-TEE's 1 MiB holds little video.
	labPool = 16 << 20
)

// abiName is what people call the interfaces.
var abiName = map[lab.ABI]string{lab.FFA: "FF-A", lab.SMC: "OP-TEE's SMC ABI"}

// labUse is the protected memory of each use case.
var labUse = map[usecase.Name]optee.UseCase{
	usecase.Playback: optee.UseCaseSecureVideoPlay, usecase.TrustedUI: optee.UseCaseTrustedUI,
	usecase.Recording: optee.UseCaseSecureVideoRecord, usecase.CryptoKeys: optee.UseCaseSecureVideoRecord,
}

// labWorld is a secure world that one ABI reaches, and that asks for pools of the given size.
func labWorld(abi lab.ABI, pool uint64) secureworld.Config {
	world := secureworld.DefaultConfig()
	world.TZASC.Base = platform.TZCBase
	world.ABI = secureworld.ABIFFA
	if abi == lab.SMC {
		world.ABI = secureworld.ABISMC
	}
	for i := range world.OPTEE.UseCases {
		world.OPTEE.UseCases[i].MinSize = pool
	}
	return world
}

// newLabMachine makes a machine with the Go secure world for a grant policy and the use case of its protected memory. No guest runs on it.
// With secureHeap the carve-out is a pool of linaro,secure-heap.
func newLabMachine(abi lab.ABI, policy lab.Policy, use optee.UseCase, secureHeap bool, events *event.Stream) (*platform.Machine, secureworld.Config, error) {
	world := labWorld(abi, labPool)
	cfg := platform.Config{TZASC: true, RAM: labRAM, Events: events}
	if policy == lab.Static {
		world.Carveout, world.CarveoutUse = memory.Range{Base: labCarveout, Size: labCarveLen}, use
		node := platform.Reserved{Name: "protected", Base: labCarveout, Size: labCarveLen, NoMap: true}
		if secureHeap {
			node.Name, node.Compatible = "secure", heap.SecureCompatible
		}
		cfg.Reserved = append(cfg.Reserved, node)
	}
	cfg.Firmware = secureworld.New(world)
	m, err := platform.New(cfg)
	return m, world, err
}

// busSpy makes accesses as each of a machine's masters, through the bus.
type busSpy struct{ ports [bus.NSAIDs]*bus.Port }

func newBusSpy(m *platform.Machine) *busSpy {
	s := &busSpy{}
	for i := range s.ports {
		s.ports[i] = m.Port(bus.Attr{Privileged: true, NSAID: uint8(i), ID: demoMaster})
	}
	return s
}

// Read is documented at usecase.Spy.
func (s *busSpy) Read(master uint8, pa uint64, p []byte) bool {
	return s.ports[master].Read(pa, p) == bus.OKAY
}

// Write is documented at usecase.Spy.
func (s *busSpy) Write(master uint8, pa uint64, p []byte) bool {
	return s.ports[master].Write(pa, p) == bus.OKAY
}

// amongst checks the value of a flag that has few.
func amongst[T ~string](value T, all []T) error {
	for _, v := range all {
		if v == value {
			return nil
		}
	}
	return fmt.Errorf("want one of %v", all)
}
