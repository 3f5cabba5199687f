package cpu

import (
	"math/bits"

	"gatehouse/platform/a64"
)

// FEAT_PAuth with the architected algorithm, QARMA5, as ID_AA64ISAR1_EL1.{APA, GPA} = {1, 1} state it: without FEAT_EPAC, FEAT_PAuth2
// and FEAT_FPAC, so that a failed authentication leaves an address that faults when it is used (DDI 0487, D8.10).

// pacKey is a 128-bit key.
type pacKey struct{ lo, hi uint64 }

// Keys in the order of sysRegs.keys and of the Opt field of a64.PAC.
const (
	keyIA = iota
	keyIB
	keyDA
	keyDB
	keyGA
)

// SCTLR_ELx: which keys are in use.
const (
	sctlrEnDB = 1 << 13
	sctlrEnDA = 1 << 27
	sctlrEnIB = 1 << 30
	sctlrEnIA = 1 << 31
)

var keyEnable = [...]uint64{keyIA: sctlrEnIA, keyIB: sctlrEnIB, keyDA: sctlrEnDA, keyDB: sctlrEnDB}

// isPACKey reports whether key names a half of one of the keys: APIAKeyLo_EL1 to APGAKeyHi_EL1.
func isPACKey(key uint16) bool {
	crm, op2 := key>>3&15, key&7
	return key>>7 == 3<<7|2 && (crm == 1 && op2 < 4 || crm == 2 && op2 < 4 || crm == 3 && op2 < 2)
}

// pacKeyRegister gives the half of a key that a system register holds.
func (c *CPU) pacKeyRegister(key uint16) (*uint64, access) {
	switch {
	case c.code.features&featPAuth == 0:
		return nil, accessUndef
	case c.el < 2 && c.el2() && c.sys.hcr&hcrAPK == 0:
		return nil, accessTrap2
	case c.el < 3 && c.cfg.EL3 && c.sys.scr&scrAPK == 0:
		return nil, accessTrap3
	}
	k := &c.sys.keys[(key>>3&15-1)*2+key>>1&1]
	if key&1 != 0 {
		return &k.hi, accessOK
	}
	return &k.lo, accessOK
}

// execPAC executes the instructions of the extension. The result is that of exec.
func (c *CPU) execPAC(in *a64.Inst) bool {
	x := &c.X
	switch in.Op {
	case a64.XPAC:
		x[in.Rd] = c.stripPAC(x[in.Rd], in.Opt >= keyDA)
		return true
	case a64.PACGA:
		if c.trapPAC() {
			return false
		}
		k := c.sys.keys[keyGA]
		x[in.Rd] = qarma(x[in.Rn], x[in.Rm], k.hi, k.lo) &^ 0xffffffff
		return true
	case a64.ERETAUT:
		if c.el == 0 {
			c.undefined()
			return false
		}
	}
	if c.sctlr()&keyEnable[in.Opt&3] != 0 && c.trapPAC() {
		return false
	}
	switch in.Op {
	case a64.PAC:
		x[in.Rd] = c.addPAC(x[in.Rd], x[in.Rn], in.Opt&3)
		return true
	case a64.AUT:
		x[in.Rd] = c.authenticate(x[in.Rd], x[in.Rn], in.Opt&3)
		return true
	case a64.RETAUT:
		c.PC = c.branchTarget(c.authenticate(x[in.Rn], x[in.Rm], in.Opt&3))
	case a64.BRAUT:
		c.branch(c.authenticate(x[in.Rn], x[in.Rm], in.Opt&3), c.jumpType(in.Rn))
	case a64.BLRAUT:
		target := c.authenticate(x[in.Rn], x[in.Rm], in.Opt&3)
		x[30] = c.PC + 4
		c.branch(target, btypeCall)
	case a64.ERETAUT:
		c.eret(c.authenticate(c.elr[c.el], x[in.Rm], in.Opt&3))
	case a64.LDRAUT:
		if !c.spAligned(in.Rn) {
			return false
		}
		va := c.authenticate(x[in.Rn], 0, in.Opt&3) + in.Imm
		v, ok := c.load(va, 8)
		if !ok {
			return false
		}
		if in.Size != 0 {
			c.setBase(in.Rn, va)
		}
		x[in.Rd] = v
		return true
	}
	return false
}

// trapPAC applies HCR_EL2.API and SCR_EL3.API. It returns true when the exception has been taken.
func (c *CPU) trapPAC() bool {
	switch {
	case c.el < 2 && c.el2() && c.sys.hcr&hcrAPI == 0:
		c.syncException(2, ecPAC, 0, c.PC)
	case c.el < 3 && c.cfg.EL3 && c.sys.scr&scrAPI == 0:
		c.syncException(3, ecPAC, 0, c.PC)
	default:
		return false
	}
	return true
}

