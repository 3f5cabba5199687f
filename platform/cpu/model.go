package cpu

import (
	"fmt"

	"gatehouse/platform/a64"
)

// Model is a processor that -cpu names: its identification registers and the extensions that go with them.
type Model struct {
	Name     string
	MIDR     uint64
	CTR      uint64
	CLIDR    uint64
	PABits   uint8
	Features a64.Features
	// MMFR1 are fields of ID_AA64MMFR1_EL1 beside those that follow from Features: what package mmu does for every model, where
	// this one states it.
	MMFR1 uint64
}

// dczBlock is DCZID_EL0.BS: DC ZVA clears 2^4 words, 64 bytes.
const dczBlock = 4

// cortexFeatures is what both Cortex-A57 and Cortex-A72 have, with their cryptographic extension.
const cortexFeatures = a64.CRC | a64.AES | a64.PMULL | a64.SHA1 | a64.SHA256

var models = []Model{
	{
		// What this program implements, under the MIDR that QEMU's max has: implementer 0, architecture field 0xf.
		Name: "max", MIDR: 0x000f0510, CTR: 0x8444c004, CLIDR: 0x0a200023, PABits: 48,
		Features: a64.CRC | a64.LSE | a64.RDM | a64.LRCPC | a64.LRCPC2 | a64.FlagM | a64.FlagM2 | a64.PAN | a64.UAO | a64.SB |
			a64.DPB | a64.SSBS | a64.PAuth | a64.BTI | a64.AllSIMDFeatures,
		MMFR1: 2<<4 | 1<<12 | 1<<28, // 16-bit VMIDs, FEAT_HPDS, FEAT_XNX
	},
	{Name: "cortex-a57", MIDR: 0x411fd070, CTR: 0x8444c004, CLIDR: 0x0a200023, PABits: 44, Features: cortexFeatures},
	{Name: "cortex-a72", MIDR: 0x410fd083, CTR: 0x8444c004, CLIDR: 0x0a200023, PABits: 44, Features: cortexFeatures},
}

// ModelByName finds a model.
func ModelByName(name string) (*Model, error) {
	var names []string
	for i := range models {
		if models[i].Name == name {
			m := models[i]
			return &m, nil
		}
		names = append(names, models[i].Name)
	}
	return nil, fmt.Errorf("unknown CPU %q: want one of %v", name, names)
}

// idRegister gives the value of an identification register (DDI 0487, D19.2.60 to D19.2.80). Each field states what is
// implemented; a field that is not mentioned is zero, "not implemented".
func (c *CPU) idRegister(key uint16) uint64 {
	f := c.cfg.Model.Features
	has := func(feature a64.Features, field uint, value uint64) uint64 {
		if f&feature != 0 {
			return value << field
		}
		return 0
	}
	switch key {
	case sysIDAA64PFR0EL1:
		v := uint64(0x11) // EL0, EL1: AArch64 only
		if c.cfg.EL2 {
			v |= 1 << 8
		}
		if c.cfg.EL3 {
			v |= 1 << 12
		}
		// FP and AdvSIMD: 0 is without half-precision arithmetic.
		v |= has(a64.FP16, 16, 1) | has(a64.FP16, 20, 1)
		if c.cfg.GIC != nil {
			v |= 1 << 24 // GIC system registers
		}
		// CSV2 and CSV3: nothing is executed speculatively.
		return v | 1<<56 | 1<<60
	case sysIDAA64PFR1EL1:
		return has(a64.BTI, 0, 1) | has(a64.SSBS, 4, 2)
	case sysIDAA64DFR0EL1:
		// Debug architecture Armv8, PMUv3 without event counters, 6 breakpoints, 4 watchpoints, 2 context-aware.
		return 6 | 1<<8 | 5<<12 | 3<<20 | 1<<28
	case sysIDAA64ISAR0EL1:
		return has(a64.AES, 4, 1) + has(a64.PMULL, 4, 1) | has(a64.SHA1, 8, 1) | has(a64.SHA256, 12, 1) + has(a64.SHA512, 12, 1) |
			has(a64.CRC, 16, 1) | has(a64.LSE, 20, 2) | has(a64.RDM, 28, 1) | has(a64.SHA3, 32, 1) | has(a64.SM3, 36, 1) |
			has(a64.SM4, 40, 1) | has(a64.DotProd, 44, 1) | has(a64.FHM, 48, 1) |
			has(a64.FlagM, 52, 1) + has(a64.FlagM2, 52, 1)
	case sysIDAA64ISAR1EL1:
		return has(a64.DPB, 0, 2) | has(a64.PAuth, 4, 1) | has(a64.PAuth, 24, 1) | has(a64.JSCVT, 12, 1) | has(a64.FCMA, 16, 1) | has(a64.LRCPC, 20, 1) + has(a64.LRCPC2, 20, 1) |
			has(a64.FRINTTS, 32, 1) | has(a64.SB, 36, 1) | has(a64.BF16, 44, 1) | has(a64.I8MM, 52, 1)
	case sysIDAA64MMFR0EL1:
		// 16-bit ASIDs, no mixed endianness, Secure memory, granules of 4, 16 and 64 KiB.
		v := uint64(2<<4 | 1<<20)
		switch c.cfg.Model.PABits {
		case 44:
			v |= 4
		case 48:
			v |= 5
		}
		if c.cfg.EL3 {
			v |= 1 << 12
		}
		return v
	case sysIDAA64MMFR1EL1:
		return c.cfg.Model.MMFR1 | has(a64.PAN, 20, 2)
	case sysIDAA64MMFR2EL1:
		return has(a64.UAO, 4, 1)
	}
	return 0
}

// ccsidr gives the geometry of the cache that CSSELR_EL1 selects, that of Cortex-A57: 32 KiB of L1 data and 48 KiB of L1
// instruction cache, 2 MiB of L2, with lines of 64 bytes. The caches are not modelled; their size matters to loops that clean them by set and way.
func (c *CPU) ccsidr() uint64 {
	switch c.sys.csselr {
	case 0:
		return 0x701fe00a
	case 1:
		return 0x201fe012
	case 2:
		return 0x70ffe07a
	}
	return 0
}
