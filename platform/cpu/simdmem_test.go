package cpu

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"gatehouse/platform/a64"
	"gatehouse/platform/bus"
	"gatehouse/platform/internal/insttest"
	"gatehouse/platform/internal/qemutest"
	"gatehouse/platform/vtime"
)

// insttestEnv serves what the guest of package insttest asks for: semihosting's SYS_WRITE, and SYSTEM_OFF.
type insttestEnv struct {
	bus     *bus.Bus
	written []byte
	off     bool
}

func (e *insttestEnv) SecureMonitorCall(c *CPU, _ bool) bool {
	e.off = true
	c.PowerOff()
	return true
}

func (e *insttestEnv) Semihost(c *CPU) bool {
	var block [24]byte
	e.bus.Read(c.X[1], block[:], bus.Attr{})
	if uint32(c.X[0]) == 5 {
		e.written = make([]byte, binary.LittleEndian.Uint64(block[16:]))
		e.bus.Read(binary.LittleEndian.Uint64(block[8:]), e.written, bus.Attr{})
	}
	c.X[0] = 0
	return true
}

func (e *insttestEnv) Undefined(*CPU, uint32) {}
func (e *insttestEnv) SendEvent()             {}
func (e *insttestEnv) Lockup(*CPU)            {}

// runRecords is insttest.Run on this package's CPU.
func runRecords(t *testing.T, words []uint32, before []insttest.Record, memory []byte) ([]insttest.Record, []byte) {
	t.Helper()
	file, images := insttest.Program(t, "result", words, before, memory)
	const base, size = 0x40000000, 128 << 20
	ram, err := bus.NewRAM(size)
	if err != nil {
		t.Fatal(err)
	}
	defer ram.Close()
	b := &bus.Bus{}
	if err := b.Map(bus.Region{Name: "ram", Base: base, Size: size, RAM: ram}); err != nil {
		t.Fatal(err)
	}
	program, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	text, err := program.Section(".text").Data()
	if err != nil {
		t.Fatal(err)
	}
	images[program.Section(".text").Addr] = text
	for address, content := range images {
		b.Write(address, content, bus.Attr{})
	}
	model, err := ModelByName("max")
	if err != nil {
		t.Fatal(err)
	}
	env := &insttestEnv{bus: b}
	var clock vtime.Clock
	c := New(Config{Model: model, Bus: b, Code: NewCode(b, a64.AllFeatures), Clock: &clock, Env: env, HVCIsCall: true})
	c.Reset(program.Entry, 0, 1)
	for range 1000 {
		if env.off {
			break
		}
		if clock.Begin(1_000_000) == 0 {
			clock.Expire()
			continue
		}
		c.Run()
	}
	if !env.off {
		t.Fatalf("the guest did not end: PC %#x, ESR %#x, FAR %#x, ELR %#x", c.PC, c.sys.esr[1], c.sys.far[1], c.elr[1])
	}
	records := make([]insttest.Record, len(words))
	n, err := binary.Decode(env.written, binary.LittleEndian, records)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		records[i].Code = 0
	}
	return records, env.written[n:]
}

// vectorAccesses are the groups of loads and stores of V registers in DDI 0487, C4.1.94: bits under the mask are fixed.
var vectorAccesses = []struct {
	name       string
	mask, bits uint32
}{
	{"multiple structures", 0xbf200000, 0x0c000000},
	{"single structures", 0xbf000000, 0x0d000000},
	{"pair", 0x3e000000, 0x2c000000},
	{"literal", 0x3f000000, 0x1c000000},
	{"unsigned offset", 0x3f000000, 0x3d000000},
	{"signed offset and writeback", 0x3f200000, 0x3c000000},
	{"register offset", 0x3f200c00, 0x3c200800},
}