// pacField says where the code is in a pointer: from bit bottom up to bit 54, and to bit 63 unless the top byte is ignored. Bit 55
// selects the address range (CalculateBottomPACBit).
func (c *CPU) pacField(ptr uint64, data bool, selector uint64) (bottom uint, tbi bool) {
	el := max(c.el, 1)
	tsz := c.sys.tcr[el] & 63
	if el == 1 && selector != 0 {
		tsz = c.sys.tcr[1] >> 16 & 63
	}
	return uint(64 - min(max(tsz, 16), 39)), c.topByteIgnored(ptr, el, data)
}

// extendPointer gives ptr the extension bits that an address in the range of selector has, 0 or all ones.
func extendPointer(ptr uint64, bottom uint, tbi bool, selector uint64) uint64 {
	mask := ^uint64(0) << bottom
	if tbi {
		mask &= 1<<56 - 1
	}
	return ptr&^mask | selector&mask
}

// addPAC is AddPAC of the architecture's pseudocode, where the key is in use.
func (c *CPU) addPAC(ptr, modifier uint64, key uint8) uint64 {
	if c.sctlr()&keyEnable[key] == 0 {
		return ptr
	}
	data := key >= keyDA
	// With two address ranges one TBI bit is enough for bit 55 to tell them apart.
	bit := uint(63)
	if el := max(c.el, 1); c.topByteIgnored(0, el, data) || el == 1 && c.topByteIgnored(1<<55, el, data) {
		bit = 55
	}
	selector := uint64(int64(ptr<<(63-bit)) >> 63)
	bottom, tbi := c.pacField(ptr, data, selector)
	pac := c.pac(extendPointer(ptr, bottom, tbi, selector), modifier, key)
	top := uint(63)
	if tbi {
		top = 55
	}
	if ext := int64(ptr<<(63-top)) >> (63 - top + bottom); ext != 0 && ext != -1 {
		pac ^= 1 << (top - 1) // the address was none already, and must not become one
	}
	mask := ^uint64(0) << bottom &^ (1 << 55)
	if tbi {
		mask &= 1<<56 - 1
	}
	return ptr&^(mask|1<<55) | pac&mask | selector&(1<<55)
}

// stripPAC is Strip.
func (c *CPU) stripPAC(ptr uint64, data bool) uint64 {
	selector := uint64(int64(ptr<<8) >> 63)
	bottom, tbi := c.pacField(ptr, data, selector)
	return extendPointer(ptr, bottom, tbi, selector)
}

// authenticate is Auth, where the key is in use. On failure two of the extension bits tell the key.
func (c *CPU) authenticate(ptr, modifier uint64, key uint8) uint64 {
	if c.sctlr()&keyEnable[key] == 0 {
		return ptr
	}
	selector := uint64(int64(ptr<<8) >> 63)
	bottom, tbi := c.pacField(ptr, key >= keyDA, selector)
	original := extendPointer(ptr, bottom, tbi, selector)
	mask := ^uint64(0) << bottom &^ (1 << 55)
	shift := uint(61)
	if tbi {
		mask &= 1<<56 - 1
		shift = 53
	}
	if (c.pac(original, modifier, key)^ptr)&mask == 0 {
		return original
	}
	code := uint64(key & 1)
	return original&^(3<<shift) | (code<<1|code^1)<<shift
}

// pacSize is the number of computed codes that are kept: what signs a return address comes before what authenticates it, with the
// same operands.
const pacSize = 2048

type pacEntry struct {
	ptr, modifier uint64
	key           pacKey
	pac           uint64
	valid         bool
}

// pac computes the code of ptr.
func (c *CPU) pac(ptr, modifier uint64, key uint8) uint64 {
	k := c.sys.keys[key]
	h := (ptr>>2 ^ ptr>>13 ^ modifier*0x9e3779b97f4a7c15>>48 ^ k.lo) % pacSize
	e := &c.pacs[h]
	if e.valid && e.ptr == ptr && e.modifier == modifier && e.key == k {
		return e.pac
	}
	*e = pacEntry{ptr, modifier, k, qarma(ptr, modifier, k.hi, k.lo), true}
	return e.pac
}

// QARMA-64 with five rounds and the S-box sigma 2 (ComputePAC; R. Avanzi, "The QARMA Block Cipher Family").
const qarmaAlpha = 0xc0ac29b7c97c50dd

