package worldtest

import (
	"fmt"
	"math/rand/v2"
)

// Bits of FEAT_PAuth.
const (
	scrAPK = 1 << 16
	scrAPI = 1 << 17
	hcrAPK = 1 << 40
	hcrAPI = 1 << 41

	sctlrEnDB = 1 << 13
	sctlrEnDA = 1 << 27
	sctlrEnIB = 1 << 30
	sctlrEnIA = 1 << 31
	sctlrEn   = sctlrEnDB | sctlrEnDA | sctlrEnIB | sctlrEnIA
)

// pauthCases are pointer authentication (DDI 0487, D8.10), which max has: codes with random keys in every layout of a pointer, keys that
// are not in use, traps, and the branches and loads with it.
func pauthCases() (cases []testCase) {
	r := rand.New(rand.NewPCG(5, 6))
	add := func(c testCase) {
		c.only = "max"
		if c.resume == 0 {
			c.resume = 100
		}
		cases = append(cases, c)
	}
	keys := func() (s string) {
		for _, k := range []string{"apia", "apib", "apda", "apdb", "apga"} {
			s += msr(k+"keylo_el1", r.Uint64()) + msr(k+"keyhi_el1", r.Uint64())
		}
		return s
	}
	ldr := func(reg string, v uint64) string { return fmt.Sprintf("ldr %s, =%#x\n", reg, v) }
	// enable gives what turns the keys of a world on, and translation control.
	enable := func(w world, sctlr, tcr uint64) string {
		s := msr(fmt.Sprintf("sctlr_el%d", max(w.el(), 1)), []uint64{0, 0x30d00800, 0x30c50830, 0x30c50830}[max(w.el(), 1)]|sctlr)
		if w.el() == 3 {
			return s + msr("tcr_el3", tcr) + "isb\n"
		}
		return s + msr(fmt.Sprintf("tcr_el%d", max(w.el(), 1)), tcr)
	}
	same := true // both address ranges have the same size
	pointer := func() (v uint64) {
		v = r.Uint64()
		if !same {
			// The range of an address that is in neither decides how many bits it has: bit 63 in the architecture without tags (AddPAC), bit 55
			// in QEMU.
			defer func() { v = v&^(1<<55) | v>>63<<55 }()
		}
		switch r.IntN(5) {
		case 0:
			v >>= 16 + r.IntN(20)
		case 1:
			v = uint64(int64(v|1<<63) >> (16 + r.IntN(20)))
		case 2:
			v = v>>16 | v&(0xff<<56)
		case 3:
			v = uint64(int64(v|1<<63)>>16) ^ v&(0xff<<56)
		}
		return v
	}
	ops := []string{"pacia x0, x1", "pacib x0, x1", "pacda x0, x1", "pacdb x0, x1", "paciza x0", "pacizb x0", "pacdza x0", "pacdzb x0",
		"autia x0, x1", "autib x0, x1", "autda x0, x1", "autdb x0, x1", "autiza x0", "autizb x0", "autdza x0", "autdzb x0", "xpaci x0", "xpacd x0",
		"pacga x0, x0, x1", "mov x30, x0; xpaclri; mov x0, x30", "mov x17, x0; mov x16, x1; pacia1716; mov x0, x17",
		"mov x17, x0; mov x16, x1; pacib1716; mov x0, x17", "mov x17, x0; mov x16, x1; autia1716; mov x0, x17",
		"mov x17, x0; mov x16, x1; autib1716; mov x0, x17", "mov x30, x0; paciaz; mov x0, x30", "mov x30, x0; pacibz; mov x0, x30",
		"mov x30, x0; autiaz; mov x0, x30", "mov x30, x0; autibz; mov x0, x30", "mov x30, x0; paciasp; mov x0, x30",
		"mov x30, x0; pacibsp; mov x0, x30", "mov x30, x0; autiasp; mov x0, x30", "mov x30, x0; autibsp; mov x0, x30",
		"pacia x0, sp", "autia x0, sp", "pacga x0, x0, sp", "pacia xzr, x1"}
	for i := range 120 {
		w := world(r.IntN(int(el3) + 1))
		c := testCase{name: fmt.Sprintf("pauth/codes/%s/%d", w, i), in: w, scr: scrAPK | scrAPI}
		// Top bytes are ignored in both ranges or in none: with one, the architecture and QEMU take another bit for what tells the ranges
		// of an address that is in neither.
		t0sz, t1sz := uint64(r.IntN(40)), uint64(r.IntN(40))
		if same = r.IntN(2) == 0 || w.el() > 1; same {
			t1sz = t0sz
		}
		tcr := t0sz | t1sz<<16 | uint64(r.IntN(2))*(3<<37) | uint64(r.IntN(2))*(3<<51) | 1<<23 | 1<<7
		if w.el() > 1 {
			tcr = uint64(r.IntN(40)) | uint64(r.IntN(2))<<20 | uint64(r.IntN(2))<<29 | 1<<31 | 1<<23
		}
		sctlr := uint64(sctlrEn)
		if r.IntN(4) == 0 {
			sctlr &= r.Uint64() | sctlrEnDA // without any key in use, XPACI does nothing in QEMU
		}
		c.setup = keys() + enable(w, sctlr, tcr)
		if c.in.nonSecure() {
			if r.IntN(2) == 0 {
				c.noEL2 = w != ns2
			} else {
				c.hcr = hcrAPK | hcrAPI
			}
			if w == ns2 {
				c.noEL2 = false
			}
		}
		for range 14 {
			// Sign and authenticate again, at times with a bit flipped or another modifier.
			c.body += ldr("x0", pointer()) + ldr("x1", pointer())
			op := ops[r.IntN(len(ops))]
			c.body += op + "; show\n"
			if same && r.IntN(2) == 0 {
				if r.IntN(3) == 0 {
					c.body += fmt.Sprintf("eor x0, x0, #%#x\n", uint64(1)<<r.IntN(64))
				}
				k := []string{"ia", "ib", "da", "db"}[r.IntN(4)]
				c.body += fmt.Sprintf("pac%s x0, x1; show; aut%s x0, x1; show; xpac%c x0; show\n", k, k, k[0])
			}
		}
		c.body += ".ltorg\n"
		c.body = "b 7f\n6:\n" + "7:" + c.body[:len(c.body)-len(".ltorg\n")]
		add(c)
	}

	// Traps of the instructions and of the keys, with the keys in use and not.
	every := ldr("x0", 0x1234567) + ldr("x1", 0x89) + `
		pacia	x0, x1
		autdb	x0, x1
		pacizb	x0
		xpaci	x0
		pacga	x0, x0, x1
		pacda	xzr, x1
		paciasp
		autia1716
		xpaclri
		`
	for _, k := range []string{"apiakeylo", "apibkeyhi", "apdakeylo", "apdbkeyhi", "apgakeylo", "apgakeyhi"} {
		every += fmt.Sprintf("mrs x0, %s_el1; show; mov x0, #7; msr %[1]s_el1, x0; mrs x0, %[1]s_el1; show\n", k)
	}
	for w := ns0; w <= el3; w++ {
		for bits := range uint64(8) {
			for _, hcr := range []uint64{0, hcrAPK, hcrAPI, hcrAPK | hcrAPI} {
				c := testCase{name: fmt.Sprintf("pauth/trap/%s/%x/%x", w, bits, hcr>>40), in: w, scr: bits & 3 << 16, hcr: hcr, body: every}
				c.el2 = true
				c.setup = enable(w, bits>>2*sctlrEn, 0x80800000)
				add(c)
				if w == ns0 {
					c.name += "/tge"
					c.hcr |= hcrTGE
					add(c)
				}
			}
		}
	}

	// Branches and loads. Those that fail end in an abort at an address that says so.
	for w := ns0; w <= el3; w++ {
		for _, sctlr := range []uint64{sctlrEn, 0} {
			c := testCase{name: fmt.Sprintf("pauth/branch/%s/%x", w, sctlr>>31), in: w, scr: scrAPK | scrAPI, el2: true}
			if c.in.nonSecure() {
				c.hcr = hcrAPK | hcrAPI
			}
			tcr := uint64(16 | 16<<16 | 1<<23 | 1<<7)
			if w.el() > 1 {
				tcr = 16 | 1<<31 | 1<<23
			}
			c.setup = keys() + enable(w, sctlr, tcr)
			c.body = `
				mov	x9, sp
				mov	x1, #77
				adr	x0, 1f; pacia x0, x1; braa x0, x1
				mov	x0, #99; show
			1:	adr	x0, 1f; pacizb x0; brabz x0
				mov	x0, #99; show
			1:	adr	x0, 1f; pacib x0, sp; blrab x0, sp
				mov	x0, #1; show
				b	2f
			1:	mov	x0, x30; sub x0, x0, #0; paciasp; retaa
			2:	adr	x0, 1f; paciza x0; blraaz x0
				mov	x0, #2; show
				b	2f
			1:	pacibsp; retab
			2:	` + ldr("x4", scratch+64) + `
				pacdza	x4
				ldraa	x0, [x4, #16]; show
				ldraa	x0, [x4, #-64]; show
				ldraa	x0, [x4, #8]!; show
				sub	x0, x4, #64; show
				pacdzb	x4
				ldrab	x0, [x4, #4088]; show
				ldrab	x0, [x4, #-24]!; show
				mov	x0, x4; show
				ldrab	xzr, [x4]
				ldraa	x0, [x4, #8]`
			if w.el() > 0 {
				c.body += fmt.Sprintf("\nadr x0, 1f; pacia x0, x9; msr elr_el%d, x0; mrs x0, daif; mov x2, #%d; orr x0, x0, x2; msr spsr_el%[1]d, x0; mov sp, x9; eretaa; mov x0, #98; show\n1: mov x0, #3; show", w.el(), w.el()<<2|1)
				c.body += fmt.Sprintf("\nadr x0, 1f; pacib x0, x9; msr elr_el%d, x0; eretab; mov x0, #98; show\n1: mov x0, #4; show", w.el())
			} else {
				c.body += "\n.inst 0xd69f0bff, 0xd69f0fff" // ERETAA, ERETAB
			}
			add(c)
			for i, bad := range []string{"braa x0, x1", "blraaz x0", "mov x30, x0; retaa", "brab x0, x1", "autdza x0; str x1, [x0]", "ldrab x2, [x0, #8]", "ldraa x2, [x0, #8]!"} {
				c := c
				c.resume, c.name = 1, fmt.Sprintf("pauth/bad/%s/%x/%d", w, sctlr>>31, i)
				c.body = fmt.Sprintf("ldr x0, =%#x; mov x1, #5; %s", uint64(scratch), bad)
				if sctlr != 0 {
					add(c)
				}
			}
		}
	}
	return cases
}
