package mmu

// Access is what a translation is wanted for.
type Access uint8

const (
	// Read is a data read.
	Read Access = iota
	// Write is a data write, and an atomic that reads and writes.
	Write
	// Execute is an instruction fetch.
	Execute
)

func (a Access) String() string {
	switch a {
	case Read:
		return "read"
	case Write:
		return "write"
	case Execute:
		return "execute"
	}
	return "Access(?)"
}

// Regime is the control state of one translation regime, as the system registers hold it. Every value of every field is
// accepted: the registers belong to the guest.
type Regime struct {
	// EL names the regime: 1 for EL1&0, 2 for EL2 (EL2&0 with E2H), 3 for EL3.
	EL uint8
	// E2H is HCR_EL2.E2H, and is used with EL 2 only: it makes the regime EL2&0, with two address ranges and two privileges.
	E2H bool
	// Secure is the security state of the regime.
	Secure bool
	// SIF is SCR_EL3.SIF: no Secure instruction fetch from Non-secure memory.
	SIF bool

	// SCTLR to MAIR are the registers of the regime: SCTLR_ELx, TCR_ELx, TTBR0_ELx, TTBR1_ELx and MAIR_ELx. TTBR1 is used
	// with two address ranges only.
	SCTLR, TCR, TTBR0, TTBR1, MAIR uint64

	// Stage2 says that stage 2 applies to the EL1&0 regime: EL2 is enabled in this security state and HCR_EL2.VM or DC is
	// effective. It is ignored by other regimes and in Secure state, for which there is no stage 2.
	Stage2 bool
	// Stage1Only stops before stage 2, so that PA is an IPA: AT S1E1R and its kind. The reads of the stage 1 tables still
	// pass stage 2.
	Stage1Only bool
	// Stage2BE is SCTLR_EL2.EE: the stage 2 tables are big-endian.
	Stage2BE bool
	// HCR is HCR_EL2 as it applies to the EL1&0 regime: zero where EL2 is not enabled. TGE turns stage 1 off whether or not
	// Stage2 is set; DC, CD, ID and PTW count with Stage2 only.
	HCR uint64
	// VTCR and VTTBR are VTCR_EL2 and VTTBR_EL2.
	VTCR, VTTBR uint64

	// TBID says that TCR_ELx.TBID exists, as it does with FEAT_PAuth: it limits TBI to accesses to data.
	TBID bool

	// PABits is the implemented physical address size in bits, 32 to 48 (ID_AA64MMFR0_EL1.PARange).
	PABits uint8
}

// SCTLR_ELx (DDI 0487, D19.2): the bits that every regime has at the same place.
const (
	sctlrM   = 1 << 0
	sctlrI   = 1 << 12
	sctlrWXN = 1 << 19
	sctlrEE  = 1 << 25
)

// HCR_EL2 (DDI 0487, D19.2).
const (
	hcrPTW = 1 << 2
	hcrDC  = 1 << 12
	hcrTGE = 1 << 27
	hcrCD  = 1 << 32
	hcrID  = 1 << 33
)

// twoRanges reports whether the regime has a lower and an upper address range, and with them an unprivileged side.
func (g *Regime) twoRanges() bool { return g.EL == 1 || g.EL == 2 && g.E2H }

// stage2On reports whether stage 2 applies at all.
func (g *Regime) stage2On() bool { return g.Stage2 && g.EL == 1 && !g.Secure }

// defaultCacheable reports whether HCR_EL2.DC is effective.
func (g *Regime) defaultCacheable() bool { return g.stage2On() && g.HCR&hcrDC != 0 }

// Enabled reports whether stage 1 is on: SCTLR_ELx.M, which HCR_EL2.TGE and HCR_EL2.DC make count as zero in the EL1&0 regime.
func (g *Regime) Enabled() bool {
	return g.SCTLR&sctlrM != 0 && !(g.EL == 1 && g.HCR&hcrTGE != 0) && !g.defaultCacheable()
}

