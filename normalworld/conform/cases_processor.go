package conform

import (
	"encoding/binary"
	"fmt"

	"gatehouse/smc"
)

// A processor that probes memory all the time. Its x0 is a block of 64-bit words: the address (0), the value read last (8), how
// often it has done so (16), ESR_EL1 and FAR_EL1 of the exception that ended it (24, 32), and what it does (40): 0 reads a byte, 2
// jumps to the address, any other value is written there.
var prober = [...]uint32{
	0x1000_4002, // adr x2, 800
	0xD518_C002, // msr vbar_el1, x2
	0xD503_3FDF, // isb
	0xF940_0001, // ldr x1, [x0]
	0xF940_1407, // ldr x7, [x0, #40]
	0xB400_00E7, // cbz x7, 30
	0x3708_0187, // tbnz w7, #1, 48
	0x3900_0027, // strb w7, [x1]
	0xF940_0804, // ldr x4, [x0, #16]
	0x9100_0484, // add x4, x4, #0x1
	0xF900_0804, // str x4, [x0, #16]
	0x17FF_FFFC, // b 1c
	0x3940_0023, // ldrb w3, [x1]
	0xF900_0403, // str x3, [x0, #8]
	0xF940_0804, // ldr x4, [x0, #16]
	0x9100_0484, // add x4, x4, #0x1
	0xF900_0804, // str x4, [x0, #16]
	0x17FF_FFFB, // b 30
	0xD61F_0020, // br x1
}

// handler is where its vectors of synchronous exceptions and of SError lead: it stores ESR_EL1 and FAR_EL1, and stays.
var handler = [...]uint32{
	0xD538_5205, // mrs x5, esr_el1
	0xD538_6006, // mrs x6, far_el1
	0xA901_9805, // stp x5, x6, [x0, #24]
	0xD503_207F, // wfi
	0x17FF_FFFF, // b a0c
}

// counter is what it jumps to: it counts in the same block.
var counter = [...]uint32{
	0xF940_0804, // ldr x4, [x0, #16]
	0x9100_0484, // add x4, x4, #0x1
	0xF900_0804, // str x4, [x0, #16]
	0x17FF_FFFD, // b 0
}

const (
	probeVectors = 0x800 // behind prober
	vectorSync   = 0x200 // current EL with SPx
	vectorSError = 0x380
	probeBlock   = 0x1000

	probeReads  = 0
	probeWrites = 0x55
	probeJumps  = 2
)

