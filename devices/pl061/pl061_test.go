package pl061

import (
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

type line struct{ level bool }

func (l *line) Set(level bool) { l.level = level }

// gpio is a controller with what a driver and the outside see of it.
type gpio struct {
	*PL061
	t   testing.TB
	irq line
	out [Pins]line
}

func newGPIO(t testing.TB) *gpio {
	g := &gpio{PL061: New(), t: t}
	g.IRQ = &g.irq
	for i := range g.out {
		g.Out[i] = &g.out[i]
	}
	return g
}

func (g *gpio) get(off uint64) uint8 {
	g.t.Helper()
	v, r := g.Read(off, 1, bus.Attr{}) // Linux's gpio-pl061 reads and writes bytes
	if r != bus.OKAY || v > 0xFF {
		g.t.Fatalf("read of %#x: %#x, %v", off, v, r)
	}
	return uint8(v)
}

func (g *gpio) set(off uint64, v uint8) {
	g.t.Helper()
	if r := g.Write(off, 1, uint64(v), bus.Attr{}); r != bus.OKAY {
		g.t.Fatalf("write of %#x: %v", off, r)
	}
}

func (g *gpio) expect(off uint64, want uint8) {
	g.t.Helper()
	if got := g.get(off); got != want {
		g.t.Errorf("register %#x = %#x, want %#x", off, got, want)
	}
}

const allPins = 0x3FC

// TestResetValues has the values of DDI 0190, table 3-1.
func TestResetValues(t *testing.T) {
	g := newGPIO(t)
	check := func() {
		t.Helper()
		for off, want := range map[uint64]uint8{0x3FC: 0, GPIODIR: 0, GPIOIS: 0, GPIOIBE: 0, GPIOIEV: 0, GPIOIE: 0, GPIORIS: 0,
			GPIOMIS: 0, GPIOIC: 0, GPIOAFSEL: 0, 0x424: 0, 0x500: 0, 0xFE0: 0x61, 0xFE4: 0x10, 0xFE8: 0x04, 0xFEC: 0,
			0xFF0: 0x0D, 0xFF4: 0xF0, 0xFF8: 0x05, 0xFFC: 0xB1} {
			g.expect(off, want)
		}
	}
	check()
	for off := uint64(GPIODIR); off <= GPIOAFSEL; off += 4 {
		g.set(off, 0xFF)
	}
	g.set(allPins, 0xFF)
	if !g.irq.level || !g.out[0].level {
		t.Error("interrupt or output low before the reset")
	}
	g.Reset()
	check()
	if g.irq.level || g.out[0].level {
		t.Error("interrupt or output high after the reset")
	}
}

func TestAccessSizes(t *testing.T) {
	g := newGPIO(t)
	for _, size := range []int{1, 2, 4} {
		if r := g.Write(GPIODIR, size, uint64(0xFFFF_FF00|size), bus.Attr{}); r != bus.OKAY {
			t.Error(r)
		}
		if v, r := g.Read(GPIODIR, size, bus.Attr{}); v != uint64(size) || r != bus.OKAY {
			t.Errorf("%d bytes: %#x, %v", size, v, r)
		}
	}
	g.set(GPIODIR+1, 0xFF)
	g.expect(GPIODIR+1, 0)
	g.expect(GPIODIR, 4)
	if _, r := g.Read(GPIODIR, 8, bus.Attr{}); r != bus.SLVERR {
		t.Error(r)
	}
	if r := g.Write(GPIODIR, 8, 0, bus.Attr{}); r != bus.SLVERR {
		t.Error(r)
	}
}

// TestOutputs follows pl061_direction_output and pl061_set_value of Linux: a pin's own address masks the others.
func TestOutputs(t *testing.T) {
	g := newGPIO(t)
	high := func(pins uint8) {
		t.Helper()
		for i := range g.out {
			if g.out[i].level != (pins>>i&1 != 0) {
				t.Errorf("pin %d is %v", i, g.out[i].level)
			}
		}
	}
	g.set(4<<5, 1<<5) // an input still
	g.expect(allPins, 0)
	g.set(GPIODIR, 1<<5)
	high(0)
	g.set(4<<5, 1<<5)
	g.expect(4<<5, 1<<5)
	g.expect(4<<4, 0)
	high(1 << 5)
	g.set(GPIODIR, 0xFF)
	g.set(allPins, 0xA5)
	g.expect(allPins, 0xA5)
	high(0xA5)
	g.set(4*0x0F, 0xFF)
	g.expect(allPins, 0xAF)
	g.expect(4*0x81, 0x81)
	g.set(GPIODIR, 0xF0)
	high(0xA0)
	g.expect(allPins, 0xA0)
	g.SetInput(0, true)
	g.SetInput(6, true) // an output: unseen
	g.expect(allPins, 0xA1)
	g.set(GPIODIR, 0)
	g.expect(allPins, 0x41)
	high(0)
}

// TestEdges has every setting of one pin against the manual's table (DDI 0190, 2.3.1).
func TestEdges(t *testing.T) {
	for _, c := range []struct {
		ibe, iev      uint8
		rising, falls bool
	}{{0, 0, false, true}, {0, 8, true, false}, {8, 0, true, true}, {8, 8, true, true}} {
		g := newGPIO(t)
		g.set(GPIOIBE, c.ibe)
		g.set(GPIOIEV, c.iev)
		for _, e := range []struct{ level, seen bool }{{true, c.rising}, {false, c.falls}} {
			g.SetInput(3, e.level)
			want := uint8(0)
			if e.seen {
				want = 8
			}
			g.expect(GPIORIS, want)
			g.expect(GPIOMIS, 0)
			g.set(GPIOIE, 8)
			g.expect(GPIOMIS, want)
			if g.irq.level != e.seen {
				t.Errorf("%+v, %+v: line %v", c, e, g.irq.level)
			}
			g.SetInput(3, e.level) // no edge
			g.set(GPIOIC, 0xF7)
			g.expect(GPIORIS, want)
			g.set(GPIOIC, 8)
			g.expect(GPIORIS, 0)
			g.set(GPIOIE, 0)
		}
	}
}

func TestLevels(t *testing.T) {
	g := newGPIO(t)
	g.set(GPIOIEV, 0x0F)
	g.set(GPIOIS, 0x33)
	g.set(GPIOIE, 0x01)
	g.expect(GPIORIS, 0x30) // low pins that are to be low
	g.SetInput(0, true)
	g.SetInput(4, true)
	g.expect(GPIORIS, 0x21)
	g.expect(GPIOMIS, 0x01)
	g.set(GPIOIC, 0xFF)
	g.expect(GPIORIS, 0x21) // not for the software to clear
	if !g.irq.level {
		t.Error("no interrupt")
	}
	g.SetInput(0, false)
	if g.irq.level {
		t.Error("the interrupt outlasts its level")
	}
}

// TestPowerKey follows gpio-keys of Linux on virt: both edges of pin 3, each acknowledged.
func TestPowerKey(t *testing.T) {
	g := newGPIO(t)
	var clock vtime.Clock
	k := NewKey(g.PL061, 3, &clock)
	g.set(GPIOIE, 0)
	g.set(GPIOIBE, 8)
	g.set(GPIOIC, 8)
	g.set(GPIOIE, 8)
	clock.Advance(1000)
	k.Press()
	for _, level := range []uint8{8, 0} {
		if !g.irq.level {
			t.Fatalf("no interrupt")
		}
		g.expect(GPIOMIS, 8)
		g.set(GPIOIC, 8)
		g.expect(4*8, level)
		if next := clock.Next(); level != 0 && next != 1000+PressTime {
			t.Fatalf("let go at %d", next)
		} else if level != 0 {
			clock.Advance(next)
			clock.Expire()
		}
	}
	k.Press()
	k.Reset()
	g.expect(4*8, 0)
	if clock.Next() != vtime.Never {
		t.Error("still held after a reset")
	}
}

// FuzzRegisters runs a program of writes and input changes beside a model that knows single pins only.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0x03, 8, 0x80, 3, 0x07, 8, 0x00, 3})
	f.Add([]byte{0x01, 0xFF, 0x08, 0x55, 0x02, 0x0F, 0x05, 0xFF})
	f.Fuzz(func(t *testing.T, prog []byte) {
		g := newGPIO(t)
		type pin struct{ in, out, dir, level, both, high, mask, edge bool }
		var pins [Pins]pin
		shown := func(p *pin) bool { return p.dir && p.out || !p.dir && p.in }
		for ; len(prog) >= 2; prog = prog[2:] {
			op, v := prog[0], prog[1]
			if op&0xF0 != 0 {
				p := &pins[v%Pins]
				level := op&0x80 != 0
				if level != p.in && !p.dir && !p.level && (p.both || level == p.high) {
					p.edge = true
				}
				p.in = level
				g.SetInput(int(v%Pins), level)
			} else {
				off := uint64(GPIODIR) + uint64(op)%9*4
				if op >= 9 {
					off = allPins
				}
				g.set(off, v)
				for i := range pins {
					p, b := &pins[i], v>>i&1 != 0
					switch off {
					case allPins:
						p.out = p.dir && b || !p.dir && p.out
					case GPIODIR:
						p.dir = b
					case GPIOIS:
						p.level = b
					case GPIOIBE:
						p.both = b
					case GPIOIEV:
						p.high = b
					case GPIOIE:
						p.mask = b
					case GPIOIC:
						p.edge = p.edge && !b
					}
				}
			}
			var data, raw, mask uint8
			for i := range pins {
				p := &pins[i]
				if shown(p) {
					data |= 1 << i
				}
				if p.edge || p.level && shown(p) == p.high {
					raw |= 1 << i
				}
				if p.mask {
					mask |= 1 << i
				}
				if g.out[i].level != (p.dir && p.out) {
					t.Fatalf("output %d is %v", i, g.out[i].level)
				}
			}
			g.expect(allPins, data)
			g.expect(GPIORIS, raw)
			g.expect(GPIOMIS, raw&mask)
			if g.irq.level != (raw&mask != 0) {
				t.Fatalf("line %v, raw %#x, mask %#x", g.irq.level, raw, mask)
			}
		}
	})
}
