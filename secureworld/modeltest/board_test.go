package modeltest

import (
	"gatehouse/devices/tzc400"
	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
	"gatehouse/platform/vtime"
	"gatehouse/secureworld"
	"gatehouse/secureworld/firewall"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/tee"
	"gatehouse/smc/optee"
)

const (
	ramBase = 0x4000_0000
	ramSize = 4 << 20
	tzcBase = 0x0B00_0000
	numCPUs = 4
)

// board is a machine without processors: bus, memory, a TZC-400, and what a secure world asks of its host.
type board struct {
	bus    bus.Bus
	ram    *bus.RAM
	clock  vtime.Clock
	events event.Stream
	tzc    *tzc400.TZC400
	state  [numCPUs]firmware.CPUState
	reboot bool
}

var _ firmware.Host = (*board)(nil)

// newBoard wires a board. filter comes between memory and the controller, and registers between the bus and its registers.
func newBoard(enforced bool, filter func(bus.Filter) bus.Filter, registers func(bus.Device) bus.Device) (*board, error) {
	ram, err := bus.NewRAM(ramSize)
	if err != nil {
		return nil, err
	}
	b := &board{ram: ram}
	b.tzc = tzc400.New("tzc400", &b.events, &b.clock)
	r := bus.Region{Name: "ram", Base: ramBase, Size: ramSize, RAM: ram}
	if enforced {
		r.Filter = filter(b.tzc.Unit(0))
	}
	if err := b.bus.Map(r); err != nil {
		return nil, err
	}
	if err := b.bus.Map(bus.Region{Name: "tzc400", Base: tzcBase, Size: pageSize, Dev: registers(b.tzc), SecureOnly: true}); err != nil {
		return nil, err
	}
	b.power()
	return b, nil
}

// power is what a cold reset does to everything but the firmware.
func (b *board) power() {
	b.ram.Reset()
	b.tzc.Reset()
	b.state = [numCPUs]firmware.CPUState{firmware.CPUOn, firmware.CPUOff, firmware.CPUOff, firmware.CPUOff}
	b.reboot = false
}

func (b *board) NumCPUs() int                       { return numCPUs }
func (b *board) MPIDR(cpu int) uint64               { return uint64(cpu) }
func (b *board) CPUState(cpu int) firmware.CPUState { return b.state[cpu] }
func (b *board) StartCPU(cpu int, entry, context uint64, el int) {
	b.state[cpu] = firmware.CPUOnPending
}
func (b *board) StopCPU(cpu int)                 {}
func (b *board) PowerOff()                       {}
func (b *board) Reboot()                         { b.reboot = true }
func (b *board) Port(a bus.Attr) *bus.Port       { return bus.NewPort(&b.bus, a) }
func (b *board) RAM() (base, size uint64)        { return ramBase, b.ram.Size() }
func (b *board) Clock() *vtime.Clock             { return &b.clock }
func (b *board) Events() *event.Stream           { return &b.events }
func (b *board) RaiseSGI(cpu int, intid uint32)  {}
func (b *board) SetSPI(intid uint32, level bool) {}

// setups are the configurations that sequences run on.
var setups = []struct {
	name   string
	change func(*secureworld.Config)
}{
	{"both", func(*secureworld.Config) {}},
	{"tight", func(c *secureworld.Config) {
		c.Limits = secureworld.Limits{Transactions: 6, Ranges: 24, Buffers: 4, Sessions: 2}
		c.OPTEE.Threads = 2
	}},
	{"carveout", func(c *secureworld.Config) {
		c.Carveout = memory.Range{Base: ramBase + 0x28_0000, Size: 0x2_0000}
		c.TZASC.Action = firewall.ActionRAZ
	}},
	{"ffa", func(c *secureworld.Config) { c.ABI = secureworld.ABIFFA; c.SecureRAM.Size = 0 }},
	{"smc", func(c *secureworld.Config) { c.ABI = secureworld.ABISMC }},
	{"open", func(c *secureworld.Config) { c.TZASC.Enabled = false }},
	{"static", func(c *secureworld.Config) {
		c.OPTEE.DynamicPools = false
		c.Carveout = memory.Range{Base: ramBase, Size: pageSize}
		c.CarveoutUse = 2
		c.OPTEE.UseCases[1].Align = 4 * pageSize
	}},
	{"sliced", func(c *secureworld.Config) {
		c.Limits.Slice = 2
		c.Partitions[0].MaxRegions, c.Partitions[1].MaxPages = 8, 24
	}},
	{"reserved", func(c *secureworld.Config) {
		c.OPTEE.SHM = memory.Range{Base: at(listZone), Size: (zone - listZone) * pageSize}
		c.OPTEE.UseCases[2].Carveout = memory.Range{Base: ramBase + 0x22_0000, Size: 0x1_0000}
		c.OPTEE.UseCases[1].Carveout = memory.Range{Base: ramBase + 0x21_0000, Size: 0x1_0000}
	}},
	{"reserved only", func(c *secureworld.Config) {
		c.OPTEE.SHM = memory.Range{Base: at(listZone), Size: (zone - listZone) * pageSize}
		c.OPTEE.NoDynamicSHM = true
		c.OPTEE.UseCases[0].Endpoints = []optee.ProtmemConfigEntry{{Endpoint: opteeID, Permissions: 2}, {Endpoint: vaultID, Permissions: 2}}
	}},
	{"aligned", func(c *secureworld.Config) {
		c.OPTEE.UseCases[0].Align, c.OPTEE.UseCases[0].MinSize = 4*pageSize, 8*pageSize
		c.SecureRAM = memory.Range{Base: ramBase + ramSize - 8*pageSize, Size: 8 * pageSize}
	}},
}

// config is the configuration number i of setups.
func config(i int) *secureworld.Config {
	c := secureworld.DefaultConfig()
	c.TZASC.Base = tzcBase
	c.SecureRAM = memory.Range{Base: ramBase + 0x20_0000, Size: 0x1_0000}
	c.Limits = secureworld.Limits{Transactions: 24, Ranges: 4096, Buffers: 16, Sessions: 4}
	c.Partitions = append(c.Partitions, secureworld.Partition{
		ID: vaultID, UUIDs: []ffa.UUID{vaultUUID}, Contexts: 1, Properties: ffa.PropReceivesDirectReq | ffa.PropAArch64,
		New: func() spmc.Partition { return new(vault) },
	})
	c.OPTEE.NewTAs = func() []tee.PseudoTA { return []tee.PseudoTA{copier{}} }
	setups[i].change(&c)
	return &c
}
