package gicv3

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gatehouse/platform/bus"
)

// tool gives the path of a program that a test needs. Without it the test is skipped, or fails where the environment promises
// that all tools are there.
func tool(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return p
}

// The worlds of testdata/player.S.
type world uint8

const (
	el3s world = iota
	sel1
	nsel1
	el3ns
	nsel2
)

func (w world) String() string { return [...]string{"EL3", "S-EL1", "NS-EL1", "EL3(NS)", "NS-EL2"}[w] }

func (w world) el() int { return [...]int{3, 1, 1, 3, 2}[w] }

// secureState is the security state of memory accesses.
func (w world) secureState() bool { return w != nsel1 && w != nsel2 }

// bankSecure is SCR_EL3.NS == 0.
func (w world) bankSecure() bool { return w == el3s || w == sel1 }

// QEMU's addresses (hw/arm/virt.c documents them in its device tree).
const (
	gicdBase = 0x0800_0000
	gicrBase = 0x080a_0000
	uartBase = 0x0900_0000
)

const isrEL1 Reg = 3<<14 | 12<<7 | 1<<3

// step is one entry of the player's list, with what this package makes of it.
type step struct {
	kind  uint8
	world world
	insn  uint32
	x0    uint64
	x1    uint64

	text string
	sys  bool // an access to reg
	reg  Reg
	read bool                   // x0 is compared
	play func(m *mirror) uint64 // executes it on the model
	scr  uint64                 // routing bits in effect
	hcr  uint64
}

// exceptionTrap is ESR_EL3.EC of a trapped MSR or MRS.
const exceptionTrap = 0x18

// preempted says whether an interrupt is taken to EL3 or EL2 before the step executes.
func (st *step) preempted(c *CPUInterface) bool {
	irq, fiq := c.Lines()
	if st.world == nsel1 && (irq && st.hcr&hcrIMO != 0 || fiq && st.hcr&hcrFMO != 0) {
		return true // to EL2
	}
	return st.world.el() < 3 && (irq && st.scr&scrIRQ != 0 || fiq && st.scr&scrFIQ != 0)
}

// do plays the step on m, unless the access is trapped to EL2 or EL3.
func (st *step) do(m *mirror) (v uint64, trapped int) {
	c := m.g.CPU(0)
	scr := st.scr
	if !st.world.bankSecure() {
		scr |= scrNS
	}
	c.SetRouting(scr, st.hcr)
	if st.sys {
		if el := c.Trap(st.reg, st.world.el(), st.world.secureState()); el != 0 {
			return 0, el
		}
	}
	return st.play(m), 0
}

// mirror is the model under test in the place of QEMU's interrupt controller.
type mirror struct {
	g *GIC
}

// script is a list of steps.
type script struct {
	steps []step
	scr   uint64
	hcr   uint64
}

func (s *script) add(st step) {
	st.scr, st.hcr = s.scr, s.hcr
	s.steps = append(s.steps, st)
}

func (s *script) setSCR(bits uint64) {
	s.scr = bits
	s.add(step{kind: 1, x0: bits})
}

// setHCR sets the routing bits of HCR_EL2.
func (s *script) setHCR(bits uint64) {
	s.hcr = bits
	s.add(step{kind: 3, x0: 1<<31 | bits})
}

func device(m *mirror, addr uint64) (bus.Device, uint64) {
	if addr >= gicrBase {
		return m.g.Redistributors(), addr - gicrBase
	}
	return m.g.Distributor(), addr - gicdBase
}

func (s *script) load(w world, addr uint64, size int) {
	insn := map[int]uint32{1: 0x39400020, 2: 0x79400020, 4: 0xb9400020, 8: 0xf9400020}[size]
	s.add(step{world: w, insn: insn, x1: addr, read: true, text: fmt.Sprintf("load%d %#x", size*8, addr),
		play: func(m *mirror) uint64 {
			d, off := device(m, addr)
			v, _ := d.Read(off, size, bus.Attr{Secure: w.secureState()})
			return v
		}})
}

