package gicv3

import (
	"fmt"

	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Interrupt identifiers (IHI 0069, 2.2).
const (
	FirstPPI = 16
	FirstSPI = 32
	// MaxSPIs is the highest number of SPIs that New accepts.
	MaxSPIs = 960

	// Special identifiers, 1020 to 1023 (IHI 0069, 2.2.1).
	pendingSecure    = 1020
	pendingNonSecure = 1021
	spurious         = 1023
)

// Sizes, in bytes, of the register frames.
const (
	DistributorSize = 0x1_0000
	// RedistributorSize is the size for one PE: RD_base and SGI_base.
	RedistributorSize = 0x2_0000
)

// MaxCPUs is the highest number of PEs that New accepts: what QEMU's virt board has room for in front of its UART.
const MaxCPUs = 123

// Group is an interrupt group (IHI 0069, 4.6). With GICD_CTLR.DS set there are only Group0 and Group1NS, the latter being
// "Group 1".
type Group uint8

const (
	Group0 Group = iota
	Group1S
	Group1NS
	noGroup
)

func (g Group) String() string {
	switch g {
	case Group0:
		return "Group0"
	case Group1S:
		return "Group1S"
	case Group1NS:
		return "Group1NS"
	}
	return "none"
}

// Config is what a GIC is made from.
type Config struct {
	// NumCPUs is the number of PEs, 1 to MaxCPUs.
	NumCPUs int
	// MPIDR gives the affinity of a PE as in MPIDR_EL1; bits that are not affinity are ignored. Nil stands for clusters of 16
	// in Aff1, as on QEMU's virt board.
	MPIDR func(cpu int) uint64
	// SPIs is the number of shared interrupts, a multiple of 32 up to MaxSPIs. 0 stands for 256.
	SPIs int
	// TwoSecurityStates gives the GIC two security states. Without it GICD_CTLR.DS is fixed to 1.
	TwoSecurityStates bool
	// AlwaysAwake forwards interrupts to PEs whose GICR_WAKER.ProcessorSleep is set too. The architecture holds them back;
	// QEMU does not, and software that was only ever run there may forget the wake-up handshake.
	AlwaysAwake bool
	// Events, where it is not nil, is told of acknowledged and ended interrupts (event.Int) and of accesses that the
	// architecture does not allow (event.Guest).
	Events *event.Stream
	// Clock gives the time of events. It may be nil.
	Clock *vtime.Clock
}

// GIC is one interrupt controller. It is used from one goroutine.
type GIC struct {
	cfg   Config
	cpus  []CPUInterface
	words int // words of 32 interrupts, the private ones included

	// Distributor state. Index 0 of the arrays that are indexed by word is never used: private interrupts live in the
	// redistributors.
	ctlr   uint32 // as in the secure view
	spi    [maxWords]interrupts
	prio   [maxWords * 32]uint8
	nsacr  [maxWords * 2]uint32
	router [maxWords * 32]uint64

	// Derived from the above.
	ready  uint32               // words that hold interrupts which could be forwarded
	target [maxWords * 32]int16 // PE that router names, or -1
	oneOfN [maxWords]uint32     // interrupts with router.IRM set
	chosen [numGroups]int16     // PE that takes 1 of N interrupts of a group, or -1
}

const (
	maxWords  = FirstSPI/32 + MaxSPIs/32
	numGroups = 3
)

// New makes a GIC in its reset state, with all lines low. It panics when the configuration is out of range.
func New(cfg Config) *GIC {
	if cfg.SPIs == 0 {
		cfg.SPIs = 256
	}
	if cfg.NumCPUs < 1 || cfg.NumCPUs > MaxCPUs {
		panic(fmt.Sprintf("BUG: gicv3: %d CPUs: want 1 to %d", cfg.NumCPUs, MaxCPUs))
	}
	if cfg.SPIs < 0 || cfg.SPIs > MaxSPIs || cfg.SPIs%32 != 0 {
		panic(fmt.Sprintf("BUG: gicv3: %d SPIs: want a multiple of 32 up to %d", cfg.SPIs, MaxSPIs))
	}
	if cfg.MPIDR == nil {
		cfg.MPIDR = func(cpu int) uint64 { return uint64(cpu/16)<<8 | uint64(cpu%16) }
	}
	g := &GIC{cfg: cfg, cpus: make([]CPUInterface, cfg.NumCPUs), words: 1 + cfg.SPIs/32}
	for i := range g.cpus {
		c := &g.cpus[i]
		c.gic = g
		c.index = i
		c.affinity = cfg.MPIDR(i) & affinityMask
		c.name = fmt.Sprintf("cpu%d", i)
		if cfg.TwoSecurityStates {
			c.view = viewEL3
		}
	}
	g.Reset()
	return g
}

// affinityMask selects Aff3 to Aff0 where MPIDR_EL1 and GICD_IROUTER<n> have them.
const affinityMask = 0xff_00ff_ffff

// NumINTIDs is one more than the highest SPI's identifier.
func (g *GIC) NumINTIDs() int { return g.words * 32 }

// CPU gives the CPU interface of PE i.
func (g *GIC) CPU(i int) *CPUInterface { return &g.cpus[i] }

// Reset brings all registers to their reset values. The levels of the input lines stay, and so does what the PEs told of their
// state: these belong to the devices and PEs, which may be reset before or after.
func (g *GIC) Reset() {
	g.ctlr = ctlrARE | ctlrARENS
	if !g.cfg.TwoSecurityStates {
		g.ctlr = ctlrARE | ctlrDS
	}
	for n := range g.spi {
		g.spi[n] = interrupts{level: g.spi[n].level}
		g.oneOfN[n] = 0
	}
	clear(g.prio[:])
	clear(g.nsacr[:])
	for i := range g.router {
		g.router[i] = 0
		g.target[i] = g.findCPU(0)
	}
	for i := range g.cpus {
		g.cpus[i].resetRedistributor()
		g.cpus[i].resetInterface()
	}
	g.route()
	g.ready = 0
	for n := 1; n < g.words; n++ {
		g.touch(n)
	}
	g.choose()
	for i := range g.cpus {
		g.cpus[i].rescan()
		g.cpus[i].drive()
		g.cpus[i].updateVirtual()
	}
}

// BootNonSecure does what CPUInterface.BootNonSecure does for the distributor and all PEs.
func (g *GIC) BootNonSecure() {
	for n := 1; n < g.words; n++ {
		g.spi[n].group = 0xffff_ffff
	}
	for i := range g.prio {
		g.prio[i] |= nonSecureHalf
	}
	for i := range g.cpus {
		g.cpus[i].BootNonSecure()
	}
}

// findCPU gives the PE with an affinity, or -1.
func (g *GIC) findCPU(affinity uint64) int16 {
	for i := range g.cpus {
		if g.cpus[i].affinity == affinity {
			return int16(i)
		}
	}
	return -1
}

// singleState says that the GIC has one security state only (GICD_CTLR.DS).
func (g *GIC) singleState() bool { return g.ctlr&ctlrDS != 0 }

// SetSPI sets the level of a shared interrupt's line. It panics when intid is not an SPI of this GIC.
func (g *GIC) SetSPI(intid uint32, level bool) {
	if intid < FirstSPI || int(intid) >= g.NumINTIDs() {
		panic(fmt.Sprintf("BUG: gicv3: line of INTID %d: want %d to %d", intid, FirstSPI, g.NumINTIDs()-1))
	}
	n := int(intid / 32)
	if g.spi[n].drive(1<<(intid%32), level) {
		g.touch(n)
		g.rescanFor(intid)
	}
}

// SetPPI sets the level of a private interrupt's line, 16 to 31, of one PE. It panics when there is no such line.
func (g *GIC) SetPPI(cpu int, intid uint32, level bool) {
	if intid < FirstPPI || intid >= FirstSPI {
		panic(fmt.Sprintf("BUG: gicv3: line of INTID %d: want %d to %d", intid, FirstPPI, FirstSPI-1))
	}
	c := &g.cpus[cpu]
	if c.private.drive(1<<intid, level) {
		c.rescan()
	}
}

// RaiseSGI makes a non-secure Group 1 software generated interrupt, 0 to 15, pending at one PE, as firmware does with
// ICC_ASGI1R_EL1. It has no effect when the interrupt is not in that group, or when there is no such PE or interrupt.
func (g *GIC) RaiseSGI(cpu int, intid uint32) {
	if cpu < 0 || cpu >= len(g.cpus) || intid >= FirstPPI {
		return
	}
	c := &g.cpus[cpu]
	if g.groupOf(&c.private, intid) == Group1NS {
		c.private.latch |= 1 << intid
		c.rescan()
	}
}

// Line is the input of one interrupt.
type Line struct {
	gic   *GIC
	cpu   int
	intid uint32
}

// SPI gives the line of a shared interrupt. Set panics when intid is not an SPI of this GIC.
func (g *GIC) SPI(intid uint32) Line { return Line{gic: g, intid: intid} }

// PPI gives the line of a private interrupt of one PE. Set panics when there is no such line.
func (g *GIC) PPI(cpu int, intid uint32) Line { return Line{gic: g, cpu: cpu, intid: intid} }

// Set sets the line's level.
func (l Line) Set(level bool) {
	if l.intid < FirstSPI {
		l.gic.SetPPI(l.cpu, l.intid, level)
	} else {
		l.gic.SetSPI(l.intid, level)
	}
}

func (g *GIC) now() uint64 {
	if g.cfg.Clock == nil {
		return 0
	}
	return g.cfg.Clock.Now()
}

// guestError reports an access that the architecture does not allow.
func (g *GIC) guestError(source, name string, off uint64, size int) {
	if g.cfg.Events.On(event.Guest) {
		g.cfg.Events.Emit(&event.Event{Time: g.now(), Category: event.Guest, Source: source, Name: name,
			Fields: []event.Field{event.Hex("offset", off), event.Dec("size", uint64(size))}})
	}
}
