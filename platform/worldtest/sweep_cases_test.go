package worldtest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/platform/a64"
	"gatehouse/platform/cpu"
)

// sweep executes each of n instruction words from first on, which are step apart, with x0 = value.
func sweep(first, n, step uint32, value uint64) string {
	return fmt.Sprintf(`
		ldr	w19, =%#x
		ldr	w20, =%#x
		ldr	w21, =%#x
		adr	x22, 2f
	1:	str	w19, [x22]
		dc	cvau, x22
		dsb	ish
		ic	ivau, x22
		dsb	ish
		isb
		ldr	x0, =%#x
	2:	nop
		executed
		add	w19, w19, w21
		subs	w20, w20, #1
		b.ne	1b
`, first, n, step, value)
}

// sweepWrites is sweep for MSR, with the register's own value where it can be read, and else 0.
func sweepWrites(first, n uint32) string {
	return fmt.Sprintf(`
		ldr	w19, =%#x
		ldr	w20, =%#x
		adr	x22, 2f
	1:	mov	x0, #0
		eor	w19, w19, #1 << 21
		bl	3f
		eor	w19, w19, #1 << 21
		bl	3f
		add	w19, w19, #32
		subs	w20, w20, #1
		b.ne	1b
		b	4f
	3:	str	w19, [x22]
		dc	cvau, x22
		dsb	ish
		ic	ivau, x22
		dsb	ish
		isb
	2:	nop
		executed
		ret
	4:
`, first, n)
}

const always = 1 << 40 // as often as it takes

// Instruction words: MRS and MSR for op0 = 2 and 3, SYS and SYSL, all with x0.
const (
	insnMRS  = 0xd5300000
	insnMSR  = 0xd5100000
	insnSYS  = 0xd5080000
	insnSYSL = 0xd5280000
)

// sweepCases try every encoding of a system register and of a system instruction.
func sweepCases() (cases []testCase) {
	add := func(c testCase) {
		c.resume, c.quiet, c.only = always, quietUndefined, "cortex-a57"
		c.el2 = c.in != el3                           // the other levels do not show whether there is one
		c.setup += msr("sctlr_el1", 0x30d00800|1<<26) // UCI
		cases = append(cases, c)
	}
	for w := ns0; w <= el3; w++ {
		add(testCase{name: fmt.Sprintf("sweep/mrs/%s", w), in: w, body: sweep(insnMRS, 1<<15, 32, 0x5a5a)})
		if w == s0 {
			continue // like Non-secure EL0
		}
		add(testCase{name: fmt.Sprintf("sweep/msr/%s", w), in: w, body: sweepWrites(insnMSR, 1<<15)})
		add(testCase{name: fmt.Sprintf("sweep/sys/%s", w), in: w, body: sweep(insnSYS, 1<<14, 32, 0x40200000)})
		if w == ns1 || w == el3 {
			add(testCase{name: fmt.Sprintf("sweep/sysl/%s", w), in: w, body: sweep(insnSYSL, 1<<14, 32, 0x40200000)})
		}
	}
	return cases
}

// noEL2 is the suffix of the names of the boards without EL2.
const noEL2 = "/no-el2"

// exclusion is a set of registers in which QEMU and this machine differ, and why.
type exclusion struct {
	why string
	// values says that both have the register, and just its value differs.
	values bool
	// in is a part of case@board that the sweeps concerned have.
	in    string
	match func(key uint16) bool
}

// named matches registers by their names.
func named(names ...string) func(uint16) bool {
	return func(key uint16) bool { return slices.Contains(names, cpu.SysName(key)) }
}

// fields takes an encoding apart.
func fields(key uint16) (op0, op1, crn, crm, op2 uint16) {
	return key >> 14, key >> 11 & 7, key >> 7 & 15, key >> 3 & 15, key & 7
}

var pmuUser = named("PMSWINC_EL0", "PMSELR_EL0", "PMCCNTR_EL0", "PMXEVCNTR_EL0")