func (s *script) store(w world, addr uint64, size int, v uint64) {
	insn := map[int]uint32{1: 0x39000020, 2: 0x79000020, 4: 0xb9000020, 8: 0xf9000020}[size]
	s.add(step{world: w, insn: insn, x0: v, x1: addr, text: fmt.Sprintf("store%d %#x = %#x", size*8, addr, v),
		play: func(m *mirror) uint64 {
			d, off := device(m, addr)
			d.Write(off, size, v&(1<<(8*size)-1), bus.Attr{Secure: w.secureState()})
			return 0
		}})
}

func (s *script) mrs(w world, r Reg) {
	s.add(step{world: w, insn: 0xd5200000 | uint32(r)<<5, read: true, sys: true, reg: r, text: fmt.Sprintf("mrs %#x", uint16(r)),
		play: func(m *mirror) uint64 {
			v, ok := m.g.CPU(0).ReadSys(r, w.el(), w.secureState())
			if !ok {
				return 0xbad0bad0
			}
			return v
		}})
}

func (s *script) msr(w world, r Reg, v uint64) {
	s.add(step{world: w, insn: 0xd5000000 | uint32(r)<<5, x0: v, sys: true, reg: r, text: fmt.Sprintf("msr %#x = %#x", uint16(r), v),
		play: func(m *mirror) uint64 {
			m.g.CPU(0).WriteSys(r, v, w.el(), w.secureState())
			return 0
		}})
}

// isr reads ISR_EL1, which shows the interrupt inputs: for a guest that does not get the physical interrupts, the virtual ones.
func (s *script) isr(w world) {
	hcr := s.hcr
	if w != nsel1 {
		hcr = 0
	}
	s.add(step{world: w, insn: 0xd5200000 | uint32(isrEL1)<<5, read: true, text: "mrs ISR_EL1",
		play: func(m *mirror) uint64 {
			irq, fiq := m.g.CPU(0).Lines()
			virq, vfiq := m.g.CPU(0).VirtualLines()
			if hcr&hcrIMO != 0 {
				irq = virq
			}
			if hcr&hcrFMO != 0 {
				fiq = vfiq
			}
			var v uint64
			if irq {
				v |= 1 << 7
			}
			if fiq {
				v |= 1 << 6
			}
			return v
		}})
}

// Timers, whose outputs are PPIs: enabled with CVAL 0 their line is high, disabled it is low.
var timers = []struct {
	intid uint32
	ctl   Reg
}{
	{30, 3<<14 | 3<<11 | 14<<7 | 2<<3 | 1}, // CNTP_CTL_EL0
	{27, 3<<14 | 3<<11 | 14<<7 | 3<<3 | 1}, // CNTV_CTL_EL0
	{26, 3<<14 | 4<<11 | 14<<7 | 2<<3 | 1}, // CNTHP_CTL_EL2
	{29, 3<<14 | 7<<11 | 14<<7 | 2<<3 | 1}, // CNTPS_CTL_EL1
}

func (s *script) timer(i int, high bool) {
	tm := timers[i]
	v := uint64(0)
	if high {
		v = 1
	}
	s.add(step{world: el3s, insn: 0xd5000000 | uint32(tm.ctl)<<5, x0: v, text: fmt.Sprintf("PPI %d = %d", tm.intid, v),
		play: func(m *mirror) uint64 {
			m.g.SetPPI(0, tm.intid, high)
			return 0
		}})
}

// uart sets the level of the UART's line, INTID 33. The transmit interrupt has to be raw pending, see uartInit.
func (s *script) uart(high bool) {
	v := uint64(0)
	if high {
		v = 1 << 5
	}
	s.add(step{world: el3s, insn: 0xb9000020, x0: v, x1: uartBase + 0x38, text: fmt.Sprintf("SPI 33 = %v", high),
		play: func(m *mirror) uint64 {
			m.g.SetSPI(33, high)
			return 0
		}})
}

// uartInit enables the UART and sends a byte, after which its transmit interrupt is pending.
func (s *script) uartInit() {
	idle := func(*mirror) uint64 { return 0 }
	s.add(step{world: el3s, insn: 0xb9000020, x0: 0x301, x1: uartBase + 0x30, text: "UARTCR", play: idle})
	s.add(step{world: el3s, insn: 0x39000020, x0: 'x', x1: uartBase, text: "UARTDR", play: idle})
}

// outcome is what the player reports of a step.
type outcome struct{ status, x0 uint64 }