// TestVectorAccessesQEMU compares the loads and stores of V registers, with their use of memory, with QEMU.
func TestVectorAccessesQEMU(t *testing.T) {
	qemutest.Require(t, "qemu-system-aarch64", "aarch64-linux-gnu-gcc")
	const window = 256 // window is the memory of each instruction, in bytes
	count := qemutest.Volume(2500, 10_000)
	for i, g := range vectorAccesses {
		t.Run(g.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, uint64(i)))
			memory := make([]byte, count*window)
			for i := range memory {
				memory[i] = byte(rng.Uint32())
			}
			var words []uint32
			var before []insttest.Record
			for len(words) < count {
				w := rng.Uint32()&^g.mask | g.bits
				in := a64.Decode(w, a64.AllFeatures)
				if in.Op < a64.FirstSIMDMem || in.Rn == a64.SP {
					continue // the stack pointer is the guest's own
				}
				var r insttest.Record
				for i := range r.X {
					r.X[i] = rng.Uint64()
				}
				for i := range r.V {
					r.V[i] = [2]uint64{rng.Uint64(), rng.Uint64()}
				}
				if in.Op != a64.VLDRLit && !aim(&r, &in, insttest.MemoryBase(count)+uint64(len(words)*window)+rng.Uint64N(window-64)) {
					continue
				}
				words, before = append(words, w), append(before, r)
			}
			want, wantMemory := insttest.Run(t, "max", words, before, memory)
			got, gotMemory := runRecords(t, words, before, memory)
			failures := 0
			for i, w := range words {
				mine, qemu := gotMemory[i*window:][:window], wantMemory[i*window:][:window]
				if got[i] == want[i] && bytes.Equal(mine, qemu) {
					continue
				}
				if failures++; failures > 5 {
					continue
				}
				t.Errorf("%08x %s: %+v", w, a64.SIMDName(a64.Decode(w, a64.AllFeatures).Op), a64.Decode(w, a64.AllFeatures))
				if got[i] != want[i] {
					t.Errorf("state is\n%+v, want\n%+v", got[i], want[i])
				}
				if !bytes.Equal(mine, qemu) {
					t.Errorf("memory is\n%x, want\n%x", mine, qemu)
				}
			}
			t.Logf("%d of %d differ", failures, count)
		})
	}
}

// aim sets the base register so that the access begins at va. It is not possible when base and index are the same register.
func aim(r *insttest.Record, in *a64.Inst, va uint64) bool {
	switch in.Op {
	case a64.VLDRReg, a64.VSTRReg:
		if in.Rm == in.Rn {
			return false
		}
		if in.Rm != a64.ZR {
			va -= vectorIndex(r.X[in.Rm], in.Opt)
		}
	case a64.VLDRPost, a64.VSTRPost, a64.VLDPPost, a64.VSTPPost:
	case a64.VLDR, a64.VLDUR, a64.VLDRPre, a64.VSTR, a64.VSTUR, a64.VSTRPre,
		a64.VLDP, a64.VLDNP, a64.VLDPPre, a64.VSTP, a64.VSTNP, a64.VSTPPre:
		va -= in.Imm
	}
	r.X[in.Rn] = va
	return true
}

