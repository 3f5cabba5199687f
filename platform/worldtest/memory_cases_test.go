package worldtest

import (
	"fmt"
	"regexp"
	"strconv"
)

// Addresses that the cases use. QEMU's board and this one have nothing at nowhere.
const (
	nowhere    = 0x09200000
	secureRAM  = 0x0e200000
	secureUART = 0x09040000
	scratch    = 0x40200000 // runtime.h
	page       = 0x60000000 // where cases map pages
	tables1    = 0x40400000 // trees of tables: of Non-secure EL1, EL2, stage 2; in Secure memory of EL3 and Secure EL1
	tables2    = 0x40410000
	tablesS2   = 0x40420000
	tables3    = 0x0e100000
	tablesS1   = 0x0e110000
)

// Stage 1 descriptors: pages of Normal memory with the access flag.
const (
	descPage = 0x703
	descNS   = 1 << 5
	descUser = 1 << 6
	descRO   = 1 << 7
	descAF   = 1 << 10
	descPXN  = 1 << 53
	descXN   = 1 << 54

	// s2Page is a page of stage 2: Normal, readable and writable, with the access flag.
	s2Page = 0x7ff
)

func identity(base uint64, stage2 int) string {
	return fmt.Sprintf("ldr x0, =%#x; mov x1, #%d; bl identity\n", base, stage2)
}

func mapPage(base, va, desc uint64) string {
	return fmt.Sprintf("ldr x0, =%#x; ldr x1, =%#x; ldr x2, =%#x; bl map\n", base, va, desc)
}

// setEntry sets the descriptor of level 1 or 2 that va is translated by.
func setEntry(base, va uint64, level int, desc uint64) string {
	return fmt.Sprintf("ldr x0, =%#x; ldr x1, =%#x; mov w2, #%d; bl entry; ldr x1, =%#x; str x1, [x0]\n", base, va, level, desc)
}

// mmu1, mmu2, mmu3 and stage2 turn translation on with the tables at base.
func mmu1(base uint64) string {
	return msr("ttbr0_el1", base) + msr("tcr_el1", 2<<32|1<<23|0x3500|25) + msr("sctlr_el1", 0x30d00800|0x1005)
}

func mmu2(base uint64) string {
	return msr("ttbr0_el2", base) + msr("tcr_el2", 0x80800000|2<<16|0x3500|25) + msr("sctlr_el2", 0x30c50830|0x1005)
}

func mmu3(base uint64) string {
	return msr("ttbr0_el3", base) + msr("tcr_el3", 0x80800000|2<<16|0x3500|25) + "isb\n" + msr("sctlr_el3", 0x30c50830|0x1005) + "isb\n"
}

func stage2(base uint64) string {
	return msr("vttbr_el2", base) + msr("vtcr_el2", 0x80000000|2<<16|0x3500|1<<6|25)
}

// regime gives the tables of a world's translation regime, and how it is turned on.
func regime(w world) (base uint64, on string) {
	switch w {
	case ns0, ns1:
		return tables1, mmu1(tables1)
	case ns2:
		return tables2, mmu2(tables2)
	case el3:
		return tables3, mmu3(tables3)
	}
	return tablesS1, mmu1(tablesS1)
}

// accesses are loads, stores and a fetch at x1.
const accesses = `
	ldr	x0, [x1]
	str	x0, [x1]
	ldrb	w0, [x1, #1]
	ldrh	w0, [x1, #2]
	strh	w0, [x1, #2]
	ldr	w0, [x1], #4
	str	w0, [x1, #4]!
	ldp	x2, x3, [x1]
	stp	x2, x3, [x1]
	ldr	d0, [x1]
	str	q0, [x1]
	ldxr	x0, [x1]
	ldar	x0, [x1]
	stlr	x0, [x1]
	ldtr	x0, [x1]
	sttr	x0, [x1]
	prfm	pldl1keep, [x1]
	mov	x0, x1
	show
	ret	x1
`

// memoryCases are external aborts, the two physical address spaces, and translation at each level.
func memoryCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	ldr := func(reg string, v uint64) string { return fmt.Sprintf("ldr %s, =%#x\n", reg, v) }

	for w := ns0; w <= el3; w++ {
		for _, scr := range []uint64{0, scrEA} {
			for _, hcr := range []uint64{0, hcrAMO, hcrTGE} {
				if hcr == hcrTGE && w == ns1 {
					continue
				}
				add(testCase{name: fmt.Sprintf("abort/external/%s/scr%x/hcr%x", w, scr, hcr), in: w, scr: scr, hcr: hcr, resume: 16,
					adapt: externalAborts(scr), body: ldr("x1", nowhere) + accesses})
			}
		}
		// Memory and devices of the Secure address space; what they hold is printed where it may be read.
		for _, m := range []struct {
			name string
			addr uint64
		}{{"ram", secureRAM}, {"flash", 0x100}, {"uart", secureUART + 0x18}, {"second-flash", 0x04000000}} {
			name, addr := m.name, m.addr
			body := ldr("x1", addr) + "ldr w0, [x1]; show; ldr x1, =0x40200008; ldr x0, [x1]; show\n"
			if name == "ram" {
				body = ldr("x1", addr) + "ldr w0, =0x12345678; str w0, [x1]; ldr w0, [x1]; show; ldrb w0, [x1, #1]; show\n"
			}
			add(testCase{name: fmt.Sprintf("space/%s/%s", name, w), in: w, body: body, resume: 3})
			add(testCase{name: fmt.Sprintf("space/%s/%s/ea", name, w), in: w, body: body, scr: scrEA, resume: 3,
				adapt: externalAborts(scrEA)})
			if name == "ram" {
				add(testCase{name: fmt.Sprintf("space/fetch-%s/%s", name, w), in: w,
					setup: ldr("x0", addr) + "ldr w1, =0xd65f03c0; str w1, [x0]", body: ldr("x1", addr) + "adr x30, 1f; ret x1; 1:"})
			}
			if name == "flash" {
				add(testCase{name: fmt.Sprintf("space/fetch-%s/%s", name, w), in: w,
					body: "adr x30, 1f; ldr x1, =flash_return; ret x1; 1:"})
			}
		}
		// The two address spaces by way of translation: the attribute NS of pages and tables.
		base, on := regime(w)
		for _, m := range []struct {
			name string
			pa   uint64
		}{{"secure-ram", secureRAM}, {"ram", scratch}, {"nowhere", nowhere}} {
			for _, ns := range []uint64{0, descNS} {
				body := ldr("x1", page) + "ldr x0, [x1, #8]; show; str x0, [x1]; ldr x0, [x1]; show\n"
				setup := ldr("x0", secureRAM) + "ldr x1, =0x1122334455667788; str x1, [x0, #8]\n" + identity(base, 0)
				c := testCase{in: w, body: body, resume: 5, setup: setup + mapPage(base, page, m.pa|descPage|descUser|ns) + on}
				c.name = fmt.Sprintf("map/%s/%s/ns%d", w, m.name, ns>>5)
				add(c)
				c.name = fmt.Sprintf("map/%s/%s/ns%d/table", w, m.name, ns>>5)
				c.setup = setup + mapPage(base, page, m.pa|descPage|descUser|ns) + nsTable(base) + on
				add(c)
			}
		}
	}
	return cases
}