// qemu plays the script on QEMU.
func (s *script) qemu(t *testing.T, cpus int, machine string) []outcome {
	t.Helper()
	qemu := tool(t, "qemu-system-aarch64")
	gcc := tool(t, "aarch64-linux-gnu-gcc")
	dir := t.TempDir()
	if os.Getenv("KEEP") != "" {
		dir = os.Getenv("KEEP")
		os.MkdirAll(dir, 0o755)
	}
	elf := filepath.Join(dir, "player.elf")
	if out, err := exec.Command(gcc, "-nostdlib", "-static", "-Wl,-Ttext=0x40200000,--build-id=none", "-march=armv8-a", "-o", elf,
		"testdata/player.S").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// movz x0, #0x4020, lsl #16; br x0
	bios := binary.LittleEndian.AppendUint32(nil, 0xd2a80400)
	bios = binary.LittleEndian.AppendUint32(bios, 0xd61f0000)
	var list []byte
	n := 0
	for _, st := range append(s.steps, step{kind: 2}) {
		list = append(list, st.kind, byte(st.world), 0, 0)
		list = binary.LittleEndian.AppendUint32(list, st.insn)
		list = binary.LittleEndian.AppendUint64(list, st.x0)
		list = binary.LittleEndian.AppendUint64(list, st.x1)
		list = append(list, make([]byte, 8)...)
		if st.kind == 0 {
			n++
		}
	}
	biosFile, listFile, outFile := filepath.Join(dir, "bios"), filepath.Join(dir, "list"), filepath.Join(dir, "out")
	for name, data := range map[string][]byte{biosFile: bios, listFile: list} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(qemu, "-M", machine, "-accel", "tcg,thread=single", "-cpu", "cortex-a57", "-smp", fmt.Sprint(cpus), "-m", "128",
		"-display", "none", "-monitor", "none", "-net", "none", "-serial", "file:"+outFile, "-semihosting", "-bios", biosFile,
		"-device", "loader,file="+elf, "-device", "loader,addr=0x41000000,file="+listFile)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(outFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) < 16*n {
		t.Fatalf("%d bytes of results, want %d", len(raw), 16*n)
	}
	raw = raw[len(raw)-16*n:] // what the script itself sent comes first
	res := make([]outcome, n)
	for i := range res {
		res[i] = outcome{binary.LittleEndian.Uint64(raw[16*i:]), binary.LittleEndian.Uint64(raw[16*i+8:])}
	}
	return res
}

// compare plays the script on the model and reports where the outcome differs from QEMU's. equal may accept differences of
// reads that are known.
func (s *script) compare(t *testing.T, g *GIC, want []outcome, equal func(st *step, got, want uint64) bool) {
	t.Helper()
	m := &mirror{g: g}
	c := g.CPU(0)
	i, errors := 0, 0
	for n := range s.steps {
		st := &s.steps[n]
		if st.kind != 0 {
			continue
		}
		w := want[i]
		i++
		c.SetState(st.world.el(), st.world.bankSecure())
		bad := ""
		switch {
		case st.preempted(c) != (w.status == 2):
			bad = fmt.Sprintf("interrupt taken: %v, want %v", st.preempted(c), w.status == 2)
		case w.status == 1 && w.x0>>26&0x3f == exceptionTrap:
			to := 3
			if w.x0>>40&1 != 0 {
				to = 2
			}
			if _, trapped := st.do(m); trapped != to {
				bad = fmt.Sprintf("trapped to EL%d, want EL%d", trapped, to)
			}
		case w.status == 1: // UNDEFINED, which EL1 and EL2 report with SMC #1
			if _, ok := c.ReadSys(st.reg, st.world.el(), st.world.secureState()); ok || !st.sys {
				bad = fmt.Sprintf("exception %#x", w.x0)
			}
		case w.status == 0:
			got, trapped := st.do(m)
			if trapped != 0 {
				bad = fmt.Sprintf("trapped to EL%d", trapped)
			} else if st.read && got != w.x0 && (equal == nil || !equal(st, got, w.x0)) {
				bad = fmt.Sprintf("%#x, want %#x", got, w.x0)
			}
		}
		c.SetState(3, true)
		if bad != "" {
			t.Errorf("step %d: %v: %s: %s", n, st.world, st.text, bad)
			if errors++; errors > 10 {
				for k := max(0, n-30); k <= n; k++ {
					t.Logf("step %d: %v: scr %#x: %s", k, s.steps[k].world, s.steps[k].scr, s.steps[k].text)
				}
				t.FailNow()
			}
		}
	}
}