func codeBytes(words []uint32) (b []byte) {
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// startProbe starts the second processor on an address.
func (t *T) startProbe(addr, what uint64) {
	t.write(t.buf, codeBytes(prober[:]))
	t.write(t.buf+probeVectors+vectorSync, codeBytes(handler[:]))
	t.write(t.buf+probeVectors+vectorSError, codeBytes(handler[:]))
	block := make([]byte, 48)
	binary.LittleEndian.PutUint64(block, addr)
	binary.LittleEndian.PutUint64(block[40:], what)
	t.write(t.buf+probeBlock, block)
	t.cpuOn("CPU_ON", result(smc.PSCISuccess), t.MPIDR[1], t.buf, t.buf+probeBlock)
}

// probe starts it, and sees it at work.
func (t *T) probe(addr, what uint64) {
	t.startProbe(addr, what)
	t.runs()
	if n, esr := t.probed(16), t.probed(24); n == 0 || esr != 0 {
		t.failf("a processor that probes", "it has probed %#x %d times, ESR_EL1 %#x", addr, n, esr)
	}
}

// probed reads a word of the block.
func (t *T) probed(off uint64) uint64 {
	return binary.LittleEndian.Uint64(t.read(t.buf+probeBlock+off, 8))
}

// ended says that the processor was stopped by an exception of one of some classes (ESR_EL1.EC), or, where denials are silent
// and it still can go on, nothing.
func (t *T) ended(what string, classes ...uint64) {
	t.runs()
	n, esr := t.probed(16), t.probed(24)
	if t.Silent && esr == 0 {
		return
	}
	ok := false
	for _, c := range classes {
		ok = ok || esr>>26 == c
	}
	if !ok {
		t.failf(fmt.Sprintf("an exception of class %#x", classes), "%s: ESR_EL1 is %#x after %d times", what, esr, n)
	}
}

// Exception classes (ESR_ELx.EC).
const (
	classUnknown    = 0x00
	classFetchAbort = 0x21 // without a change of level
	classDataAbort  = 0x25
	classSError     = 0x2F
)

// processorCases have the second processor at work on memory while it is lent: what it has cached of the access decision and of
// the instructions must not outlive the lend.
func processorCases() []Case {
	rule := tzcRule("REGION_ID_ACCESS")
	var cases []Case
	for _, a := range []abi{overFFA, overSMC} {
		needs := a.need() | NeedFirewall | NeedRun | NeedCPUs
		cases = append(cases,
			Case{Name: fmt.Sprintf("%v-processor-reads", a), Rule: rule, Needs: needs,
				Why: "A processor that reads memory over and over loses it with the lend, whatever it has cached.",
				Run: over(a, func(t *T) {
					r := Range{t.pool, 4 * page}
					t.ready(r)
					at := r.Base + page
					t.probe(at, probeReads)
					if got := t.probed(8); byte(got) != patternByte(at) {
						t.failf("the contents", "before the lend it reads %#x", got)
					}
					p := t.protect(r.Base, r.Size, useCase)
					t.plant(at)
					t.ended("reading lent memory", classDataAbort, classSError)
					if got := byte(t.probed(8)); got == secret[0] || t.Silent && got != 0 {
						t.failf("no secret in a register", "the processor read %#x", got)
					}
					t.unprotect(p)
					t.returned("after the reclaim", r)
				})},
			Case{Name: fmt.Sprintf("%v-processor-writes", a), Rule: rule, Needs: needs,
				Why: "A processor that writes to memory over and over changes nothing once it is lent.",
				Run: over(a, func(t *T) {
					r := Range{t.pool, 4 * page}
					t.ready(r)
					at := r.Base + page
					t.probe(at, probeWrites)
					p := t.protect(r.Base, r.Size, useCase)
					t.plant(at)
					t.ended("writing to lent memory", classDataAbort, classSError)
					if got := t.inPool(at); got != secret[0] {
						t.failf("contents stay", "the pool holds %#x, a master of the secure path wrote %#x", got, secret[0])
					}
					t.unprotect(p)
					t.returned("after the reclaim", r)
				})},
			Case{Name: fmt.Sprintf("%v-processor-executes", a), Rule: rule, Needs: needs,
				Why: "A processor that executes from memory cannot go on when it is lent, whatever it has decoded.",
				Run: over(a, func(t *T) {
					r := Range{t.pool, 4 * page}
					t.ready(r)
					at := r.Base + page
					t.write(at, codeBytes(counter[:]))
					t.probe(at, probeJumps)
					p := t.protect(r.Base, r.Size, useCase)
					t.ended("executing lent memory", classFetchAbort, classUnknown)
					n := t.probed(16)
					t.runs()
					if again := t.probed(16); again != n {
						t.failf("a processor that has stopped", "it went on from %d to %d", n, again)
					}
					t.unprotect(p)
					t.returned("after the reclaim", r)
				})},
			Case{Name: fmt.Sprintf("%v-processor-beside", a), Rule: rule, Needs: needs,
				Why: "A processor at work in the page beside is not disturbed by lend and reclaim.",
				Run: over(a, func(t *T) {
					r := Range{t.pool, 4 * page}
					t.ready(r)
					t.probe(r.End(), probeReads)
					goesOn := func(what string) {
						before := t.probed(16)
						t.runs()
						if n, esr := t.probed(16), t.probed(24); n <= before || esr != 0 {
							t.failf("a processor that goes on", "%s: %d times, then %d, ESR_EL1 %#x", what, before, n, esr)
						}
					}
					p := t.protect(r.Base, r.Size, useCase)
					goesOn("beside lent memory")
					t.unprotect(p)
					goesOn("after the reclaim")
				})},
			Case{Name: fmt.Sprintf("%v-processor-afterwards", a), Rule: rule, Needs: needs,
				Why: "A processor that comes after the reclaim reads zeros, and can write.",
				Run: over(a, func(t *T) {
					r := Range{t.pool, 4 * page}
					t.ready(r)
					p := t.protect(r.Base, r.Size, useCase)
					t.plant(r.Base + page)
					t.unprotect(p)
					t.probe(r.Base+page, probeReads)
					if got := t.probed(8); got != 0 {
						t.failf("zeros", "the processor reads %#x", got)
					}
				})},
		)
	}
	return append(cases, Case{Name: "processor-reads-carve-out", Rule: rule, Needs: NeedFirewall | NeedRun | NeedCPUs, Variant: StaticPool,
		Why: "A processor cannot read the carve-out.", Run: func(t *T) {
			t.plant(t.Carveout.Base)
			t.startProbe(t.Carveout.Base, probeReads)
			t.ended("reading the carve-out", classDataAbort, classSError)
			if got := t.probed(8); got != 0 {
				t.failf("nothing in a register", "the processor read %#x", got)
			}
		}}, Case{Name: "processor-reads-secure-ram", Rule: tzcRule("Security state of transactions"), Needs: NeedSecureRAM | NeedRun | NeedCPUs,
		Why: "A processor in the normal world cannot read secure RAM.", Run: func(t *T) {
			t.startProbe(t.SecureRAM.Base, probeReads)
			t.runs()
			if esr := t.probed(24); esr>>26 != classDataAbort && esr>>26 != classSError {
				t.failf("an external abort", "reading secure RAM: ESR_EL1 is %#x", esr)
			}
		}})
}
