package a64

// FirstSIMD is the first operation of the floating point and Advanced SIMD group; integer and system operations are below it.
const FirstSIMD Op = 1024

// Operations of floating point and Advanced SIMD. Operations of the first part work on registers alone and are executed by
// package fpsimd; those from FirstSIMDMem on access memory.
//
// Rd, Rn, Rm and Ra are V registers unless the comment says otherwise.
const (
	// Scalar floating point. The suffix is the precision: H half, S single, D double; each kind has all three, in this order.
	// Operands are in the low bits of V registers, the rest of the destination becomes zero.
	FMOVH Op = iota + FirstSIMD
	FMOVS
	FMOVD
	FABSH
	FABSS
	FABSD
	FNEGH
	FNEGS
	FNEGD
	FSQRTH
	FSQRTS
	FSQRTD
	FADDH
	FADDS
	FADDD
	FSUBH
	FSUBS
	FSUBD
	FMULH
	FMULS
	FMULD
	FDIVH
	FDIVS
	FDIVD
	FNMULH
	FNMULS
	FNMULD
	FMAXH
	FMAXS
	FMAXD
	FMINH
	FMINS
	FMIND
	FMAXNMH
	FMAXNMS
	FMAXNMD
	FMINNMH
	FMINNMS
	FMINNMD

	// Ra is the addend.
	FMADDH
	FMADDS
	FMADDD
	FMSUBH
	FMSUBS
	FMSUBD
	FNMADDH
	FNMADDS
	FNMADDD
	FNMSUBH
	FNMSUBS
	FNMSUBD

	// Comparisons set NZCV; the Z forms compare with +0. Of FCCMP and FCCMPE, Opt is the condition and Imm the NZCV otherwise.
	FCMPH
	FCMPS
	FCMPD
	FCMPEH
	FCMPES
	FCMPED
	FCMPZH
	FCMPZS
	FCMPZD
	FCMPEZH
	FCMPEZS
	FCMPEZD
	FCCMPH
	FCCMPS
	FCCMPD
	FCCMPEH
	FCCMPES
	FCCMPED

	// Opt is the condition.
	FCSELH
	FCSELS
	FCSELD

	// Conversions between precisions, source first.
	FCVTHtoS
	FCVTHtoD
	FCVTStoH
	FCVTStoD
	FCVTDtoH
	FCVTDtoS

	// Rounding to integral values: Size is the precision (1 half, 2 single, 3 double).
	FRINTN
	FRINTP
	FRINTM
	FRINTZ
	FRINTA
	FRINTX
	FRINTI
	FRINT32Z
	FRINT32X
	FRINT64Z
	FRINT64X

	// Imm is the low 64 bits of the result.
	FMOVI

	// To integers, into Rd of Regs.X (W zero-extended): Size is the precision, Imm the number of fraction bits, which is zero except
	// for FCVTZS and FCVTZU.
	FCVTNSW
	FCVTNSX
	FCVTNUW
	FCVTNUX
	FCVTPSW
	FCVTPSX
	FCVTPUW
	FCVTPUX
	FCVTMSW
	FCVTMSX
	FCVTMUW
	FCVTMUX
	FCVTZSW
	FCVTZSX
	FCVTZUW
	FCVTZUX
	FCVTASW
	FCVTASX
	FCVTAUW
	FCVTAUX
	FJCVTZS

	// The same with no fraction bits, by precision.
	FCVTZSWS
	FCVTZSWD
	FCVTZSXS
	FCVTZSXD
	FCVTZUWS
	FCVTZUWD
	FCVTZUXS
	FCVTZUXD

	// From integers in Rn of Regs.X: Imm is the number of fraction bits.
	SCVTFWH
	SCVTFWS
	SCVTFWD
	SCVTFXH
	SCVTFXS
	SCVTFXD
	UCVTFWH
	UCVTFWS
	UCVTFWD
	UCVTFXH
	UCVTFXS
	UCVTFXD

	// Copies between Regs.X and Regs.V; Top is bits 127 to 64.
	FMOVtoH
	FMOVtoS
	FMOVtoD
	FMOVtoTop
	FMOVfromH
	FMOVfromS
	FMOVfromD
	FMOVfromTop

	// Advanced SIMD on integers. Size is log2 of the lane in bytes. Opt is the number of bytes of the destination that lanes are
	// computed for: 16 or 8, or the size of one lane when the instruction is the scalar form; what is above becomes zero.
	VADD
	VSUB
	VNEG
	VABS
	VSQADD
	VUQADD
	VSQSUB
	VUQSUB
	VSUQADD
	VUSQADD
	VSQABS
	VSQNEG
	VSHADD
	VUHADD
	VSRHADD
	VURHADD
	VSHSUB
	VUHSUB
	VSMAX
	VUMAX
	VSMIN
	VUMIN
	VSABD
	VUABD
	VSABA
	VUABA
	VCMEQ
	VCMGT
	VCMGE
	VCMHI
	VCMHS
	VCMTST
	VCMEQZ
	VCMGTZ
	VCMGEZ
	VCMLTZ
	VCMLEZ
	VAND
	VBIC
	VORR
	VORN
	VEOR
	VBSL
	VBIT
	VBIF
	VNOT
	VRBIT
	VCNT
	VCLZ
	VCLS
	VREV16
	VREV32
	VREV64

	// Shifts by register.
	VSSHL
	VUSHL
	VSRSHL
	VURSHL
	VSQSHL
	VUQSHL
	VSQRSHL
	VUQRSHL

	// Shifts by immediate: Ra is the amount. Imm is, in each lane of 64 bits, the mask of the bits that the shifted value can
	// occupy.
	VSHL
	VUSHR
	VSSHR
	VUSRA
	VSSRA
	VSLI
	VSRI
	VURSHR
	VSRSHR
	VURSRA
	VSRSRA
	VSQSHLI
	VUQSHLI
	VSQSHLU

	// Multiplication. The E forms multiply by lane Imm of Rm.
	VMUL
	VMLA
	VMLS
	VPMUL
	VSQDMULH
	VSQRDMULH
	VSQRDMLAH
	VSQRDMLSH
	VMULE
	VMLAE
	VMLSE
	VSQDMULHE
	VSQRDMULHE
	VSQRDMLAHE
	VSQRDMLSHE

	// Dot products: Size is that of the destination lanes, 2. Imm of the E forms is the group of four bytes.
	VSDOT
	VUDOT
	VSDOTE
	VUDOTE
	VUSDOT  // unsigned bytes of Rn by signed ones of Rm
	VUSDOTE //
	VSUDOTE // the other way round
	// Products of matrices of 2 by 8 and 8 by 2 bytes.
	VSMMLA
	VUMMLA
	VUSMMLA

	// BFloat16: Size is that of the destination lanes. Imm of the E forms is the lane, for VBFDOTE a pair of them.
	VBFDOT
	VBFDOTE
	VBFMMLA
	VBFMLALB
	VBFMLALBE
	VBFMLALT
	VBFMLALTE
	VBFCVTN
	BFCVT

	// Pairwise. VADDPD is the scalar form of ADDP.
	VADDP
	VSMAXP
	VUMAXP
	VSMINP
	VUMINP
	VADDPD

	// Size is that of the source lanes, which the destination's lanes have twice.
	VSADDLP
	VUADDLP
	VSADALP
	VUADALP

	// Across lanes: Size and Opt are those of the source, the result is a scalar (of twice the size for SADDLV and UADDLV).
	VADDV
	VSADDLV
	VUADDLV
	VSMAXV
	VUMAXV
	VSMINV
	VUMINV

	// Narrowing: Size is that of the destination lanes. Opt is 8 for results in the low half, 16 for results in the high half that
	// leave the low half alone, else the size of the scalar. Ra of the shifts is the amount.
	VXTN
	VSQXTN
	VUQXTN
	VSQXTUN
	VADDHN
	VSUBHN
	VRADDHN
	VRSUBHN
	VSHRN
	VRSHRN
	VSQSHRN
	VSQRSHRN
	VUQSHRN
	VUQRSHRN
	VSQSHRUN
	VSQRSHRUN

	// Widening: Size is that of the narrow source lanes. Opt is 8 for the low half of the sources, 16 for the high half, else the size
	// of the scalar. Ra of SSHLL, USHLL and SHLL is the shift. The E forms multiply by lane Imm of Rm.
	VSSHLL
	VUSHLL
	VSHLL
	VSADDL
	VUADDL
	VSADDW
	VUADDW
	VSSUBL
	VUSUBL
	VSSUBW
	VUSUBW
	VSABAL
	VUABAL
	VSABDL
	VUABDL
	VSMLAL
	VUMLAL
	VSMLSL
	VUMLSL
	VSMULL
	VUMULL
	VSQDMLAL
	VSQDMLSL
	VSQDMULL
	VPMULL
	VSMLALE
	VUMLALE
	VSMLSLE
	VUMLSLE
	VSMULLE
	VUMULLE
	VSQDMLALE
	VSQDMLSLE
	VSQDMULLE

	// Copies and permutations. Imm is the lane of the source Rn (of the destination for VINSX), Ra the destination lane of VINSV,
	// Imm of VEXT the first byte, Ra of VTBL and VTBX the number of table registers. X in the name: the source is in Regs.X.
	VDUPX
	VDUPV
	VINSX
	VINSV
	VSMOVW
	VSMOVX
	VUMOV
	VEXT
	VTBL
	VTBX
	VUZP1
	VUZP2
	VZIP1
	VZIP2
	VTRN1
	VTRN2

	// Imm is the 64-bit pattern as it enters the register, already inverted for MVNI (VBICI clears the bits of Imm).
	VMOVI
	VMVNI
	VFMOVI
	VORRI
	VBICI

	// Advanced SIMD floating point: Size is log2 of the lane in bytes, 1 to 3, Opt as for integers.
	VFADD
	VFSUB
	VFMUL
	VFDIV
	VFMULX
	VFABD
	VFMAX
	VFMIN
	VFMAXNM
	VFMINNM
	VFMLA
	VFMLS
	VFRECPS
	VFRSQRTS
	VFCMEQ
	VFCMGE
	VFCMGT
	VFACGE
	VFACGT
	VFCMEQZ
	VFCMGTZ
	VFCMGEZ
	VFCMLTZ
	VFCMLEZ
	VFABS
	VFNEG
	VFSQRT
	VFRECPE
	VFRSQRTE
	VFRECPX
	VURECPE
	VURSQRTE
	VFRINTN
	VFRINTP
	VFRINTM
	VFRINTZ
	VFRINTA
	VFRINTX
	VFRINTI
	VFRINT32Z
	VFRINT32X
	VFRINT64Z
	VFRINT64X

	// Imm is the number of fraction bits.
	VFCVTNS
	VFCVTNU
	VFCVTPS
	VFCVTPU
	VFCVTMS
	VFCVTMU
	VFCVTZS
	VFCVTZU
	VFCVTAS
	VFCVTAU
	VSCVTF
	VUCVTF

	// By element: Imm is the lane of Rm.
	VFMLAE
	VFMLSE
	VFMULE
	VFMULXE

	// Pairwise, and the scalar forms that add up the two lanes of one register (Opt is the size of the lane).
	VFADDP
	VFMAXP
	VFMINP
	VFMAXNMP
	VFMINNMP
	VFADDPS
	VFMAXPS
	VFMINPS
	VFMAXNMPS
	VFMINNMPS

	// Across lanes, as for integers.
	VFMAXV
	VFMINV
	VFMAXNMV
	VFMINNMV

	// Narrowing and widening conversions: Size and Opt as for integers.
	VFCVTL
	VFCVTN
	VFCVTXN

	// Half-precision products added to single-precision lanes: Opt as for integers (of the destination). Imm of the E forms is the lane
	// of Rm. The 2 forms use the high half of the sources.
	VFMLAL
	VFMLAL2
	VFMLSL
	VFMLSL2
	VFMLALE
	VFMLAL2E
	VFMLSLE
	VFMLSL2E

	// Complex numbers: Ra is the rotation in quarter turns. Imm of the E form is the pair of lanes.
	VFCMLA
	VFCADD
	VFCMLAE

	// Cryptography. Imm of VXAR is the rotation, of the TT operations the lane.
	VAESE
	VAESD
	VAESMC
	VAESIMC
	VSHA1C
	VSHA1P
	VSHA1M
	VSHA1SU0
	VSHA1H
	VSHA1SU1
	VSHA256H
	VSHA256H2
	VSHA256SU0
	VSHA256SU1
	VSHA512H
	VSHA512H2
	VSHA512SU0
	VSHA512SU1
	VEOR3
	VBCAX
	VRAX1
	VXAR
	VSM3SS1
	VSM3TT1A
	VSM3TT1B
	VSM3TT2A
	VSM3TT2B
	VSM3PARTW1
	VSM3PARTW2
	VSM4E
	VSM4EKEY

	// FirstSIMDMem begins the loads and stores.
	FirstSIMDMem
)