var (
	qarmaRC = [5]uint64{0, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89, 0x452821e638d01377}

	qarmaSub    = nibbles([16]uint8{0xb, 0x6, 0x8, 0xf, 0xc, 0x0, 0x9, 0xe, 0x3, 0x7, 0x4, 0x5, 0xd, 0x2, 0x1, 0xa})
	qarmaInvSub = nibbles([16]uint8{0x5, 0xe, 0xd, 0x8, 0xa, 0xb, 0x1, 0x9, 0x2, 0x6, 0xf, 0x0, 0x4, 0xc, 0x7, 0x3})

	// Cell i of the result is cell cellShuffle[i] of the operand; cells are 4 bits.
	cellShuffle  = [16]uint8{13, 6, 11, 0, 7, 12, 1, 10, 8, 3, 14, 5, 2, 9, 4, 15}
	tweakShuffle = [16]uint8{4, 5, 6, 7, 11, 2, 3, 8, 12, 13, 14, 15, 0, 1, 10, 9}
	// tweakRotates are the cells of the result that the tweak's LFSR moves on.
	tweakRotates = [16]bool{2: true, 4: true, 7: true, 11: true, 12: true, 14: true, 15: true}

	// The linear steps as tables by byte of the operand.
	forward     = linear(func(v uint64) uint64 { return mixColumns(permute(v, &cellShuffle)) })
	mixBackward = linear(func(v uint64) uint64 { return unpermute(mixColumns(v), &cellShuffle) })
	backward    = linear(func(v uint64) uint64 { return unpermute(v, &cellShuffle) })
	nextTweak   = linear(func(v uint64) uint64 {
		v = permute(v, &tweakShuffle)
		var r uint64
		for i := range 16 {
			cell := v >> (4 * i) & 15
			if tweakRotates[i] {
				cell = cell>>1 | (cell^cell>>1)&1<<3
			}
			r |= cell << (4 * i)
		}
		return r
	})
	lastTweak = linear(func(v uint64) uint64 {
		var r uint64
		for i := range 16 {
			cell := v >> (4 * i) & 15
			if tweakRotates[i] {
				cell = cell<<1&15 | (cell&1 ^ cell>>3)
			}
			r |= cell << (4 * i)
		}
		return unpermute(r, &tweakShuffle)
	})
)

type byteTables [8][256]uint64

// nibbles makes of a substitution of 4 bits one of 8.
func nibbles(t [16]uint8) (r [256]uint8) {
	for i := range r {
		r[i] = t[i>>4]<<4 | t[i&15]
	}
	return r
}

// linear tabulates a function for which f(a^b) is f(a)^f(b).
func linear(f func(uint64) uint64) *byteTables {
	var t byteTables
	for i := range t {
		for b := range t[i] {
			t[i][b] = f(uint64(b) << (8 * i))
		}
	}
	return &t
}

func (t *byteTables) apply(v uint64) uint64 {
	return t[0][v&255] ^ t[1][v>>8&255] ^ t[2][v>>16&255] ^ t[3][v>>24&255] ^ t[4][v>>32&255] ^ t[5][v>>40&255] ^ t[6][v>>48&255] ^ t[7][v>>56]
}

func permute(v uint64, p *[16]uint8) (r uint64) {
	for i, from := range p {
		r |= v >> (4 * from) & 15 << (4 * i)
	}
	return r
}

func unpermute(v uint64, p *[16]uint8) (r uint64) {
	for i, from := range p {
		r |= v >> (4 * i) & 15 << (4 * from)
	}
	return r
}

// mixColumns multiplies the columns by the matrix circ(0, rho, rho^2, rho), rho being a rotation of a cell to the left by one.
func mixColumns(v uint64) (r uint64) {
	rot := func(cell uint64, n uint) uint64 { return (cell<<n | cell>>(4-n)) & 15 }
	for col := range 4 {
		var in [4]uint64
		for row := range in {
			in[row] = v >> (16*row + 4*col) & 15
		}
		for row := range in {
			out := rot(in[(row+1)&3], 1) ^ rot(in[(row+2)&3], 2) ^ rot(in[(row+3)&3], 1)
			r |= out << (16*row + 4*col)
		}
	}
	return r
}

func substitute(v uint64, t *[256]uint8) (r uint64) {
	for i := 0; i < 64; i += 8 {
		r |= uint64(t[v>>i&255]) << i
	}
	return r
}

// qarma is ComputePAC: k0 is bits 127 to 64 of the key, k1 bits 63 to 0.
func qarma(data, modifier, k0, k1 uint64) uint64 {
	w1 := bits.RotateLeft64(k0, -1) ^ k0>>63
	tweak := modifier
	v := data ^ k0
	for i, rc := range qarmaRC {
		v ^= k1 ^ tweak ^ rc
		if i > 0 {
			v = forward.apply(v)
		}
		v = substitute(v, &qarmaSub)
		tweak = nextTweak.apply(tweak)
	}
	v = substitute(forward.apply(v^w1^tweak), &qarmaSub)
	v = backward.apply(forward.apply(v) ^ k1)
	v = mixBackward.apply(substitute(v, &qarmaInvSub)) ^ k0 ^ tweak
	for i := range qarmaRC {
		v = substitute(v, &qarmaInvSub)
		if i < len(qarmaRC)-1 {
			v = mixBackward.apply(v)
		}
		tweak = lastTweak.apply(tweak)
		v ^= qarmaRC[len(qarmaRC)-1-i] ^ k1 ^ tweak ^ qarmaAlpha
	}
	return v ^ w1
}
