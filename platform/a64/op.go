package a64

// Integer, branch and system operations. The suffix tells width (64, 32) and form: i immediate, r register, s shifted
// register (Opt = shift type<<6 | amount), x extended register. They stand in four blocks, which the interpreter relies on:
// operations that its main loop executes itself, other operations that touch registers only, memory accesses, and the rest.
const (
	// PageEnd stands behind the last instruction of a decoded page: execution goes on at the next page.
	PageEnd Op = iota + 1

	// Arithmetic. Subtraction of an immediate is addition of its negative, except where flags are set.
	ADDi64
	ADDi32
	ADDSi64
	ADDSi32
	SUBSi64
	SUBSi32
	ADDr64
	ADDr32
	SUBr64
	SUBr32
	ADDSr64
	ADDSr32
	SUBSr64
	SUBSr32
	ADDs64
	ADDs32
	SUBs64
	SUBs32
	ADDx64 // Opt = extension option<<3 | shift
	SUBx64

	// Logical. Imm of the i forms is the expanded bit mask.
	ANDi64
	ORRi64
	ORRi32
	EORi64
	EORi32
	ANDSi64
	ANDSi32
	ANDr64
	ORRr64
	EORr64
	BICr64
	ANDr32
	ORRr32
	EORr32
	BICr32
	ANDSr64
	ANDSr32
	MOV64
	MOV32
	MOVi   // Imm is the value
	MOVK64 // Imm is the field in place, Opt its position
	MOVK32
	ADR  // Rd = PC + Imm
	ADRP // Rd = page of PC + Imm

	// Bit fields.
	UBFX   // Rd = Rn>>Opt & Imm, both widths
	UBFIZ  // Rd = (Rn & Imm) << Opt, both widths
	SBF64  // Rd = Rn<<Opt >>(arithmetic) Size
	SBF32  // the same, then the low 32 bits
	BFM64  // Imm is the mask of the destination field, Opt the rotation right of Rn
	BFM32  //
	EXTR64 // Opt is the least significant bit
	EXTR32

	// Conditional select, Opt is the condition.
	CSEL64
	CSEL32
	CSINC64
	CSINC32
	CCMPi64 // Imm is the operand, Opt the condition, Size the NZCV otherwise
	CCMPi32
	CCMPr64
	CCMPr32

	MADD64
	MADD32
	MSUB64
	MSUB32
	LSLV64
	LSRV64
	LSLV32
	LSRV32
	UMADDL
	SMADDL
	UMULH
	UDIV64
	UDIV32

	// Branches, Imm is the offset.
	B
	BL
	BEQ
	BNE
	BCS
	BCC
	BMI
	BPL
	BVS
	BVC
	BHI
	BLS
	BGE
	BLT
	BGT
	BLE
	CBZ64
	CBZ32
	CBNZ64
	CBNZ32
	TBZ // Opt is the bit number
	TBNZ
	BR
	BLR
	RET

	// Loads and stores: i base + Imm, r base + register (Opt = kind<<6 | shift, see ExtendX), pre and post with writeback.
	STRBi
	STRHi
	STRWi
	STRXi
	LDRBi
	LDRHi
	LDRWi
	LDRXi
	LDRSWi
	STRBr
	STRWr
	STRXr
	LDRBr
	LDRHr
	LDRWr
	LDRXr
	LDRSWr
	STRXpre
	STRXpost
	LDRXpre
	LDRXpost
	STRBpost
	LDRBpost
	STRWpost
	LDRWpost
	STPXi // Ra is Rt2
	LDPXi
	STPXpre
	LDPXpost
	LDRSBWi
	LDRSBXi
	LDRSHWi
	LDRSHXi
	LDRXlit // Imm is the offset from PC
	LDRWlit

	NOP // hints without effect, prefetches, barriers

	// FirstPure begins the operations that touch registers only but are not worth a place in the main loop.
	FirstPure
)

const (
	ADDSs64 Op = FirstPure + iota
	ADDSs32
	SUBSs64
	SUBSs32
	ADDx32
	SUBx32
	ADDSx64
	ADDSx32
	SUBSx64
	SUBSx32
	ADC64
	ADC32
	ADCS64
	ADCS32
	SBC64
	SBC32
	SBCS64
	SBCS32
	// Logical, shifted register with optional inversion: Opt as above, Imm all ones to invert the operand, else zero.
	ANDs64
	ANDs32
	ORRs64
	ORRs32
	EORs64
	EORs32
	ANDSs64
	ANDSs32
	CSINV64
	CSINV32
	CSNEG64
	CSNEG32
	CCMNi64
	CCMNi32
	CCMNr64
	CCMNr32
	SDIV64
	SDIV32
	ASRV64
	ASRV32
	RORV64
	RORV32
	CRC32  // Size is log2 of the data size in bytes
	CRC32C //
	RBIT64
	RBIT32
	REV16x64
	REV16x32
	REV32x64
	REV64
	REV32x32
	CLZ64
	CLZ32
	CLS64
	CLS32
	SMSUBL
	UMSUBL
	SMULH
	RMIF   // Opt is the mask, Size the rotation
	SETF8  //
	SETF16 //
	CFINV
	AXFLAG
	XAFLAG

	// FirstMemory begins the operations that access memory outside the main loop.
	FirstMemory
)