const qemuMachine = "virt,secure=on,virtualization=on,gic-version=3"

func newForQEMU(cpus int) *GIC {
	return New(Config{NumCPUs: cpus, TwoSecurityStates: true, AlwaysAwake: true})
}

func TestQEMUResetValues(t *testing.T) {
	s := &script{}
	worlds := []world{el3s, nsel1}
	for _, w := range worlds {
		for off := uint64(0); off < 0x1000; off += 4 {
			s.load(w, gicdBase+off, 4)
		}
		for off := uint64(0x6000); off < 0x8000; off += 8 {
			s.load(w, gicdBase+off, 8)
		}
		for off := uint64(0xffd0); off < 0x10000; off += 4 {
			s.load(w, gicdBase+off, 4)
		}
		for off := uint64(0); off < 0x1000; off += 4 {
			s.load(w, gicrBase+off, 4)
			s.load(w, gicrBase+0x30000+off, 4)
		}
		for off := uint64(0xffd0); off < 0x10000; off += 4 {
			s.load(w, gicrBase+off, 4)
		}
		s.load(w, gicrBase+8, 8)
		s.load(w, gicrBase+0x20008, 8)
	}
	for _, w := range []world{el3s, el3ns, sel1, nsel1, nsel2} {
		for _, r := range readable {
			s.mrs(w, r)
		}
	}
	want := s.qemu(t, 2, qemuMachine)
	s.compare(t, newForQEMU(2), want, func(st *step, got, want uint64) bool {
		addr := st.x1
		frame := (addr - gicrBase) % RedistributorSize
		switch {
		case addr == gicdBase+gicdTYPER:
			// LPIS. No1N: we have 1 of N. ITLinesNumber: QEMU 7.2 counts 32 interrupts too few.
			return got^want == 1<<17|1<<25|7^8 && got&0x1f == 8
		case addr >= gicrBase && frame == gicrTYPER:
			// DPGS: we have GICR_CTLR.DPG*. PLPIS, and CommonLPIAff that goes with it.
			return got^want == gicrTyperDPGS|1<<24|1
		case addr >= gicrBase && frame == gicrCTLR:
			return got^want == 2 // CES, for the Enable_LPIs that we do not have
		case addr >= gicrBase && frame == gicrWAKER && st.world == nsel1:
			return got == 0 // a secure register (IHI 0069, 12.11)
		case st.insn == 0xd5200000|uint32(ICC_CTLR_EL3)<<5:
			return got^want == 1<<17 // nDS: our GICD_CTLR.DS can be set
		}
		return false
	})
}

var readable = []Reg{ICC_PMR_EL1, ICC_IAR0_EL1, ICC_HPPIR0_EL1, ICC_BPR0_EL1, ICC_AP0R0_EL1, ICC_AP0R1_EL1, ICC_AP0R2_EL1,
	ICC_AP0R3_EL1, ICC_AP1R0_EL1, ICC_AP1R1_EL1, ICC_AP1R2_EL1, ICC_AP1R3_EL1, ICC_RPR_EL1, ICC_IAR1_EL1, ICC_HPPIR1_EL1,
	ICC_BPR1_EL1, ICC_CTLR_EL1, ICC_SRE_EL1, ICC_IGRPEN0_EL1, ICC_IGRPEN1_EL1, ICC_SRE_EL2, ICC_CTLR_EL3, ICC_SRE_EL3,
	ICC_IGRPEN1_EL3, ICH_AP0R0_EL2, ICH_AP0R0_EL2 + 1, ICH_AP1R0_EL2, ICH_AP1R0_EL2 + 3, ICH_HCR_EL2, ICH_VTR_EL2, ICH_MISR_EL2,
	ICH_EISR_EL2, ICH_ELRSR_EL2, ICH_VMCR_EL2, ICH_LR0_EL2, ICH_LR0_EL2 + 3, ICH_LR0_EL2 + 4, ICH_LR0_EL2 + 8}