// ASID gives the current address space identifier: of TTBR1 where TCR_ELx.A1 says so, cut to 8 bits unless TCR_ELx.AS is set
// (DDI 0487, D8.13). Regimes with one privilege have none, and give zero.
func (g *Regime) ASID() uint16 {
	if !g.twoRanges() {
		return 0
	}
	ttbr := g.TTBR0
	if g.TCR>>22&1 != 0 {
		ttbr = g.TTBR1
	}
	if g.TCR>>36&1 == 0 {
		return uint16(ttbr >> 48 & 0xff)
	}
	return uint16(ttbr >> 48)
}

// VMID gives the current virtual machine identifier, cut to 8 bits unless VTCR_EL2.VS is set. Without stage 2 it is zero.
func (g *Regime) VMID() uint16 {
	switch {
	case !g.stage2On():
		return 0
	case g.VTCR>>19&1 == 0:
		return uint16(g.VTTBR >> 48 & 0xff)
	}
	return uint16(g.VTTBR >> 48)
}

// Perm is a set of rights. Regimes with one privilege have the Priv rights only.
type Perm uint8

const (
	PrivRead Perm = 1 << iota
	PrivWrite
	PrivExec
	UserRead
	UserWrite
	UserExec
)

// Allows reports whether p has the right that the access needs. PAN is not part of it.
func (p Perm) Allows(acc Access, user bool) bool {
	need := PrivRead << acc
	if user {
		need = UserRead << acc
	}
	return p&need != 0
}

// Translation is the result of a walk.
type Translation struct {
	// PA is the output address of the byte at the virtual address: physical, or an IPA with Regime.Stage1Only.
	PA uint64
	// NS says that PA is in the Non-secure physical address space. It is always set for Non-secure regimes.
	NS bool
	// Attr is the memory type, of both stages combined.
	Attr Attr
	// Perm holds the rights of both privileges before PAN, of both stages combined.
	Perm Perm
	// Read, Write and Exec are the rights of the privilege that asked, with PAN as given.
	Read, Write, Exec bool
	// Guarded is GP of the stage 1 leaf: code that indirect branches enter at BTI instructions only (FEAT_BTI).
	Guarded bool
	// NonGlobal says that the translation belongs to one ASID.
	NonGlobal bool
	// Size in bytes, a power of two, of the naturally aligned area around the address that one entry of a TLB may
	// cover: the block, page or contiguous group, the smaller of both stages.
	Size uint64
	// Level of the last stage 1 descriptor, 0 with stage 1 off.
	Level uint8
}

// Fault is a failed walk, as ESR_ELx, HPFAR_EL2 and PAR_EL1 report it.
type Fault struct {
	// Status is the DFSC or IFSC field, 6 bits: one of the Status constants, plus the level where it has one.
	Status uint8
	// Stage2 says that stage 2 faulted.
	Stage2 bool
	// S1PTW says that stage 2 faulted on the read of a stage 1 descriptor.
	S1PTW bool
	// IPA is the address that stage 2 was asked for, to the byte. It is valid with Stage2.
	IPA uint64
	// Level of the walk that faulted. The low bits of Status hold it as well.
	Level uint8
}

// Fault status codes without their level (DDI 0487, D19.2, DFSC).
const (
	StatusAddressSize  = 0b000000
	StatusTranslation  = 0b000100
	StatusAccessFlag   = 0b001000
	StatusPermission   = 0b001100
	StatusExternalWalk = 0b010100
)

// Kind gives Status without the level: one of the Status constants.
func (f Fault) Kind() uint8 { return f.Status &^ 3 }

// Reader reads translation tables.
type Reader interface {
	// ReadTable reads the 8 bytes at pa, a multiple of 8, in the physical address space that secure names, as a
	// little-endian number. ok is false when the read ends in an external abort.
	ReadTable(pa uint64, secure bool) (desc uint64, ok bool)
}
