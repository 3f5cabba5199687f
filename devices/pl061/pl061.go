package pl061

import (
	"gatehouse/devices"
	"gatehouse/platform/bus"
)

// Offsets of the registers (DDI 0190, table 3-1).
const (
	GPIODATA  = 0x000 // to 0x3FC: bits 9 to 2 of the address select the pins
	GPIODIR   = 0x400 // 1 is output
	GPIOIS    = 0x404 // 1 is level, 0 is edge
	GPIOIBE   = 0x408 // both edges
	GPIOIEV   = 0x40C // 1 is high or rising
	GPIOIE    = 0x410 // mask
	GPIORIS   = 0x414 // RO
	GPIOMIS   = 0x418 // RO
	GPIOIC    = 0x41C // WO
	GPIOAFSEL = 0x420

	PeriphID0 = 0xFE0 // RO, four registers
	PCellID0  = 0xFF0 // RO, four registers
)

// Pins is how many pins there are.
const Pins = 8

// id is PeriphID0 to 3 and PCellID0 to 3 (DDI 0190, 3.3.11 and 3.3.12).
var id = [8]uint8{0x61, 0x10, 0x04, 0x00, 0x0D, 0xF0, 0x05, 0xB1}

// PL061 is one controller. Its registers are a bus.Device. Registers have one bit for each pin.
type PL061 struct {
	// IRQ is GPIOINTR. It may be nil.
	IRQ devices.Line
	// Out are the pins as outputs, low while they are inputs. Each may be nil.
	Out [Pins]devices.Line

	in, out               uint8 // levels from outside, and as last written
	dir, is, ibe, iev, ie uint8
	afsel                 uint8
	edges                 uint8 // detected and not cleared
}

// New makes a controller in its reset state.
func New() *PL061 {
	g := &PL061{}
	g.Reset()
	return g
}

// Reset makes all pins inputs and masks all interrupts. Levels from outside stay.
func (g *PL061) Reset() {
	g.out, g.dir, g.is, g.ibe, g.iev, g.ie, g.afsel, g.edges = 0, 0, 0, 0, 0, 0, 0, 0
	g.drive()
	g.interrupt()
}

// data gives the levels of the pins.
func (g *PL061) data() uint8 { return g.in&^g.dir | g.out&g.dir }

// raw gives the interrupts before the mask: edges that were seen, levels that are there (DDI 0190, 3.3.7).
func (g *PL061) raw() uint8 { return g.edges | ^(g.data()^g.iev)&g.is }

func (g *PL061) interrupt() {
	if g.IRQ != nil {
		g.IRQ.Set(g.raw()&g.ie != 0)
	}
}

func (g *PL061) drive() {
	for i, line := range g.Out {
		if line != nil {
			line.Set(g.out&g.dir>>i&1 != 0)
		}
	}
}

// SetInput gives pin n, 0 to 7, a level from outside. While the pin is an output nobody sees it.
func (g *PL061) SetInput(n int, level bool) {
	before := g.data()
	g.in &^= 1 << n
	if level {
		g.in |= 1 << n
	}
	now := g.data()
	wanted := g.ibe | ^(now ^ g.iev)
	g.edges |= (before ^ now) & wanted &^ g.is
	g.interrupt()
}

// Read gives a register.
func (g *PL061) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	if size > 4 {
		return 0, bus.SLVERR
	}
	return uint64(g.read(off)), bus.OKAY
}

func (g *PL061) read(off uint64) uint8 {
	if off%4 != 0 {
		return 0
	}
	switch {
	case off < GPIODIR:
		return g.data() & uint8(off>>2)
	case off >= PeriphID0 && off < PeriphID0+32:
		return id[(off-PeriphID0)/4]
	}
	switch off {
	case GPIODIR:
		return g.dir
	case GPIOIS:
		return g.is
	case GPIOIBE:
		return g.ibe
	case GPIOIEV:
		return g.iev
	case GPIOIE:
		return g.ie
	case GPIORIS:
		return g.raw()
	case GPIOMIS:
		return g.raw() & g.ie
	case GPIOAFSEL:
		return g.afsel
	}
	return 0
}

// Write sets a register.
func (g *PL061) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	if size > 4 {
		return bus.SLVERR
	}
	w := uint8(v)
	switch off {
	case GPIODIR:
		g.dir = w
	case GPIOIS:
		g.is = w
	case GPIOIBE:
		g.ibe = w
	case GPIOIEV:
		g.iev = w
	case GPIOIE:
		g.ie = w
	case GPIOIC:
		g.edges &^= w
	case GPIOAFSEL:
		g.afsel = w
	default:
		if off < GPIODIR && off%4 == 0 {
			pins := uint8(off>>2) & g.dir
			g.out = g.out&^pins | w&pins
		}
	}
	g.drive()
	g.interrupt()
	return bus.OKAY
}