const (
	// Loads and stores, executed by package cpu. Rd is Vt, Rn the base in Regs.X (31 is mapped to SP), Size log2 of the access in bytes,
	// 0 to 4. A load zeroes what it does not load. Imm is the signed offset; of the Pre forms base + Imm is the address and the new
	// base, of the Post forms the base is the address and base + Imm the new base. The Reg forms add Rm of Regs.X, extended as Opt
	// says: bits 5 to 3 the option (2 UXTW, 3 LSL, 6 SXTW, 7 SXTX), bits 2 to 0 the left shift. VLDRLit loads from PC + Imm.
	VLDR Op = iota + FirstSIMDMem
	VLDRPre
	VLDRPost
	VLDRReg
	VLDRLit
	VLDUR
	VSTR
	VSTRPre
	VSTRPost
	VSTRReg
	VSTUR

	// Pairs: Ra is Vt2, Size and Imm as above; the second register is at address + (1<<Size).
	VLDP
	VLDPPre
	VLDPPost
	VLDNP
	VSTP
	VSTPPre
	VSTPPost
	VSTNP

	// Multiple structures. Ra is the number of registers, Vt and those after it modulo 32; the digit in the name is the number of
	// registers that consecutive elements are spread over. Size is log2 of the element, Opt the bytes of each register (8 or 16).
	// After the last access the base becomes base + Imm + Regs.X[Rm]: Imm is zero and Rm is ZR when there is no writeback, which
	// makes this an assignment of the same value.
	VLD1
	VLD2
	VLD3
	VLD4
	VST1
	VST2
	VST3
	VST4

	// Single structures: as above with one element per register, at lane Opt; Ra is the number of registers. The other lanes stay.
	VLD1L
	VLD2L
	VLD3L
	VLD4L
	VST1L
	VST2L
	VST3L
	VST4L

	// Load one structure and replicate it to all lanes: Ra is the number of registers, Opt the bytes of each (8 or 16).
	VLD1R
	VLD2R
	VLD3R
	VLD4R

	// EndSIMD is one more than the last operation.
	EndSIMD
)