var exclusions = []exclusion{
	{"counts time or instructions, or follows what does", true, "", named("CNTP_CVAL_EL0", "CNTV_CVAL_EL0", "CNTHP_CVAL_EL2",
		"CNTPS_CVAL_EL1",
		"CNTPCT_EL0", "CNTVCT_EL0", "CNTP_TVAL_EL0", "CNTV_TVAL_EL0", "CNTHP_TVAL_EL2",
		"CNTPS_TVAL_EL1", "PMCCNTR_EL0")},
	{"IMPLEMENTATION DEFINED (D18.3.1)", false, "", func(key uint16) bool {
		_, _, crn, _, _ := fields(key)
		return crn == 11 || crn == 15
	}},
	{"identification of AArch32, which is not implemented (D19.2: the fields are UNKNOWN)", true, "", func(key uint16) bool {
		op0, op1, crn, crm, _ := fields(key)
		return op0 == 3 && op1 == 0 && crn == 0 && crm >= 1 && crm <= 3
	}},
	{"states what this machine implements: no AArch32, no big-endian data, the GIC, CSV2 and CSV3", true, "", named("ID_AA64PFR0_EL1",
		"ID_AA64MMFR0_EL1")},
	{"no event counters: PMCR_EL0.N, and MDCR_EL2.HPMN with it", true, "", named("PMCR_EL0", "PMCEID0_EL0", "MDCR_EL2")},
	{"no event counters: PMEVCNTR<n>_EL0 and PMEVTYPER<n>_EL0", false, "", func(key uint16) bool {
		op0, op1, crn, crm, _ := fields(key)
		return op0 == 3 && op1 == 3 && crn == 14 && (crm == 8 || crm == 12)
	}},
	{"not implemented by QEMU", false, "", named("OSDTRRX_EL1", "OSDTRTX_EL1", "OSECCR_EL1", "DBGPRCR_EL1", "DBGCLAIMSET_EL1",
		"DBGCLAIMCLR_EL1",
		"DBGAUTHSTATUS_EL1", "DBGDTR_EL0", "DBGDTRRX_EL0")},
	{"QEMU's reads leave the register that they should write alone", true, "", named("MDCCINT_EL1", "DBGVCR32_EL2")},
	{"QEMU says that Disable Security is not supported, while its GICD_CTLR.DS can be set", true, "", func(key uint16) bool {
		return key == a64.Sys(3, 6, 12, 12, 4) // ICC_CTLR_EL3.nDS
	}},
	{"the hypervisor's GIC registers are RES0 from EL3 without EL2 (IHI 0069, 12.4); QEMU has none", false, noEL2, func(key uint16) bool {
		op0, op1, crn, crm, _ := fields(key)
		return op0 == 3 && op1 == 4 && crn == 12 && crm >= 8 && key != a64.Sys(op0, op1, crn, 9, 5) // ICC_SRE_EL2
	}},
	{"MDCR_ELx.TPM traps what PMUSERENR_EL0.{SW, CR, ER} let EL0 do; in QEMU these bits go around it", false,
		"mdcr_el2-bit6/ns-el0", pmuUser},
	{"MDCR_ELx.TPM traps what PMUSERENR_EL0.{SW, CR, ER} let EL0 do; in QEMU these bits go around it", false, "mdcr_el3-bit6/", pmuUser},
	{"QEMU has no MDCR_EL2.TPMCR", false, "mdcr_el2-bit5/", named("PMCR_EL0")},
	{"MDSCR_EL1.TDCC traps EL0 to EL1; QEMU has none", false, "mdscr.tdcc/", named("MDCCSR_EL0")},
	{"CNTHCTL_EL2.EL1PCTEN traps CNTPCT_EL0; QEMU looks at EL1PCEN for EL0", false, "trap/cnthctl-1/ns-el0", named("CNTPCT_EL0")},
	{"CNTHCTL_EL2.EL1PCTEN traps CNTPCT_EL0; QEMU looks at EL1PCEN for EL0", false, "trap/cnthctl-2/ns-el0", named("CNTPCT_EL0")},
	{"UNKNOWN at reset, but for M, A, C, I and RES1 bits (D19.2); QEMU has what Cortex-A57 has", true, "reset@", named("SCTLR_EL1",
		"SCTLR_EL2", "SCTLR_EL3", "CPTR_EL2")},
	{"UNDEFINED at EL3 while EL2 is not enabled (the pseudocode of each); QEMU executes it", false, "sys/el3@cortex-a57/el2",
		named("TLBI_ALLE2", "TLBI_ALLE2IS", "TLBI_VAE2", "TLBI_VAE2IS", "TLBI_VALE2", "TLBI_VALE2IS")},
}

var sweepLine = regexp.MustCompile(` w=([0-9a-f]+)(.*)\n`)

// compareSweep compares what became of each instruction word.
func compareSweep(t *testing.T, b board, name, got, want string, used []bool) {
	t.Helper()
	parse := func(text string) (order []uint32, results map[uint32]string) {
		results = map[uint32]string{}
		for _, m := range sweepLine.FindAllStringSubmatch(text, -1) {
			w, err := strconv.ParseUint(m[1], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			if results[uint32(w)] == "" {
				order = append(order, uint32(w))
			}
			results[uint32(w)] += m[2]
		}
		return order, results
	}
	here, ours := parse(got)
	there, theirs := parse(want)
	words := slices.Concat(here, there)
	slices.Sort(words)
	failures := 0
	for _, w := range slices.Compact(words) {
		g, q := ours[w], theirs[w]
		if g == q {
			continue
		}
		key := uint16(w >> 5)
		if i := slices.IndexFunc(exclusions, func(e exclusion) bool {
			return e.match(key) && strings.Contains(name+"@"+b.String(), e.in) && (!e.values || strings.Contains(g,
				"x0=") && strings.Contains(q, "x0="))
		}); i >= 0 {
			used[i] = true
			continue
		}
		if failures++; failures <= 50 {
			op0, op1, crn, crm, op2 := fields(key)
			t.Errorf("%s: %08x S%d_%d_C%d_C%d_%d %s:%s want%s", name, w, op0, op1, crn, crm, op2, cpu.SysName(key), g, q)
		}
	}
	if !strings.HasSuffix(got, " done\n") || !strings.HasSuffix(want, " done\n") {
		t.Errorf("%s: did not come to its end", name)
	}
}