// TestVectorAccessFaults: where an access runs into a page that is not mapped, nothing has changed and FAR says where. Two pages
// at virtual address 0 are mapped, the first and the third.
func TestVectorAccessFaults(t *testing.T) {
	const (
		ramBase  = 0x40000000
		table    = ramBase + 0x10000
		pageA    = ramBase + 0x20000
		present  = 3 | 1<<10 // page or table descriptor, accessed, attribute 0
		codeAddr = ramBase
	)
	ram, err := bus.NewRAM(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer ram.Close()
	b := &bus.Bus{}
	if err := b.Map(bus.Region{Name: "ram", Base: ramBase, Size: 1 << 20, RAM: ram}); err != nil {
		t.Fatal(err)
	}
	put := func(at, v uint64) { b.Write(at, binary.LittleEndian.AppendUint64(nil, v), bus.Attr{}) }
	put(table, table+0x1000|3)
	put(table+0x1000, table+0x2000|3)
	put(table+0x2000, pageA|present)
	put(table+0x2000+16, pageA+0x1000|present)

	model, err := ModelByName("max")
	if err != nil {
		t.Fatal(err)
	}
	var clock vtime.Clock
	c := New(Config{Model: model, Bus: b, Code: NewCode(b, a64.AllFeatures), Clock: &clock, Env: &insttestEnv{bus: b}, HVCIsCall: true})
	c.Reset(codeAddr, 0, 1)
	c.sys.ttbr0[1], c.sys.mair[1] = table, 0xff
	c.sys.tcr[1] = 25 | 1<<23 // 39 bits from TTBR0, TTBR1 off
	c.writeSCTLR(1, c.sys.sctlr[1]|1)

	for _, a := range []struct {
		name  string
		word  uint32
		bytes uint64
	}{
		{"ldr q0, [x1]", 0x3dc00020, 16},
		{"str q0, [x1]", 0x3d800020, 16},
		{"str d0, [x1], #8", 0xfc008420, 8},
		{"ldp q0, q2, [x1, #32]!", 0xadc10820, 32},
		{"stp q0, q2, [x1, #32]!", 0xad810820, 32},
		{"ld1 {v0.16b-v3.16b}, [x1], #64", 0x4cdf2020, 64},
		{"st1 {v0.16b-v3.16b}, [x1], #64", 0x4c9f2020, 64},
		{"ld4 {v0.4s-v3.4s}, [x1], x2", 0x4cc20820, 64},
		{"st3 {v0.8b-v2.8b}, [x1], x2", 0x0c824020, 24},
		{"ld2 {v0.h, v1.h}[3], [x1], x2", 0x0de25820, 4},
		{"st2 {v0.d, v1.d}[1], [x1], #16", 0x4dbf8420, 16},
		{"ld4r {v0.4s-v3.4s}, [x1], x2", 0x4de2e820, 16},
	} {
		in := a64.Decode(a.word, a64.AllFeatures)
		if in.Op < a64.FirstSIMDMem {
			t.Fatalf("%s: %08x is not allocated", a.name, a.word)
		}
		offset := uint64(0)
		switch in.Op {
		case a64.VLDPPre, a64.VSTPPre:
			offset = in.Imm
		}
		access := func(va uint64) bool {
			c.PC, c.el = codeAddr, 1
			for i := range c.V {
				c.V[i] = [2]uint64{uint64(i)*0x0101010101010101 + 1, ^uint64(i)}
			}
			c.X[1], c.X[2] = va-offset, 0x123
			return c.execSIMDMemory(&in)
		}
		memory := func() []byte {
			p := make([]byte, 0x2000)
			b.Read(pageA, p, bus.Attr{})
			return p
		}
		unchanged := func(where string, base uint64, before []byte, far uint64) {
			t.Helper()
			for i := range c.V {
				if c.V[i] != [2]uint64{uint64(i)*0x0101010101010101 + 1, ^uint64(i)} {
					t.Errorf("%s %s: V%d changed", a.name, where, i)
				}
			}
			if c.X[1] != base || !bytes.Equal(before, memory()) {
				t.Errorf("%s %s: the base or memory changed", a.name, where)
			}
			if c.sys.far[1] != far || c.sys.esr[1]>>26 != 0x25 {
				t.Errorf("%s %s: FAR %#x ESR %#x, want FAR %#x", a.name, where, c.sys.far[1], c.sys.esr[1], far)
			}
		}
		if !access(0x1000 - a.bytes) {
			t.Errorf("%s: fails at the end of the page", a.name)
		}
		for _, inside := range []uint64{1, a.bytes / 2, a.bytes - 1} {
			before := memory()
			va := 0x1000 - inside
			if access(va) {
				t.Errorf("%s: succeeds with %d bytes in a page that is not mapped", a.name, a.bytes-inside)
				continue
			}
			unchanged("upper page", va-offset, before, c.sys.far[1])
			if far := c.sys.far[1]; far < 0x1000 || far >= 0x1000+a.bytes {
				t.Errorf("%s: FAR is %#x", a.name, far)
			}
			va = 0x2000 - inside
			if access(va) {
				t.Errorf("%s: succeeds with %d bytes in a page that is not mapped", a.name, inside)
				continue
			}
			unchanged("lower page", va-offset, before, va)
		}
	}
}

// BenchmarkVectorCopy runs a loop of a load and a store: 4 instructions each time.
func BenchmarkVectorCopy(b *testing.B) {
	for _, p := range []struct {
		name        string
		load, store uint32
	}{
		{"ldr-q", 0x3dc00020, 0x3d800040},
		{"ldr-q-post", 0x3cc10420, 0x3cdf0420}, // forth and back
		{"ldp-q", 0xad400420, 0xad000440},
		{"ld1", 0x4c407020, 0x4c007040},
		{"ld4", 0x4c400020, 0x4c000040},
	} {
		b.Run(p.name, func(b *testing.B) {
			const base, size = 0x40000000, 1 << 20
			ram, err := bus.NewRAM(size)
			if err != nil {
				b.Fatal(err)
			}
			defer ram.Close()
			system := &bus.Bus{}
			if err := system.Map(bus.Region{Name: "ram", Base: base, Size: size, RAM: ram}); err != nil {
				b.Fatal(err)
			}
			var program []byte
			for _, w := range []uint32{p.load, p.store, 0xf1000400, 0x54ffffa1, 0xd4000002} { // SUBS X0, X0, #1; B.NE; HVC
				program = binary.LittleEndian.AppendUint32(program, w)
			}
			system.Write(base, program, bus.Attr{})
			model, err := ModelByName("max")
			if err != nil {
				b.Fatal(err)
			}
			env := &insttestEnv{bus: system}
			var clock vtime.Clock
			c := New(Config{Model: model, Bus: system, Code: NewCode(system, a64.AllFeatures), Clock: &clock, Env: env, HVCIsCall: true})
			c.Reset(base, uint64(b.N), 1)
			c.sys.cpacr = 3 << 20
			c.stateChanged()
			c.X[1], c.X[2] = base+0x10000, base+0x20000
			b.ResetTimer()
			for !env.off {
				if clock.Begin(1_000_000) == 0 {
					clock.Expire()
					continue
				}
				c.Run()
			}
		})
	}
}
