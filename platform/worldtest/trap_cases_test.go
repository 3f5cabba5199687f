package worldtest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"gatehouse/platform/cpu"
)

// trapTable are the instructions that a trap may be set for: every register that this machine knows by name, those of the GIC,
// system instructions with an address in x0, and a few instructions that use the V registers.
func trapTable() string {
	var b strings.Builder
	b.WriteString("	.balign 4\ntrap_table:\n")
	word := func(w uint32) { fmt.Fprintf(&b, "	.word %#x\n", w) }
	for key := 1 << 14; key < 1<<16; key++ {
		op0, op1, crn, crm, _ := fields(uint16(key))
		name := cpu.SysName(uint16(key))
		gic := op0 == 3 && crn == 12 && (op1 == 0 || op1 == 4 || op1 == 6) && crm >= 8 && crm <= 13
		if gic || !strings.HasPrefix(name, fmt.Sprintf("S%d_", op0)) {
			word(0xd5000000 | uint32(key)<<5)
		}
	}
	b.WriteString("trap_table_end:\n")
	for _, w := range []uint32{
		0x1e604020, // fmov d0, d1
		0x9e660000, // fmov x0, d0
		0x4e228420, // add v0.16b, v1.16b, v2.16b
		0x3dc00020, // ldr q0, [x1]
		0x2c000420, // stnp s0, s1, [x1]
		0xd53b4400, // mrs x0, fpcr
		0xd51b4420, // msr fpsr, x0
	} {
		word(w)
	}
	b.WriteString("trap_table_fp_end:\n")
	return b.String()
}

// trapBody executes the table: the register of each entry is read, and written with what was read.
const trapBody = `
		adr	x23, trap_table
		adr	x24, trap_table_end
		adr	x25, trap_table_fp_end
		adr	x22, 2f
	1:	ldr	w19, [x23], #4
		ldr	x0, =0x40200000
		mov	x1, x0
		cmp	x23, x24
		b.hi	5f
		eor	w19, w19, #1 << 21
		bl	3f
		eor	w19, w19, #1 << 21
	5:	bl	3f
		cmp	x23, x25
		b.ne	1b
		b	4f
	3:	str	w19, [x22]
		dsb	ish			// cache maintenance may be what is trapped, and needs none on both machines
		isb
	2:	nop
		executed
		ret
	4:
`