const (
	// LDR and STR are the general loads and stores. Size is log2 of the access in bytes, Opt is made of the Ld flags.
	LDRi Op = FirstMemory + iota
	STRi
	LDRr // register offset: Ra = kind<<6 | shift
	STRr
	LDRpre
	STRpre
	LDRpost
	STRpost
	LDRlit
	LDTR
	STTR
	// LDP and STP: Ra is Rt2, Size is log2 of one register's access.
	LDPi
	STPi
	LDPpre
	STPpre
	LDPpost
	STPpost
	// Exclusives: Rm is Rs (status), Ra is Rt2.
	LDXR
	STXR
	LDXP
	STXP
	LDAR
	STLR
	LDAPUR // also LDAPR, with Imm 0
	STLUR
	// Atomics: Rm is Rs, Size the access.
	CAS
	CASP
	SWP
	LDADD
	LDCLR
	LDEOR
	LDSET
	LDSMAX
	LDSMIN
	LDUMAX
	LDUMIN
	DCZVA // Rn is the address, in Rd's place of SYS

	// FirstSystem begins exceptions, system registers and all that can change more than registers and memory.
	FirstSystem
)

const (
	UDF Op = FirstSystem + iota // Imm is the word: permanently undefined, unallocated or not implemented
	SVC                         // Imm is the immediate of the instruction, here and in the next five
	HVC
	SMC
	BRK
	HLT
	DCPS // Opt is the level
	ERET
	DRPS
	MSRi // MSR (immediate): Opt = op1<<3 | op2, Imm is CRm
	MSR  // Imm is the register's Sys number
	MRS
	SYS // Imm is the instruction's Sys number
	SYSL
	ISB
	WFI
	WFE
	SEV
	SEVL
	YIELD
	CLREX
	DSB
	// MOVSP is an operation whose result goes to the stack pointer and may not be a multiple of 16. It is set apart so that loads
	// and stores need not check the alignment of a base that is the stack pointer. SPOp gives the operation.
	MOVSP
	BRBTI  // BR and BLR of a processor with FEAT_BTI, which set PSTATE.BTYPE
	BLRBTI //
	// Pointer authentication. Opt is the key: 0 to 3 for IA, IB, DA, DB.
	PAC     // Rd is the pointer, Rn the modifier
	AUT     //
	XPAC    // Opt is 0 for an instruction's address and 2 for that of data
	PACGA   //
	BRAUT   // Rn is the target, Rm the modifier
	BLRAUT  //
	RETAUT  //
	ERETAUT //
	LDRAUT  // Imm is the offset, Size 1 with writeback
	// FirstFree is the first number that no operation uses.
	FirstFree
)

// spOps are the operations that can have the stack pointer as their destination; MOVSP has the index in Size.
var spOps = [...]Op{ADDi64, ADDi32, ADDx64, ADDx32, SUBx64, SUBx32, ANDi64, ORRi64, ORRi32, EORi64, EORi32, MOVi}

// SPOp gives the operation that a MOVSP stands for.
func (in *Inst) SPOp() Op { return spOps[int(in.Size)%len(spOps)] }

// guardSP turns what may misalign the stack pointer into a form that tells the processor.
func guardSP(in Inst) Inst {
	if in.Op >= FirstSIMD {
		return in // bases of V register accesses are written on the slow path anyway
	}
	if in.Op < FirstMemory && in.Rd == SP {
		if in.Op == ADDi64 && in.Rn == SP && in.Imm&15 == 0 {
			return in
		}
		for i, op := range spOps {
			if op == in.Op {
				in.Op, in.Size = MOVSP, uint8(i)
				return in
			}
		}
	}
	if in.Rn == SP && in.Imm&15 != 0 {
		// Writeback with a step that is no multiple of 16: the general form.
		switch in.Op {
		case STRXpre:
			in.Op, in.Size = STRpre, 3
		case STRXpost:
			in.Op, in.Size = STRpost, 3
		case LDRXpre:
			in.Op, in.Size = LDRpre, 3
		case LDRXpost:
			in.Op, in.Size = LDRpost, 3
		case STRBpost:
			in.Op, in.Size = STRpost, 0
		case LDRBpost:
			in.Op, in.Size = LDRpost, 0
		case STRWpost:
			in.Op, in.Size = STRpost, 2
		case LDRWpost:
			in.Op, in.Size = LDRpost, 2
		case STPXpre:
			in.Op, in.Size = STPpre, 3
		case LDPXpost:
			in.Op, in.Size = LDPpost, 3
		}
	}
	return in
}

// Flags in Opt of the general loads.
const (
	LdSigned = 1 << iota // sign extend
	LdW                  // to 32 bits only
)

// Extension kinds of register offsets, in the two top bits.
const (
	ExtendX = 0 << 6 // LSL or SXTX
	ExtendU = 1 << 6 // UXTW
	ExtendS = 2 << 6 // SXTW
)

// Sys packs the number of a system register or system instruction: bits 20 to 5 of MSR, MRS and SYS, with op0's top bit
// always set (DDI 0487, C5.1.3).
func Sys(op0, op1, crn, crm, op2 uint16) uint16 {
	return op0<<14 | op1<<11 | crn<<7 | crm<<3 | op2
}
