package a64

// Extensions of floating point and Advanced SIMD, named as in DDI 0487, A2.
const (
	FP16    Features = 1 << (16 + iota) // FEAT_FP16: arithmetic in half precision
	FHM                                 // FEAT_FHM
	DotProd                             // FEAT_DotProd
	FCMA                                // FEAT_FCMA
	JSCVT                               // FEAT_JSCVT
	FRINTTS                             // FEAT_FRINTTS
	AES                                 // FEAT_AES
	PMULL                               // FEAT_PMULL
	SHA1                                // FEAT_SHA1
	SHA256                              // FEAT_SHA256
	SHA512                              // FEAT_SHA512
	SHA3                                // FEAT_SHA3
	SM3                                 // FEAT_SM3
	SM4                                 // FEAT_SM4
	I8MM                                // FEAT_I8MM
	BF16                                // FEAT_BF16
)

// AllSIMDFeatures is every extension of the group that this package decodes, FEAT_RDM included.
const AllSIMDFeatures = I8MM<<1 - FP16 | BF16 | RDM

// simdFeatures gives the extensions that an instruction of the group belongs to.
func simdFeatures(in *Inst) Features {
	op := in.Op
	switch {
	case op >= FMOVH && op <= FCSELD:
		if (op-FMOVH)%3 == 0 {
			return FP16
		}
		return 0
	case op >= FRINT32Z && op <= FRINT64X:
		return FRINTTS
	case op == FJCVTZS:
		return JSCVT
	case op >= FRINTN && op <= UCVTFXD, op == VFMOVI,
		op >= VFADD && op <= VFRECPX, op >= VFRINTN && op <= VFRINTI, op >= VFCVTNS && op <= VFMINNMV:
		if in.Size == 1 {
			return FP16
		}
		return 0
	case op == FMOVtoH, op == FMOVfromH:
		return FP16
	case op >= VFRINT32Z && op <= VFRINT64X:
		return FRINTTS
	case op >= VSDOT && op <= VUDOTE:
		return DotProd
	case op >= VUSDOT && op <= VUSMMLA:
		return I8MM
	case op >= VBFDOT && op <= BFCVT:
		return BF16
	case op == VSQRDMLAH, op == VSQRDMLSH, op == VSQRDMLAHE, op == VSQRDMLSHE:
		return RDM
	case op == VPMULL && in.Size == 3:
		return PMULL
	case op >= VFMLAL && op <= VFMLSL2E:
		return FHM
	case op >= VFCMLA && op <= VFCMLAE:
		if in.Size == 1 {
			return FCMA | FP16
		}
		return FCMA
	case op >= VAESE && op <= VAESIMC:
		return AES
	case op >= VSHA1C && op <= VSHA1SU1:
		return SHA1
	case op >= VSHA256H && op <= VSHA256SU1:
		return SHA256
	case op >= VSHA512H && op <= VSHA512SU1:
		return SHA512
	case op >= VEOR3 && op <= VXAR:
		return SHA3
	case op >= VSM3SS1 && op <= VSM3PARTW2:
		return SM3
	case op == VSM4E, op == VSM4EKEY:
		return SM4
	}
	return 0
}