// trapCases set one trap after the other and execute everything that a trap may be for (DDI 0487, D1.3.8 and the registers in D19).
func trapCases() (cases []testCase) {
	add := func(name string, c testCase) {
		c.name = fmt.Sprintf("trap/%s/%s", name, c.in)
		c.body, c.resume, c.quiet, c.only = trapBody, always, quietUndefined|quietExecuted|quietNoted, "cortex-a57"
		cases = append(cases, c)
	}
	lower := []world{ns0, ns1, s0, s1}
	const uci = 1 << 26
	all := uint64(0x30d00800 | uci | 1<<9 | 1<<14 | 1<<15 | 1<<16 | 1<<18) // UCI, UMA, DZE, UCT, nTWI, nTWE
	open := msr("sctlr_el1", all) + msr("cntkctl_el1", 0x303) + msr("pmuserenr_el0", 15)

	for w := ns0; w <= el3; w++ {
		add("none", testCase{in: w, setup: open})
		cases[len(cases)-1].quiet ^= quietNoted | noteUndefined
	}
	for bit := range 38 {
		switch uint64(1) << bit {
		case hcrVM, hcrDC, hcrTSC, hcrRW: // change translation or the calls that end a case
			continue
		}
		if bit == 34 || bit == 35 {
			continue
		}
		for _, w := range lower {
			if bit == 27 && w == ns1 {
				continue
			}
			c := testCase{in: w, hcr: 1 << bit, setup: open}
			if bit == 27 {
				c.setup += msr("sctlr_el2", 0x30c50830|uci)
			}
			add(fmt.Sprintf("hcr-bit%d", bit), c)
		}
	}
	for _, w := range []world{ns0, ns1, ns2, s0, s1, el3} {
		for _, bit := range []int{10, 20, 31} {
			add(fmt.Sprintf("cptr_el3-bit%d", bit), testCase{in: w, setup: open + msr("cptr_el3", 1<<bit)})
			add(fmt.Sprintf("cptr_el2-bit%d", bit), testCase{in: w, el2: true, setup: open + msr("cptr_el2", 0x33ff&^(1<<10)|1<<bit)})
			add(fmt.Sprintf("cptr-both-bit%d", bit), testCase{in: w, el2: true,
				setup: open + msr("cptr_el2", 0x33ff&^(1<<10)|1<<bit) + msr("cptr_el3", 1<<bit)})
		}
		for _, v := range []uint64{0, 1 << 20, 2 << 20, 3 << 20, 1<<28 | 3<<20} {
			add(fmt.Sprintf("cpacr-%x", v>>20), testCase{in: w, setup: open + msr("cpacr_el1", v)})
			if w == ns0 {
				add(fmt.Sprintf("cpacr-tge-%x", v>>20), testCase{in: w, hcr: hcrTGE,
					setup: open + msr("sctlr_el2", 0x30c50830|uci) + msr("cpacr_el1", v)})
			}
		}
		for _, bit := range []int{5, 6, 7, 8, 9, 10, 11} {
			add(fmt.Sprintf("mdcr_el2-bit%d", bit), testCase{in: w, el2: true, setup: open + msr("mdcr_el2", 1<<bit)})
		}
		for _, bit := range []int{6, 9, 10, 16, 17} {
			add(fmt.Sprintf("mdcr_el3-bit%d", bit), testCase{in: w, setup: open + msr("mdcr_el3", 1<<bit)})
		}
		for _, bit := range []int{0, 1, 2, 3, 8, 11, 12, 13} {
			add(fmt.Sprintf("scr-bit%d", bit), testCase{in: w, scr: 1 << bit &^ scrNS, setup: open})
		}
		for _, bit := range []int{10, 11, 12, 13, 14} {
			add(fmt.Sprintf("ich_hcr-bit%d", bit), testCase{in: w, el2: true, setup: open + msr("s3_4_c12_c11_0", 1<<bit)})
		}
		add("hstr", testCase{in: w, el2: true, setup: open + msr("hstr_el2", 0xffff)})
		add("oslock", testCase{in: w, setup: open + msr("oslar_el1", 1)})
	}
	for _, w := range []world{ns0, ns1, s0, s1} {
		for v := range uint64(4) {
			add(fmt.Sprintf("cnthctl-%x", v), testCase{in: w, el2: true, setup: open + msr("cnthctl_el2", v)})
		}
		for _, hcr := range []uint64{hcrTSW | hcrTPU, hcrTVM | hcrTRVM, hcrTID0 | hcrTID1 | hcrTID2 | hcrTID3, hcrIMO | hcrFMO, hcrIMO | hcrFMO | hcrTGE} {
			if hcr&hcrTGE != 0 && w == ns1 {
				continue
			}
			add(fmt.Sprintf("hcr-%x", hcr), testCase{in: w, hcr: hcr, setup: open + msr("sctlr_el2", 0x30c50830|uci)})
		}
	}
	for _, w := range []world{ns0, s0} {
		for _, bit := range []int{9, 14, 15, 26} {
			add(fmt.Sprintf("sctlr_el1-without-bit%d", bit), testCase{in: w, setup: open + msr("sctlr_el1", all&^(1<<bit)|uci)})
		}
		for _, v := range []uint64{0, 1, 2, 4, 0x100, 0x200, 3, 0x300} {
			add(fmt.Sprintf("cntkctl-%x", v), testCase{in: w, setup: open + msr("cntkctl_el1", v)})
			if w == ns0 {
				add(fmt.Sprintf("cntkctl-cnthctl-%x", v), testCase{in: w, el2: true,
					setup: open + msr("cntkctl_el1", v) + msr("cnthctl_el2", 0)})
				add(fmt.Sprintf("cntkctl-tge-%x", v), testCase{in: w, hcr: hcrTGE,
					setup: open + msr("sctlr_el2", 0x30c50830|uci) + msr("cntkctl_el1", v)})
			}
		}
		for v := range uint64(16) {
			add(fmt.Sprintf("pmuserenr-%x", v), testCase{in: w, setup: open + msr("pmuserenr_el0", v)})
		}
		add("pmuserenr-mdcr", testCase{in: w, el2: true, setup: open + msr("pmuserenr_el0", 0) + msr("mdcr_el2", 1<<6)})
		add("mdscr.tdcc", testCase{in: w, setup: open + msr("mdscr_el1", 1<<12)})
		add("tvm-tge", testCase{in: w, hcr: hcrTVM | hcrTGE, setup: open + msr("sctlr_el2", 0x30c50830|uci)})
	}
	// Many at once, as they fall. What QEMU does not do (exclusions) is left out: MDCR_EL2.TPMCR, user enables of the PMU, different
	// enables for the two users of the physical counter.
	r := rand.New(rand.NewPCG(1, 2))
	some := func(bits uint64) uint64 { return bits & r.Uint64() & (r.Uint64() | r.Uint64()) }
	for i := range 60 {
		w := world(r.IntN(int(el3) + 1))
		hcr := some(1<<34-1) &^ (hcrVM | hcrDC | hcrTSC | hcrRW)
		if w == ns1 {
			hcr &^= hcrTGE
		}
		setup := msr("sctlr_el1", 0x30d00800|some(uci|1<<9|1<<14|1<<15)) + msr("cpacr_el1", some(1<<28|3<<20)) +
			msr("cptr_el2", 0x33ff&^(1<<10)|some(1<<10|1<<20|1<<31)) + msr("cptr_el3", some(1<<10|1<<20|1<<31)) +
			msr("mdcr_el2", some(0xf<<8|1<<6)) + msr("mdcr_el3", some(3<<9|1<<6)) + msr("cntkctl_el1", some(0x303)) +
			msr("cnthctl_el2", 3*(r.Uint64()&1)) + msr("pmuserenr_el0", some(1)) + msr("s3_4_c12_c11_0", some(0x1f<<10))
		add(fmt.Sprintf("random%d", i), testCase{in: w, el2: true, scr: some(scrIRQ | scrFIQ | scrEA | scrSIF | scrST | scrTWI | scrTWE),
			hcr: hcr, setup: setup})
	}
	return cases
}
