package gicv3

import (
	"testing"

	"gatehouse/platform/bus"
)

// machine is a GIC with PEs that access it in chosen worlds, as software would.
type machine struct {
	*GIC
	t   testing.TB
	scr uint64 // routing bits of SCR_EL3, for all PEs
	hcr uint64
}

func newMachine(t testing.TB, cfg Config) *machine {
	return &machine{GIC: New(cfg), t: t}
}

func (m *machine) read(w world, addr uint64, size int) uint64 {
	m.t.Helper()
	d, off := device(&mirror{m.GIC}, addr)
	v, r := d.Read(off, size, bus.Attr{Secure: w.secureState()})
	if r != bus.OKAY {
		m.t.Fatalf("%v: read of %#x: %v", w, addr, r)
	}
	return v
}

func (m *machine) write(w world, addr uint64, size int, v uint64) {
	m.t.Helper()
	d, off := device(&mirror{m.GIC}, addr)
	if r := d.Write(off, size, v, bus.Attr{Secure: w.secureState()}); r != bus.OKAY {
		m.t.Fatalf("%v: write of %#x: %v", w, addr, r)
	}
}

func (m *machine) r32(w world, addr uint64) uint32 { m.t.Helper(); return uint32(m.read(w, addr, 4)) }

func (m *machine) w32(w world, addr uint64, v uint32) { m.t.Helper(); m.write(w, addr, 4, uint64(v)) }

// enter puts a PE into a world.
func (m *machine) enter(cpu int, w world) *CPUInterface {
	c := m.CPU(cpu)
	scr := m.scr
	if !w.bankSecure() {
		scr |= scrNS
	}
	c.SetRouting(scr, m.hcr)
	c.SetState(w.el(), w.secureState())
	return c
}

func (m *machine) mrs(cpu int, w world, r Reg) uint64 {
	m.t.Helper()
	v, ok := m.enter(cpu, w).ReadSys(r, w.el(), w.secureState())
	if !ok {
		m.t.Fatalf("%v: read of %#x is UNDEFINED", w, r)
	}
	return v
}

func (m *machine) msr(cpu int, w world, r Reg, v uint64) {
	m.t.Helper()
	if !m.enter(cpu, w).WriteSys(r, v, w.el(), w.secureState()) {
		m.t.Fatalf("%v: write of %#x is UNDEFINED", w, r)
	}
}

// inputs gives the interrupt inputs of a PE in a world: "", "irq", "fiq".
func (m *machine) inputs(cpu int, w world) string {
	irq, fiq := m.enter(cpu, w).Lines()
	switch {
	case irq && fiq:
		return "both"
	case irq:
		return "irq"
	case fiq:
		return "fiq"
	}
	return ""
}

// want fails the test unless got is want.
func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func gicr(cpu int) uint64 { return gicrBase + uint64(cpu)*RedistributorSize }

// open makes a machine in which everything is enabled and all PEs are awake, by secure accesses. Interrupts are in Group 0
// with priority 0.
func open(t testing.TB, cpus int) *machine {
	m := newMachine(t, Config{NumCPUs: cpus, TwoSecurityStates: true})
	m.w32(el3s, gicdBase+gicdCTLR, 7)
	for n := 1; n <= 8; n++ {
		m.w32(el3s, gicdBase+gicdISENABLER+uint64(4*n), 0xffff_ffff)
	}
	for i := range cpus {
		m.w32(el3s, gicr(i)+gicrWAKER, 0)
		m.w32(el3s, gicr(i)+gicrISENABLER0, 0xffff_ffff)
		m.msr(i, el3s, ICC_PMR_EL1, 0xff)
		m.msr(i, el3s, ICC_IGRPEN0_EL1, 1)
		m.msr(i, el3s, ICC_IGRPEN1_EL3, 3)
	}
	return m
}

// setGroup moves an interrupt to a group; private ones on PE 0.
func (m *machine) setGroup(id uint32, g Group) {
	m.t.Helper()
	for _, r := range []struct {
		base uint64
		set  bool
	}{{gicdIGROUPR, g == Group1NS}, {gicdIGRPMODR, g == Group1S}} {
		addr := bitmapAddr(r.base, id)
		v := m.r32(el3s, addr) &^ (1 << (id % 32))
		if r.set {
			v |= 1 << (id % 32)
		}
		m.w32(el3s, addr, v)
	}
}

// setPriority sets the priority of an interrupt, as secure software sees it; private ones on PE 0.
func (m *machine) setPriority(id uint32, p uint8) {
	m.t.Helper()
	addr := gicdBase + gicdIPRIORITYR + uint64(id)
	if id < FirstSPI {
		addr = gicrBase + gicrIPRIORITYR + uint64(id)
	}
	m.write(el3s, addr, 1, uint64(p))
}
