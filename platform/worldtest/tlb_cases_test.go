package worldtest

import (
	"fmt"
	"strings"
)

// tlbCases change translations behind accesses that may have been cached, with the maintenance that makes the change visible (DDI 0487,
// D8.13 and D8.14), and switch between regimes, address spaces and virtual machines without any.
func tlbCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	ldr := func(reg string, v uint64) string { return fmt.Sprintf("ldr %s, =%#x\n", reg, v) }
	const old, new = scratch + 0x1000, scratch + 0x2000
	marks := ""
	for i := range uint64(6) {
		marks += ldr("x0", scratch+0x1000*i) + fmt.Sprintf(`
			mov	x1, #%#x
			str	x1, [x0]
			ldr	w1, =%#x		// mov x0, #...
			str	w1, [x0, #8]
			ldr	w1, =0xd65f03c0		// ret
			str	w1, [x0, #12]
`, 0x100+i, 0xd2800000|(0x200+i)<<5)
	}
	// look prints what is at page: as data, and as the instruction that is executed there.
	look := ldr("x1", page) + "ldr x0, [x1]; show; add x1, x1, #8; adr x30, 99f; ret x1; 99: show\n"
	look1, look2 := strings.ReplaceAll(look, "99", "98"), look

	pageOf := func(w world, pa uint64) uint64 {
		d := pa | descPage | descRO | descUser
		if w == s0 || w == s1 || w == el3 {
			d |= descNS
		}
		return d
	}
	operand := func(op string, arg uint64) string {
		if strings.HasPrefix(op, "va") || strings.HasPrefix(op, "ipa") || strings.HasPrefix(op, "aside") {
			return ldr("x0", arg) + "tlbi " + op + ", x0\n"
		}
		return "tlbi " + op + "\n"
	}
	const asid = 7 << 48
	for w := ns0; w <= el3; w++ {
		base, on := regime(w)
		ops := []string{"vmalle1", "vae1", "aside1", "vaae1", "vale1", "vaale1", "alle1"}
		switch w {
		case ns2:
			ops = []string{"alle2", "vae2", "vale2"}
		case el3:
			ops = []string{"alle3", "vae3", "vale3"}
		case ns0, ns1:
			ops = append(ops, "vmalls12e1")
		}
		for _, op := range ops {
			for _, shareable := range []string{"", "is"} {
				op := op + shareable
				arg := uint64(page >> 12)
				if w != ns2 && w != el3 {
					arg |= asid
				}
				c := testCase{name: fmt.Sprintf("tlbi/%s/%s", op, w), in: w,
					el2:   strings.HasPrefix(op, "vmalls12e1") || strings.HasPrefix(op, "alle1"), // without EL2 QEMU's do nothing
					setup: marks + identity(base, 0) + mapPage(base, page, pageOf(w, old)|1<<11) + on,
					body:  look1 + "between\n" + look2}
				if w != ns2 && w != el3 {
					c.setup += msr("ttbr0_el1", base|asid)
				}
				c.between = mapPage(base, page, pageOf(w, new)|1<<11) + "dsb sy\n" + operand(op, arg) + "dsb sy; isb"
				add(c)
				// A block becomes a page, and a page becomes a block.
				c.name += "/block"
				const at = 0x4020_0000 // where the block begins in memory, as the page in it
				block := uint64(at) | pageOf(w, 0)&^2
				c.setup = strings.Replace(c.setup, mapPage(base, page, pageOf(w, old)|1<<11), setEntry(base, page, 2, block), 1)
				add(c)
				c.name += "-from-page"
				c.setup = marks + identity(base, 0) + mapPage(base, page, pageOf(w, old)) + on
				if w != ns2 && w != el3 {
					c.setup += msr("ttbr0_el1", base|asid)
				}
				c.between = setEntry(base, page, 2, block) + "dsb sy\n" + operand(op, arg) + "dsb sy; isb"
				add(c)
			}
		}
		// The instructions of the level itself.
		if w == ns1 || w == s1 || w == ns2 {
			op := "vae1"
			if w == ns2 {
				op = "vae2"
			}
			add(testCase{name: fmt.Sprintf("tlbi/own/%s", w), in: w,
				setup: marks + identity(base, 0) + mapPage(base, page, pageOf(w, old)) + on,
				body: look1 + ldr("x2", base+0x3000) + ldr("x3", pageOf(w, new)) + ldr("x0", page>>12) +
					"str x3, [x2]; dsb sy; tlbi " + op + ", x0; dsb sy; isb\n" + look2})
		}
	}
	// Stage 2: by intermediate address, with the walks of stage 1, and all.
	s2 := marks + identity(tablesS2, 1) + mapPage(tablesS2, page, old|s2Page) + stage2(tablesS2)
	for _, w := range []world{ns0, ns1} {
		for _, op := range []string{"ipas2e1", "ipas2le1", "vmalls12e1", "alle1"} {
			for _, shareable := range []string{"", "is"} {
				c := testCase{name: fmt.Sprintf("tlbi/stage2/%s%s/%s", op, shareable, w), in: w, hcr: hcrVM, setup: s2,
					body: look1 + "between\n" + look2}
				c.between = mapPage(tablesS2, page, new|s2Page) + "dsb sy\n" + operand(op+shareable, page>>12) + "dsb sy\n"
				if op[0] == 'i' {
					c.between += "tlbi vmalle1; dsb sy; isb"
				}
				add(c)
				c.name += "/stage1"
				c.setup += identity(tables1, 0) + mmu1(tables1)
				c.setup += setEntry(tables1, page, 2, uint64(page)|descUser|descRO|0x701)
				add(c)
			}
		}
		// Two virtual machines, by VMID and tables; back in the first one.
		vm2 := identity(tables2, 1) + mapPage(tables2, page, new|s2Page)
		add(testCase{name: fmt.Sprintf("switch/vmid/%s", w), in: w, hcr: hcrVM, setup: s2 + vm2, body: look1 + "between\n" + look2,
			between: msr("vttbr_el2", tables2|5<<48) + "isb"})
		// Stage 2 off, and on again.
		add(testCase{name: fmt.Sprintf("switch/vm/%s", w), in: w, hcr: hcrVM,
			setup: s2 + mapPage(tablesS2, scratch, new|s2Page) + identity(tables1, 0) +
				setEntry(tables1, page, 2, scratch|descUser|descRO|0x701) + mmu1(tables1), body: look1 + "between\n" + look2,
			between: "mrs x0, hcr_el2; eor x0, x0, #1; msr hcr_el2, x0; isb"})
	}
	for _, w := range []world{ns0, ns1, s0, s1} {
		base, on := regime(w)
		// Address spaces: pages that belong to one, and tables that differ.
		other := uint64(tables2)
		if w == s0 || w == s1 {
			other = tables3
		}
		spaces := marks + identity(base, 0) + mapPage(base, page, pageOf(w, old)|1<<11) + identity(other, 0) +
			mapPage(other, page, pageOf(w, new)|1<<11) + on + msr("ttbr0_el1", base|1<<48)
		add(testCase{name: fmt.Sprintf("switch/asid/%s", w), in: w, setup: spaces,
			body:    look1 + "between\n" + look2 + strings.ReplaceAll("between\n"+look, "99", "97"),
			between: fmt.Sprintf("mrs x0, ttbr0_el1; ldr x1, =%#x; eor x0, x0, x1; msr ttbr0_el1, x0; isb", (base^other)|3<<48)})
		// With 8 bits of it, and the one of TTBR1.
		add(testCase{name: fmt.Sprintf("switch/asid-a1/%s", w), in: w,
			setup:   spaces + "mrs x0, tcr_el1; orr x0, x0, #1 << 22; msr tcr_el1, x0\n" + msr("ttbr1_el1", 1<<48),
			body:    look1 + "between\n" + look2,
			between: msr("ttbr0_el1", other) + msr("ttbr1_el1", 2<<48) + "isb"})
		// Translation off and on.
		atOld := strings.NewReplacer(fmt.Sprintf("%#x", uint64(page)), fmt.Sprintf("%#x", uint64(old)))
		add(testCase{name: fmt.Sprintf("switch/m/%s", w), in: w, setup: marks + identity(base, 0) + mapPage(base, old, pageOf(w, new)) + on,
			body: atOld.Replace(look1 + "between\n" + look2), between: "mrs x0, sctlr_el1; eor x0, x0, #1; msr sctlr_el1, x0; isb"})
	}
	// The same address at one exception level in both security states and at the others, back and forth.
	for i, path := range [][]world{{ns1, s1, ns1, s1}, {s1, ns1, ns2, el3, s1}, {ns0, s0, ns0, s0}, {ns2, ns1, ns2, s1, ns2}, {el3, ns2, el3, s1, ns1, el3}} {
		setup := marks
		for n, base := range []uint64{tables1, tables2, tables3, tablesS1} {
			setup += identity(base, 0) + mapPage(base, page, scratch+0x1000*uint64(n)|descPage|descRO|descUser|descNS)
		}
		setup += mmu2(tables2) + mmu3(tables3) + msr("tcr_el1", 2<<32|1<<23|0x3500|25) + msr("sctlr_el1", 0x30d00800|0x1005)
		// EL3 goes down to each, which comes back by an exception.
		body := `
			mov	x25, #0
			mov	x26, #0
			mrs	x28, vbar_el3
			adr	x27, 2f
			msr	vbar_el3, x27
			isb
			b	1f
			.balign	2048
		2:	.rept	16
			.balign	128
			br	x29
			.endr
		1:
`
		for n, w := range path {
			tables, scr := tables1, uint64(3<<4|scrRW|scrHCE|scrNS)
			if w == s1 || w == s0 {
				tables, scr = tablesS1, scr&^scrNS
			}
			body += fmt.Sprintf(`
			adr	x29, 3%[1]df
			ldr	x0, =%#[2]x
			msr	scr_el3, x0
			ldr	x0, =%#[3]x
			msr	ttbr0_el1, x0
			adr	x0, 4%[1]df
			msr	elr_el3, x0
			mov	x0, #%#[4]x
			msr	spsr_el3, x0
			isb
			eret
		4%[1]d:	ldr	x1, =%#[5]x
			ldr	x0, [x1]
			add	x1, x1, #8
			mov	x2, x0
			adr	x30, 5%[1]df
			ret	x1
		5%[1]d:
`, n, scr, tables, 0x3c0|w.el()<<2|min(w.el(), 1), uint64(page))
			if w.el() == 0 {
				body += "ldr x0, [x3]; nop\n" // to EL1, whose vector calls EL3
			} else {
				body += "smc #1\n"
			}
			body += fmt.Sprintf("3%d: add x26, x2, x26, lsl #16; add x25, x0, x25, lsl #16\n", n)
		}
		body += "msr vbar_el3, x28; isb; mov x0, x26; show; mov x0, x25; show"
		add(testCase{name: fmt.Sprintf("switch/worlds/%d", i), in: el3, el2: true, scr: scrNS, setup: setup, body: body})
	}
	return cases
}
