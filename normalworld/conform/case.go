package conform

import (
	"fmt"
	"slices"
	"strings"
)

// Rule is what a case holds the secure world to.
type Rule struct {
	// Document is a specification by its number (DEN0028 SMCCC, DEN0022 PSCI, DEN0077A FF-A, DEN0140 FF-A memory management,
	// DEN0098 TRNG, DDI 0504 TZC-400), a header of OP-TEE, or a file of Linux 7.2.
	Document string
	// Section is its heading, table or function. Headings stay the same between issues, their numbers do not.
	Section string
}

func (r Rule) String() string { return r.Document + ", " + r.Section }

// Need is something that a case needs of a target. A case is skipped where it is missing.
type Need uint16

// Needs.
const (
	// NeedFFA: the normal world reaches an SPMC and OP-TEE through FF-A.
	NeedFFA Need = 1 << iota
	// NeedSMC: the normal world reaches OP-TEE through its SMC ABI.
	NeedSMC
	// NeedFirewall: something denies non-secure masters the memory that was lent.
	NeedFirewall
	// NeedFrame: the firewall has a register frame on the bus.
	NeedFrame
	// NeedDMA: there is a PL080 that the normal world can program.
	NeedDMA
	// NeedCPUs: there is a second processor.
	NeedCPUs
	// NeedSecureRAM: there is memory that never was the normal world's.
	NeedSecureRAM
	// NeedRun: processors can execute instructions.
	NeedRun
	// NeedGrants: masters can be granted access to parts of pools, by the application that package optee defines for it.
	NeedGrants
	// NeedCrypto: there is the board's crypto engine, and the application that loads its keys.
	NeedCrypto
	// NeedUI: there is the application for trusted user interfaces, and the board's input device.
	NeedUI
)

var needNames = []struct {
	need Need
	text string
}{
	{NeedFFA, "no FF-A"}, {NeedSMC, "no OP-TEE SMC ABI"}, {NeedFirewall, "no firewall"}, {NeedFrame, "no firewall registers"},
	{NeedDMA, "no PL080"}, {NeedCPUs, "one processor"}, {NeedSecureRAM, "no secure RAM"}, {NeedRun, "processors cannot run"},
	{NeedGrants, "no grants"}, {NeedCrypto, "no crypto engine"},
	{NeedUI, "no trusted user interface"},
}

// missing names the first thing that the target does not have, or gives "".
func (n Need) missing(p *Properties) string {
	have := p.has()
	for _, x := range needNames {
		if n&x.need != 0 && have&x.need == 0 {
			return "the target has " + strings.TrimPrefix(x.text, "the target has ")
		}
	}
	return ""
}

// Variant is a configuration of the secure world that a case asks for.
type Variant uint8

// Variants.
const (
	// Plain is the configuration that the suite was started with.
	Plain Variant = iota
	// StaticPool protects a carve-out for secure video playback from reset on, and offers it through the SMC ABI.
	StaticPool
	// WithoutFFA has no SPMC.
	WithoutFFA
	// WithoutSMC has no OP-TEE SMC ABI.
	WithoutSMC

	numVariants
)

func (v Variant) String() string {
	switch v {
	case Plain:
		return "plain"
	case StaticPool:
		return "static-pool"
	case WithoutFFA:
		return "without-ffa"
	case WithoutSMC:
		return "without-smc"
	}
	return fmt.Sprintf("Variant(%d)", uint8(v))
}

// Case is one check. It runs from the state after a cold reset.
type Case struct {
	// Group is one of Groups, Name unique within it: words and numbers joined by hyphens.
	Group, Name string
	Rule        Rule
	// Why says what must be so, in one sentence.
	Why     string
	Needs   Need
	Variant Variant
	Run     func(t *T)
}

// ID is the group and the name.
func (c *Case) ID() string { return c.Group + "/" + c.Name }

// Groups are the groups of cases in the order in which they run.
var groups = []struct {
	name  string
	cases func() []Case
	needs Need
}{
	{"smccc", smcccCases, 0},
	{"psci", psciCases, 0},
	{"ffa-setup", setupCases, NeedFFA},
	{"ffa-discovery", discoveryCases, NeedFFA},
	{"ffa-message", messageCases, NeedFFA},
	{"ffa-memory", memoryCases, NeedFFA},
	{"ffa-memory-negative", negativeCases, NeedFFA},
	{"optee-ffa", opteeFFACases, NeedFFA},
	{"optee-smc", opteeSMCCases, NeedSMC},
	{"protmem", protmemCases, 0},
	{"isolation", isolationCases, 0},
	{"ffa-notify", notifyCases, NeedFFA},
	{"services", servicesCases, 0},
}

// Groups gives the names of the groups in the order in which they run.
func Groups() []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return names
}

// Cases gives all cases, by group.
func Cases() []Case {
	var all []Case
	for _, g := range groups {
		for _, c := range g.cases() {
			c.Group = g.name
			switch {
			case c.Variant == WithoutFFA && g.needs == NeedFFA, c.Variant == WithoutSMC && g.needs == NeedSMC:
				// The case is about what is not there.
			default:
				c.Needs |= g.needs
			}
			all = append(all, c)
		}
	}
	return slices.Clip(all)
}