// nsTable sets NSTable in the descriptor of level 2 that page is translated by.
func nsTable(base uint64) string {
	return fmt.Sprintf("ldr x0, =%#x; ldr x1, =%#x; mov w2, #2; bl entry; ldr x1, [x0]; orr x1, x1, #1 << 63; str x1, [x0]\n", base, uint64(page))
}

var dataAbortLine = regexp.MustCompile(`(?m)^( EL2\+[0-9a-f]+ esr=)(9[2-7][0-9a-f]{6})( .*)$`)

// withoutISV takes the instruction's syndrome, ISS bits 24 to 14, out of data aborts at EL2 that are no stage 2 faults: it is valid
// for these only (D19.2.37, ISS encoding of a Data Abort). For external aborts on a stage 2 walk it is IMPLEMENTATION DEFINED
// (AArch64.FaultSyndrome). QEMU fills it in for all that come to EL2.
func withoutISV(text string, stage2 bool) string {
	return dataAbortLine.ReplaceAllStringFunc(text, func(line string) string {
		m := dataAbortLine.FindStringSubmatch(line)
		esr, err := strconv.ParseUint(m[2], 16, 64)
		if err != nil {
			panic(err)
		}
		if esr>>26 == 0x25 || !stage2 || esr>>2&15 == 5 {
			esr &^= 0x7ff << 14
		}
		return fmt.Sprintf("%s%x%s", m[1], esr, m[3])
	})
}

var esrField = regexp.MustCompile(`esr=([89][0-9a-f]{7})`)

// stage2Level sets the level of stage 2 faults on a walk of stage 1: it is that of the stage 2 walk (D8.15, AArch64.S2Walk). QEMU gives
// the level of the stage 1 descriptor.
func stage2Level(level uint64) func(string) string {
	return func(text string) string {
		return esrField.ReplaceAllStringFunc(text, func(field string) string {
			esr, err := strconv.ParseUint(field[len("esr="):], 16, 64)
			if err != nil {
				panic(err)
			}
			if esr>>7&1 != 0 {
				esr = esr&^3 | level
			}
			return fmt.Sprintf("esr=%x", esr)
		})
	}
}

var parLine = regexp.MustCompile(`(?m)^ x0=([0-9a-f]+)$`)

// parLevel is stage2Level for what PAR_EL1 says of stage 2 faults on a walk of stage 1.
func parLevel(level uint64) func(string) string {
	const f, ptw = 1 << 0, 1 << 8
	return func(text string) string {
		return parLine.ReplaceAllStringFunc(text, func(line string) string {
			par, err := strconv.ParseUint(line[len(" x0="):], 16, 64)
			if err != nil {
				panic(err)
			}
			if par&(f|ptw) == f|ptw {
				par = par&^(3<<1) | level<<1
			}
			return fmt.Sprintf(" x0=%x", par)
		})
	}
}

var abortLine = regexp.MustCompile(`(?m)^ EL[12]\+[0-9a-f]+ esr=([0-9a-f]+) (.*?)( hpfar=[0-9a-f]+)? at=[0-9a-f]+$`)

// externalAborts is what SCR_EL3.EA asks for: synchronous external aborts from lower levels go to EL3 (D1.3.6, AArch64.Abort).
// QEMU takes them where other aborts go.
func externalAborts(scr uint64) func(string) string {
	if scr&scrEA == 0 {
		return nil
	}
	return func(text string) string {
		return abortLine.ReplaceAllStringFunc(text, func(line string) string {
			m := abortLine.FindStringSubmatch(line)
			esr, err := strconv.ParseUint(m[1], 16, 64)
			if err != nil {
				panic(err)
			}
			ec, status := esr>>26, esr&0x3f
			if ec < 0x20 || ec > 0x25 || ec == 0x22 || ec == 0x23 || status != 0x10 && status>>2 != 5 {
				return line
			}
			ec &^= 1 // from a lower exception level
			return fmt.Sprintf(" EL3+400 esr=%x %s at=3cd", ec<<26|esr&0x3ffffff, m[2])
		})
	}
}