// simdNames are the mnemonics of DDI 0487, C7.2.
var simdNames = [EndSIMD - FirstSIMD]string{
	FMOVH - FirstSIMD:       "fmov",
	FMOVS - FirstSIMD:       "fmov",
	FMOVD - FirstSIMD:       "fmov",
	FABSH - FirstSIMD:       "fabs",
	FABSS - FirstSIMD:       "fabs",
	FABSD - FirstSIMD:       "fabs",
	FNEGH - FirstSIMD:       "fneg",
	FNEGS - FirstSIMD:       "fneg",
	FNEGD - FirstSIMD:       "fneg",
	FSQRTH - FirstSIMD:      "fsqrt",
	FSQRTS - FirstSIMD:      "fsqrt",
	FSQRTD - FirstSIMD:      "fsqrt",
	FADDH - FirstSIMD:       "fadd",
	FADDS - FirstSIMD:       "fadd",
	FADDD - FirstSIMD:       "fadd",
	FSUBH - FirstSIMD:       "fsub",
	FSUBS - FirstSIMD:       "fsub",
	FSUBD - FirstSIMD:       "fsub",
	FMULH - FirstSIMD:       "fmul",
	FMULS - FirstSIMD:       "fmul",
	FMULD - FirstSIMD:       "fmul",
	FDIVH - FirstSIMD:       "fdiv",
	FDIVS - FirstSIMD:       "fdiv",
	FDIVD - FirstSIMD:       "fdiv",
	FNMULH - FirstSIMD:      "fnmul",
	FNMULS - FirstSIMD:      "fnmul",
	FNMULD - FirstSIMD:      "fnmul",
	FMAXH - FirstSIMD:       "fmax",
	FMAXS - FirstSIMD:       "fmax",
	FMAXD - FirstSIMD:       "fmax",
	FMINH - FirstSIMD:       "fmin",
	FMINS - FirstSIMD:       "fmin",
	FMIND - FirstSIMD:       "fmin",
	FMAXNMH - FirstSIMD:     "fmaxnm",
	FMAXNMS - FirstSIMD:     "fmaxnm",
	FMAXNMD - FirstSIMD:     "fmaxnm",
	FMINNMH - FirstSIMD:     "fminnm",
	FMINNMS - FirstSIMD:     "fminnm",
	FMINNMD - FirstSIMD:     "fminnm",
	FMADDH - FirstSIMD:      "fmadd",
	FMADDS - FirstSIMD:      "fmadd",
	FMADDD - FirstSIMD:      "fmadd",
	FMSUBH - FirstSIMD:      "fmsub",
	FMSUBS - FirstSIMD:      "fmsub",
	FMSUBD - FirstSIMD:      "fmsub",
	FNMADDH - FirstSIMD:     "fnmadd",
	FNMADDS - FirstSIMD:     "fnmadd",
	FNMADDD - FirstSIMD:     "fnmadd",
	FNMSUBH - FirstSIMD:     "fnmsub",
	FNMSUBS - FirstSIMD:     "fnmsub",
	FNMSUBD - FirstSIMD:     "fnmsub",
	FCMPH - FirstSIMD:       "fcmp",
	FCMPS - FirstSIMD:       "fcmp",
	FCMPD - FirstSIMD:       "fcmp",
	FCMPEH - FirstSIMD:      "fcmpe",
	FCMPES - FirstSIMD:      "fcmpe",
	FCMPED - FirstSIMD:      "fcmpe",
	FCMPZH - FirstSIMD:      "fcmp",
	FCMPZS - FirstSIMD:      "fcmp",
	FCMPZD - FirstSIMD:      "fcmp",
	FCMPEZH - FirstSIMD:     "fcmpe",
	FCMPEZS - FirstSIMD:     "fcmpe",
	FCMPEZD - FirstSIMD:     "fcmpe",
	FCCMPH - FirstSIMD:      "fccmp",
	FCCMPS - FirstSIMD:      "fccmp",
	FCCMPD - FirstSIMD:      "fccmp",
	FCCMPEH - FirstSIMD:     "fccmpe",
	FCCMPES - FirstSIMD:     "fccmpe",
	FCCMPED - FirstSIMD:     "fccmpe",
	FCSELH - FirstSIMD:      "fcsel",
	FCSELS - FirstSIMD:      "fcsel",
	FCSELD - FirstSIMD:      "fcsel",
	FCVTHtoS - FirstSIMD:    "fcvt",
	FCVTHtoD - FirstSIMD:    "fcvt",
	FCVTStoH - FirstSIMD:    "fcvt",
	FCVTStoD - FirstSIMD:    "fcvt",
	FCVTDtoH - FirstSIMD:    "fcvt",
	FCVTDtoS - FirstSIMD:    "fcvt",
	FRINTN - FirstSIMD:      "frintn",
	FRINTP - FirstSIMD:      "frintp",
	FRINTM - FirstSIMD:      "frintm",
	FRINTZ - FirstSIMD:      "frintz",
	FRINTA - FirstSIMD:      "frinta",
	FRINTX - FirstSIMD:      "frintx",
	FRINTI - FirstSIMD:      "frinti",
	FRINT32Z - FirstSIMD:    "frint32z",
	FRINT32X - FirstSIMD:    "frint32x",
	FRINT64Z - FirstSIMD:    "frint64z",
	FRINT64X - FirstSIMD:    "frint64x",
	FMOVI - FirstSIMD:       "fmov",
	FCVTNSW - FirstSIMD:     "fcvtns",
	FCVTNSX - FirstSIMD:     "fcvtns",
	FCVTNUW - FirstSIMD:     "fcvtnu",
	FCVTNUX - FirstSIMD:     "fcvtnu",
	FCVTPSW - FirstSIMD:     "fcvtps",
	FCVTPSX - FirstSIMD:     "fcvtps",
	FCVTPUW - FirstSIMD:     "fcvtpu",
	FCVTPUX - FirstSIMD:     "fcvtpu",
	FCVTMSW - FirstSIMD:     "fcvtms",
	FCVTMSX - FirstSIMD:     "fcvtms",
	FCVTMUW - FirstSIMD:     "fcvtmu",
	FCVTMUX - FirstSIMD:     "fcvtmu",
	FCVTZSW - FirstSIMD:     "fcvtzs",
	FCVTZSX - FirstSIMD:     "fcvtzs",
	FCVTZUW - FirstSIMD:     "fcvtzu",
	FCVTZUX - FirstSIMD:     "fcvtzu",
	FCVTASW - FirstSIMD:     "fcvtas",
	FCVTASX - FirstSIMD:     "fcvtas",
	FCVTAUW - FirstSIMD:     "fcvtau",
	FCVTAUX - FirstSIMD:     "fcvtau",
	FJCVTZS - FirstSIMD:     "fjcvtzs",
	FCVTZSWS - FirstSIMD:    "fcvtzs",
	FCVTZSWD - FirstSIMD:    "fcvtzs",
	FCVTZSXS - FirstSIMD:    "fcvtzs",
	FCVTZSXD - FirstSIMD:    "fcvtzs",
	FCVTZUWS - FirstSIMD:    "fcvtzu",
	FCVTZUWD - FirstSIMD:    "fcvtzu",
	FCVTZUXS - FirstSIMD:    "fcvtzu",
	FCVTZUXD - FirstSIMD:    "fcvtzu",
	SCVTFWH - FirstSIMD:     "scvtf",
	SCVTFWS - FirstSIMD:     "scvtf",
	SCVTFWD - FirstSIMD:     "scvtf",
	SCVTFXH - FirstSIMD:     "scvtf",
	SCVTFXS - FirstSIMD:     "scvtf",
	SCVTFXD - FirstSIMD:     "scvtf",
	UCVTFWH - FirstSIMD:     "ucvtf",
	UCVTFWS - FirstSIMD:     "ucvtf",
	UCVTFWD - FirstSIMD:     "ucvtf",
	UCVTFXH - FirstSIMD:     "ucvtf",
	UCVTFXS - FirstSIMD:     "ucvtf",
	UCVTFXD - FirstSIMD:     "ucvtf",
	FMOVtoH - FirstSIMD:     "fmov",
	FMOVtoS - FirstSIMD:     "fmov",
	FMOVtoD - FirstSIMD:     "fmov",
	FMOVtoTop - FirstSIMD:   "fmov",
	FMOVfromH - FirstSIMD:   "fmov",
	FMOVfromS - FirstSIMD:   "fmov",
	FMOVfromD - FirstSIMD:   "fmov",
	FMOVfromTop - FirstSIMD: "fmov",
	VADD - FirstSIMD:        "add",
	VSUB - FirstSIMD:        "sub",
	VNEG - FirstSIMD:        "neg",
	VABS - FirstSIMD:        "abs",
	VSQADD - FirstSIMD:      "sqadd",
	VUQADD - FirstSIMD:      "uqadd",
	VSQSUB - FirstSIMD:      "sqsub",
	VUQSUB - FirstSIMD:      "uqsub",
	VSUQADD - FirstSIMD:     "suqadd",
	VUSQADD - FirstSIMD:     "usqadd",
	VSQABS - FirstSIMD:      "sqabs",
	VSQNEG - FirstSIMD:      "sqneg",
	VSHADD - FirstSIMD:      "shadd",
	VUHADD - FirstSIMD:      "uhadd",
	VSRHADD - FirstSIMD:     "srhadd",
	VURHADD - FirstSIMD:     "urhadd",
	VSHSUB - FirstSIMD:      "shsub",
	VUHSUB - FirstSIMD:      "uhsub",
	VSMAX - FirstSIMD:       "smax",
	VUMAX - FirstSIMD:       "umax",
	VSMIN - FirstSIMD:       "smin",
	VUMIN - FirstSIMD:       "umin",
	VSABD - FirstSIMD:       "sabd",
	VUABD - FirstSIMD:       "uabd",
	VSABA - FirstSIMD:       "saba",
	VUABA - FirstSIMD:       "uaba",
	VCMEQ - FirstSIMD:       "cmeq",
	VCMGT - FirstSIMD:       "cmgt",
	VCMGE - FirstSIMD:       "cmge",
	VCMHI - FirstSIMD:       "cmhi",
	VCMHS - FirstSIMD:       "cmhs",
	VCMTST - FirstSIMD:      "cmtst",
	VCMEQZ - FirstSIMD:      "cmeq",
	VCMGTZ - FirstSIMD:      "cmgt",
	VCMGEZ - FirstSIMD:      "cmge",
	VCMLTZ - FirstSIMD:      "cmlt",
	VCMLEZ - FirstSIMD:      "cmle",
	VAND - FirstSIMD:        "and",
	VBIC - FirstSIMD:        "bic",
	VORR - FirstSIMD:        "orr",
	VORN - FirstSIMD:        "orn",
	VEOR - FirstSIMD:        "eor",
	VBSL - FirstSIMD:        "bsl",
	VBIT - FirstSIMD:        "bit",
	VBIF - FirstSIMD:        "bif",
	VNOT - FirstSIMD:        "not",
	VRBIT - FirstSIMD:       "rbit",
	VCNT - FirstSIMD:        "cnt",
	VCLZ - FirstSIMD:        "clz",
	VCLS - FirstSIMD:        "cls",
	VREV16 - FirstSIMD:      "rev16",
	VREV32 - FirstSIMD:      "rev32",
	VREV64 - FirstSIMD:      "rev64",
	VSSHL - FirstSIMD:       "sshl",
	VUSHL - FirstSIMD:       "ushl",
	VSRSHL - FirstSIMD:      "srshl",
	VURSHL - FirstSIMD:      "urshl",
	VSQSHL - FirstSIMD:      "sqshl",
	VUQSHL - FirstSIMD:      "uqshl",
	VSQRSHL - FirstSIMD:     "sqrshl",
	VUQRSHL - FirstSIMD:     "uqrshl",
	VSHL - FirstSIMD:        "shl",
	VUSHR - FirstSIMD:       "ushr",
	VSSHR - FirstSIMD:       "sshr",
	VUSRA - FirstSIMD:       "usra",
	VSSRA - FirstSIMD:       "ssra",
	VSLI - FirstSIMD:        "sli",
	VSRI - FirstSIMD:        "sri",
	VURSHR - FirstSIMD:      "urshr",
	VSRSHR - FirstSIMD:      "srshr",
	VURSRA - FirstSIMD:      "ursra",
	VSRSRA - FirstSIMD:      "srsra",
	VSQSHLI - FirstSIMD:     "sqshl",
	VUQSHLI - FirstSIMD:     "uqshl",
	VSQSHLU - FirstSIMD:     "sqshlu",
	VMUL - FirstSIMD:        "mul",
	VMLA - FirstSIMD:        "mla",
	VMLS - FirstSIMD:        "mls",
	VPMUL - FirstSIMD:       "pmul",
	VSQDMULH - FirstSIMD:    "sqdmulh",
	VSQRDMULH - FirstSIMD:   "sqrdmulh",
	VSQRDMLAH - FirstSIMD:   "sqrdmlah",
	VSQRDMLSH - FirstSIMD:   "sqrdmlsh",
	VMULE - FirstSIMD:       "mul",
	VMLAE - FirstSIMD:       "mla",
	VMLSE - FirstSIMD:       "mls",
	VSQDMULHE - FirstSIMD:   "sqdmulh",
	VSQRDMULHE - FirstSIMD:  "sqrdmulh",
	VSQRDMLAHE - FirstSIMD:  "sqrdmlah",
	VSQRDMLSHE - FirstSIMD:  "sqrdmlsh",
	VSDOT - FirstSIMD:       "sdot",
	VUDOT - FirstSIMD:       "udot",
	VSDOTE - FirstSIMD:      "sdot",
	VUDOTE - FirstSIMD:      "udot",
	VUSDOT - FirstSIMD:      "usdot",
	VUSDOTE - FirstSIMD:     "usdot",
	VSUDOTE - FirstSIMD:     "sudot",
	VBFDOT - FirstSIMD:      "bfdot",
	VBFDOTE - FirstSIMD:     "bfdot",
	VBFMMLA - FirstSIMD:     "bfmmla",
	VBFMLALB - FirstSIMD:    "bfmlalb",
	VBFMLALBE - FirstSIMD:   "bfmlalb",
	VBFMLALT - FirstSIMD:    "bfmlalt",
	VBFMLALTE - FirstSIMD:   "bfmlalt",
	VBFCVTN - FirstSIMD:     "bfcvtn",
	BFCVT - FirstSIMD:       "bfcvt",
	VSMMLA - FirstSIMD:      "smmla",
	VUMMLA - FirstSIMD:      "ummla",
	VUSMMLA - FirstSIMD:     "usmmla",
	VADDP - FirstSIMD:       "addp",
	VSMAXP - FirstSIMD:      "smaxp",
	VUMAXP - FirstSIMD:      "umaxp",
	VSMINP - FirstSIMD:      "sminp",
	VUMINP - FirstSIMD:      "uminp",
	VADDPD - FirstSIMD:      "addp",
	VSADDLP - FirstSIMD:     "saddlp",
	VUADDLP - FirstSIMD:     "uaddlp",
	VSADALP - FirstSIMD:     "sadalp",
	VUADALP - FirstSIMD:     "uadalp",
	VADDV - FirstSIMD:       "addv",
	VSADDLV - FirstSIMD:     "saddlv",
	VUADDLV - FirstSIMD:     "uaddlv",
	VSMAXV - FirstSIMD:      "smaxv",
	VUMAXV - FirstSIMD:      "umaxv",
	VSMINV - FirstSIMD:      "sminv",
	VUMINV - FirstSIMD:      "uminv",
	VXTN - FirstSIMD:        "xtn",
	VSQXTN - FirstSIMD:      "sqxtn",
	VUQXTN - FirstSIMD:      "uqxtn",
	VSQXTUN - FirstSIMD:     "sqxtun",
	VADDHN - FirstSIMD:      "addhn",
	VSUBHN - FirstSIMD:      "subhn",
	VRADDHN - FirstSIMD:     "raddhn",
	VRSUBHN - FirstSIMD:     "rsubhn",
	VSHRN - FirstSIMD:       "shrn",
	VRSHRN - FirstSIMD:      "rshrn",
	VSQSHRN - FirstSIMD:     "sqshrn",
	VSQRSHRN - FirstSIMD:    "sqrshrn",
	VUQSHRN - FirstSIMD:     "uqshrn",
	VUQRSHRN - FirstSIMD:    "uqrshrn",
	VSQSHRUN - FirstSIMD:    "sqshrun",
	VSQRSHRUN - FirstSIMD:   "sqrshrun",
	VSSHLL - FirstSIMD:      "sshll",
	VUSHLL - FirstSIMD:      "ushll",
	VSHLL - FirstSIMD:       "shll",
	VSADDL - FirstSIMD:      "saddl",
	VUADDL - FirstSIMD:      "uaddl",
	VSADDW - FirstSIMD:      "saddw",
	VUADDW - FirstSIMD:      "uaddw",
	VSSUBL - FirstSIMD:      "ssubl",
	VUSUBL - FirstSIMD:      "usubl",
	VSSUBW - FirstSIMD:      "ssubw",
	VUSUBW - FirstSIMD:      "usubw",
	VSABAL - FirstSIMD:      "sabal",
	VUABAL - FirstSIMD:      "uabal",
	VSABDL - FirstSIMD:      "sabdl",
	VUABDL - FirstSIMD:      "uabdl",
	VSMLAL - FirstSIMD:      "smlal",
	VUMLAL - FirstSIMD:      "umlal",
	VSMLSL - FirstSIMD:      "smlsl",
	VUMLSL - FirstSIMD:      "umlsl",
	VSMULL - FirstSIMD:      "smull",
	VUMULL - FirstSIMD:      "umull",
	VSQDMLAL - FirstSIMD:    "sqdmlal",
	VSQDMLSL - FirstSIMD:    "sqdmlsl",
	VSQDMULL - FirstSIMD:    "sqdmull",
	VPMULL - FirstSIMD:      "pmull",
	VSMLALE - FirstSIMD:     "smlal",
	VUMLALE - FirstSIMD:     "umlal",
	VSMLSLE - FirstSIMD:     "smlsl",
	VUMLSLE - FirstSIMD:     "umlsl",
	VSMULLE - FirstSIMD:     "smull",
	VUMULLE - FirstSIMD:     "umull",
	VSQDMLALE - FirstSIMD:   "sqdmlal",
	VSQDMLSLE - FirstSIMD:   "sqdmlsl",
	VSQDMULLE - FirstSIMD:   "sqdmull",
	VDUPX - FirstSIMD:       "dup",
	VDUPV - FirstSIMD:       "dup",
	VINSX - FirstSIMD:       "ins",
	VINSV - FirstSIMD:       "ins",
	VSMOVW - FirstSIMD:      "smov",
	VSMOVX - FirstSIMD:      "smov",
	VUMOV - FirstSIMD:       "umov",
	VEXT - FirstSIMD:        "ext",
	VTBL - FirstSIMD:        "tbl",
	VTBX - FirstSIMD:        "tbx",
	VUZP1 - FirstSIMD:       "uzp1",
	VUZP2 - FirstSIMD:       "uzp2",
	VZIP1 - FirstSIMD:       "zip1",
	VZIP2 - FirstSIMD:       "zip2",
	VTRN1 - FirstSIMD:       "trn1",
	VTRN2 - FirstSIMD:       "trn2",
	VMOVI - FirstSIMD:       "movi",
	VMVNI - FirstSIMD:       "mvni",
	VFMOVI - FirstSIMD:      "fmov",
	VORRI - FirstSIMD:       "orr",
	VBICI - FirstSIMD:       "bic",
	VFADD - FirstSIMD:       "fadd",
	VFSUB - FirstSIMD:       "fsub",
	VFMUL - FirstSIMD:       "fmul",
	VFDIV - FirstSIMD:       "fdiv",
	VFMULX - FirstSIMD:      "fmulx",
	VFABD - FirstSIMD:       "fabd",
	VFMAX - FirstSIMD:       "fmax",
	VFMIN - FirstSIMD:       "fmin",
	VFMAXNM - FirstSIMD:     "fmaxnm",
	VFMINNM - FirstSIMD:     "fminnm",
	VFMLA - FirstSIMD:       "fmla",
	VFMLS - FirstSIMD:       "fmls",
	VFRECPS - FirstSIMD:     "frecps",
	VFRSQRTS - FirstSIMD:    "frsqrts",
	VFCMEQ - FirstSIMD:      "fcmeq",
	VFCMGE - FirstSIMD:      "fcmge",
	VFCMGT - FirstSIMD:      "fcmgt",
	VFACGE - FirstSIMD:      "facge",
	VFACGT - FirstSIMD:      "facgt",
	VFCMEQZ - FirstSIMD:     "fcmeq",
	VFCMGTZ - FirstSIMD:     "fcmgt",
	VFCMGEZ - FirstSIMD:     "fcmge",
	VFCMLTZ - FirstSIMD:     "fcmlt",
	VFCMLEZ - FirstSIMD:     "fcmle",
	VFABS - FirstSIMD:       "fabs",
	VFNEG - FirstSIMD:       "fneg",
	VFSQRT - FirstSIMD:      "fsqrt",
	VFRECPE - FirstSIMD:     "frecpe",
	VFRSQRTE - FirstSIMD:    "frsqrte",
	VFRECPX - FirstSIMD:     "frecpx",
	VURECPE - FirstSIMD:     "urecpe",
	VURSQRTE - FirstSIMD:    "ursqrte",
	VFRINTN - FirstSIMD:     "frintn",
	VFRINTP - FirstSIMD:     "frintp",
	VFRINTM - FirstSIMD:     "frintm",
	VFRINTZ - FirstSIMD:     "frintz",
	VFRINTA - FirstSIMD:     "frinta",
	VFRINTX - FirstSIMD:     "frintx",
	VFRINTI - FirstSIMD:     "frinti",
	VFRINT32Z - FirstSIMD:   "frint32z",
	VFRINT32X - FirstSIMD:   "frint32x",
	VFRINT64Z - FirstSIMD:   "frint64z",
	VFRINT64X - FirstSIMD:   "frint64x",
	VFCVTNS - FirstSIMD:     "fcvtns",
	VFCVTNU - FirstSIMD:     "fcvtnu",
	VFCVTPS - FirstSIMD:     "fcvtps",
	VFCVTPU - FirstSIMD:     "fcvtpu",
	VFCVTMS - FirstSIMD:     "fcvtms",
	VFCVTMU - FirstSIMD:     "fcvtmu",
	VFCVTZS - FirstSIMD:     "fcvtzs",
	VFCVTZU - FirstSIMD:     "fcvtzu",
	VFCVTAS - FirstSIMD:     "fcvtas",
	VFCVTAU - FirstSIMD:     "fcvtau",
	VSCVTF - FirstSIMD:      "scvtf",
	VUCVTF - FirstSIMD:      "ucvtf",
	VFMLAE - FirstSIMD:      "fmla",
	VFMLSE - FirstSIMD:      "fmls",
	VFMULE - FirstSIMD:      "fmul",
	VFMULXE - FirstSIMD:     "fmulx",
	VFADDP - FirstSIMD:      "faddp",
	VFMAXP - FirstSIMD:      "fmaxp",
	VFMINP - FirstSIMD:      "fminp",
	VFMAXNMP - FirstSIMD:    "fmaxnmp",
	VFMINNMP - FirstSIMD:    "fminnmp",
	VFADDPS - FirstSIMD:     "faddp",
	VFMAXPS - FirstSIMD:     "fmaxp",
	VFMINPS - FirstSIMD:     "fminp",
	VFMAXNMPS - FirstSIMD:   "fmaxnmp",
	VFMINNMPS - FirstSIMD:   "fminnmp",
	VFMAXV - FirstSIMD:      "fmaxv",
	VFMINV - FirstSIMD:      "fminv",
	VFMAXNMV - FirstSIMD:    "fmaxnmv",
	VFMINNMV - FirstSIMD:    "fminnmv",
	VFCVTL - FirstSIMD:      "fcvtl",
	VFCVTN - FirstSIMD:      "fcvtn",
	VFCVTXN - FirstSIMD:     "fcvtxn",
	VFMLAL - FirstSIMD:      "fmlal",
	VFMLAL2 - FirstSIMD:     "fmlal2",
	VFMLSL - FirstSIMD:      "fmlsl",
	VFMLSL2 - FirstSIMD:     "fmlsl2",
	VFMLALE - FirstSIMD:     "fmlal",
	VFMLAL2E - FirstSIMD:    "fmlal2",
	VFMLSLE - FirstSIMD:     "fmlsl",
	VFMLSL2E - FirstSIMD:    "fmlsl2",
	VFCMLA - FirstSIMD:      "fcmla",
	VFCADD - FirstSIMD:      "fcadd",
	VFCMLAE - FirstSIMD:     "fcmla",
	VAESE - FirstSIMD:       "aese",
	VAESD - FirstSIMD:       "aesd",
	VAESMC - FirstSIMD:      "aesmc",
	VAESIMC - FirstSIMD:     "aesimc",
	VSHA1C - FirstSIMD:      "sha1c",
	VSHA1P - FirstSIMD:      "sha1p",
	VSHA1M - FirstSIMD:      "sha1m",
	VSHA1SU0 - FirstSIMD:    "sha1su0",
	VSHA1H - FirstSIMD:      "sha1h",
	VSHA1SU1 - FirstSIMD:    "sha1su1",
	VSHA256H - FirstSIMD:    "sha256h",
	VSHA256H2 - FirstSIMD:   "sha256h2",
	VSHA256SU0 - FirstSIMD:  "sha256su0",
	VSHA256SU1 - FirstSIMD:  "sha256su1",
	VSHA512H - FirstSIMD:    "sha512h",
	VSHA512H2 - FirstSIMD:   "sha512h2",
	VSHA512SU0 - FirstSIMD:  "sha512su0",
	VSHA512SU1 - FirstSIMD:  "sha512su1",
	VEOR3 - FirstSIMD:       "eor3",
	VBCAX - FirstSIMD:       "bcax",
	VRAX1 - FirstSIMD:       "rax1",
	VXAR - FirstSIMD:        "xar",
	VSM3SS1 - FirstSIMD:     "sm3ss1",
	VSM3TT1A - FirstSIMD:    "sm3tt1a",
	VSM3TT1B - FirstSIMD:    "sm3tt1b",
	VSM3TT2A - FirstSIMD:    "sm3tt2a",
	VSM3TT2B - FirstSIMD:    "sm3tt2b",
	VSM3PARTW1 - FirstSIMD:  "sm3partw1",
	VSM3PARTW2 - FirstSIMD:  "sm3partw2",
	VSM4E - FirstSIMD:       "sm4e",
	VSM4EKEY - FirstSIMD:    "sm4ekey",
	VLDR - FirstSIMD:        "ldr",
	VLDRPre - FirstSIMD:     "ldr",
	VLDRPost - FirstSIMD:    "ldr",
	VLDRReg - FirstSIMD:     "ldr",
	VLDRLit - FirstSIMD:     "ldr",
	VLDUR - FirstSIMD:       "ldur",
	VSTR - FirstSIMD:        "str",
	VSTRPre - FirstSIMD:     "str",
	VSTRPost - FirstSIMD:    "str",
	VSTRReg - FirstSIMD:     "str",
	VSTUR - FirstSIMD:       "stur",
	VLDP - FirstSIMD:        "ldp",
	VLDPPre - FirstSIMD:     "ldp",
	VLDPPost - FirstSIMD:    "ldp",
	VLDNP - FirstSIMD:       "ldnp",
	VSTP - FirstSIMD:        "stp",
	VSTPPre - FirstSIMD:     "stp",
	VSTPPost - FirstSIMD:    "stp",
	VSTNP - FirstSIMD:       "stnp",
	VLD1 - FirstSIMD:        "ld1",
	VLD2 - FirstSIMD:        "ld2",
	VLD3 - FirstSIMD:        "ld3",
	VLD4 - FirstSIMD:        "ld4",
	VST1 - FirstSIMD:        "st1",
	VST2 - FirstSIMD:        "st2",
	VST3 - FirstSIMD:        "st3",
	VST4 - FirstSIMD:        "st4",
	VLD1L - FirstSIMD:       "ld1",
	VLD2L - FirstSIMD:       "ld2",
	VLD3L - FirstSIMD:       "ld3",
	VLD4L - FirstSIMD:       "ld4",
	VST1L - FirstSIMD:       "st1",
	VST2L - FirstSIMD:       "st2",
	VST3L - FirstSIMD:       "st3",
	VST4L - FirstSIMD:       "st4",
	VLD1R - FirstSIMD:       "ld1r",
	VLD2R - FirstSIMD:       "ld2r",
	VLD3R - FirstSIMD:       "ld3r",
	VLD4R - FirstSIMD:       "ld4r",
}

// SIMDName gives the mnemonic of an operation of the floating point and Advanced SIMD group, without the suffix 2 of the forms
// that work on the upper half; it is empty for other operations.
func SIMDName(op Op) string {
	if op < FirstSIMD || op >= EndSIMD {
		return ""
	}
	return simdNames[op-FirstSIMD]
}
