package fpsimd

import "math/bits"

// Most integer operations work on all lanes of 64 bits at once. Such functions take size, log2 of the bytes of a lane, and treat
// the 64 bits as 8>>size lanes that do not influence each other.

// ones and tops have the lowest and the highest bit of each lane set, by size.
var (
	ones = [4]uint64{0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1}
	tops = [4]uint64{0x8080808080808080, 0x8000800080008000, 0x8000000080000000, 1 << 63}
)

// width is the number of bits of a lane.
func width(size uint8) uint { return 8 << (size & 3) }

// fill makes the lanes all ones whose top bit is set in t, the others zero.
func fill(t uint64, size uint8) uint64 {
	w := width(size)
	t = t & tops[size&3] >> (w - 1)
	return t<<w - t
}

// choose takes the bits of a where mask is set, and those of b elsewhere.
func choose(mask, a, b uint64) uint64 { return b ^ (a^b)&mask }

func add(a, b uint64, size uint8) uint64 {
	t := tops[size&3]
	return (a&^t + b&^t) ^ (a^b)&t
}

func sub(a, b uint64, size uint8) uint64 {
	t := tops[size&3]
	return (a | t - b&^t) ^ (a^^b)&t
}

func neg(a uint64, size uint8) uint64 { return sub(0, a, size) }

func abs(a uint64, size uint8) uint64 {
	negative := fill(a, size)
	return sub(a^negative, negative, size)
}

// borrow has the top bit of each lane set where a is below b, both unsigned. Other bits are arbitrary.
func borrow(a, b uint64, size uint8) uint64 {
	return ^a&b | ^(a^b)&sub(a, b, size)
}

// carry has the top bit of each lane set where a plus b, whose sum is s, needs one bit more. Other bits are arbitrary.
func carry(a, b, s uint64) uint64 { return a&b | (a|b)&^s }

// belowU and belowS are masks of the lanes where a is below b.
func belowU(a, b uint64, size uint8) uint64 { return fill(borrow(a, b, size), size) }

func belowS(a, b uint64, size uint8) uint64 {
	t := tops[size&3]
	return belowU(a^t, b^t, size)
}

// nonzero is the mask of the lanes that are not zero.
func nonzero(a uint64, size uint8) uint64 {
	t := tops[size&3]
	return fill(a|(a&^t+^t), size)
}

func cmeq(a, b uint64, size uint8) uint64  { return ^nonzero(a^b, size) }
func cmgt(a, b uint64, size uint8) uint64  { return belowS(b, a, size) }
func cmge(a, b uint64, size uint8) uint64  { return ^belowS(a, b, size) }
func cmhi(a, b uint64, size uint8) uint64  { return belowU(b, a, size) }
func cmhs(a, b uint64, size uint8) uint64  { return ^belowU(a, b, size) }
func cmtst(a, b uint64, size uint8) uint64 { return nonzero(a&b, size) }

func maxU(a, b uint64, size uint8) uint64 { return choose(belowU(a, b, size), b, a) }
func minU(a, b uint64, size uint8) uint64 { return choose(belowU(a, b, size), a, b) }
func maxS(a, b uint64, size uint8) uint64 { return choose(belowS(a, b, size), b, a) }
func minS(a, b uint64, size uint8) uint64 { return choose(belowS(a, b, size), a, b) }

// abdU and abdS are absolute differences.
func abdU(a, b uint64, size uint8) uint64 {
	negative := belowU(a, b, size)
	return sub(sub(a, b, size)^negative, negative, size)
}

func abdS(a, b uint64, size uint8) uint64 {
	negative := belowS(a, b, size)
	return sub(sub(a, b, size)^negative, negative, size)
}

// Halving: the result is what the sum or difference of one bit more has above its lowest bit. Signed lanes become unsigned by
// adding half the range to both operands, which halving leaves in the sum and removes from the difference.

func uhadd(a, b uint64, size uint8) uint64 { return a&b + (a^b)>>1&^tops[size&3] }

func urhadd(a, b uint64, size uint8) uint64 { return a | b - (a^b)>>1&^tops[size&3] }

func uhsub(a, b uint64, size uint8) uint64 {
	return sub((a^b)>>1&^tops[size&3], ^a&b, size)
}

func shadd(a, b uint64, size uint8) uint64 {
	t := tops[size&3]
	return uhadd(a^t, b^t, size) ^ t
}

func srhadd(a, b uint64, size uint8) uint64 {
	t := tops[size&3]
	return urhadd(a^t, b^t, size) ^ t
}

func shsub(a, b uint64, size uint8) uint64 {
	t := tops[size&3]
	return uhsub(a^t, b^t, size)
}

// Saturating operations also give a word that is not zero when a lane was saturated.

// saturateS replaces the lanes of v whose top bit is set in over by the largest or, where the top bit of sign is set, the
// smallest signed number.
func saturateS(v, over, sign uint64, size uint8) (uint64, uint64) {
	t := tops[size&3]
	over &= t
	limit := ^t + sign&t>>(width(size)-1)
	if over == 0 {
		return v, 0
	}
	return choose(fill(over, size), limit, v), over
}

func sqadd(a, b uint64, size uint8) (v, saturated uint64) {
	s := add(a, b, size)
	return saturateS(s, ^(a^b)&(a^s), a, size)
}

func sqsub(a, b uint64, size uint8) (v, saturated uint64) {
	d := sub(a, b, size)
	return saturateS(d, (a^b)&(a^d), a, size)
}

func uqadd(a, b uint64, size uint8) (v, saturated uint64) {
	s := add(a, b, size)
	over := fill(carry(a, b, s), size)
	return s | over, over
}

func uqsub(a, b uint64, size uint8) (v, saturated uint64) {
	under := belowU(a, b, size)
	return sub(a, b, size) &^ under, under
}

// suqadd adds an unsigned number n to a signed one d.
func suqadd(n, d uint64, size uint8) (v, saturated uint64) {
	s := add(d, n, size)
	return saturateS(s, ^d&(n|s)|d&n&s, 0, size)
}

// usqadd adds a signed number n to an unsigned one d.
func usqadd(n, d uint64, size uint8) (v, saturated uint64) {
	s := add(d, n, size)
	c := carry(d, n, s)
	over, under := fill(^n&c, size), fill(n&^c, size)
	return (s | over) &^ under, over | under
}

func sqabs(a uint64, size uint8) (v, saturated uint64) {
	v = abs(a, size)
	over := v & tops[size&3]
	return v - over>>(width(size)-1), over
}

func sqneg(a uint64, size uint8) (v, saturated uint64) {
	v = neg(a, size)
	over := a & v & tops[size&3]
	return v - over>>(width(size)-1), over
}

// Bit and byte order.

func popcount(a uint64) uint64 {
	a -= a >> 1 & 0x5555555555555555
	a = a&0x3333333333333333 + a>>2&0x3333333333333333
	return (a + a>>4) & 0x0f0f0f0f0f0f0f0f
}

func reverseBits(a uint64) uint64 { return bits.ReverseBytes64(bits.Reverse64(a)) }

func swap8(a uint64) uint64  { return a>>8&0x00ff00ff00ff00ff | a&0x00ff00ff00ff00ff<<8 }
func swap16(a uint64) uint64 { return a>>16&0x0000ffff0000ffff | a&0x0000ffff0000ffff<<16 }

// reverse reverses the order of the lanes in each group of 1<<group bytes.
func reverse(a uint64, size, group uint8) uint64 {
	if size < 1 {
		a = swap8(a)
	}
	if size < 2 && group > 1 {
		a = swap16(a)
	}
	if group > 2 {
		a = a>>32 | a<<32
	}
	return a
}

// Shifts by the same amount in all lanes. n is 1 to the width of a lane to the right, below the width to the left.

// below is the mask, in each lane, of the bits that a logical shift right by n can leave set.
func below(size uint8, n uint) uint64 {
	w := width(size)
	return ones[size&3] * (^uint64(0) >> (64 - w) >> n)
}

func shl(a uint64, size uint8, n uint) uint64 { return a << n &^ (ones[size&3] * (1<<n - 1)) }
func shr(a uint64, size uint8, n uint) uint64 { return a >> n & below(size, n) }

func sar(a uint64, size uint8, n uint) uint64 {
	m := below(size, n)
	return a>>n&m | fill(a, size)&^m
}

// roundBit is the bit that a shift right by n shifts out last, at the bottom of each lane.
func roundBit(a uint64, size uint8, n uint) uint64 { return a >> (n - 1) & ones[size&3] }

// Changes of width. spread and pack convert between the low half of 64 bits and 64 bits; size is that of the narrow lanes, 0 to 2.

func spread(a uint64, size uint8) uint64 {
	a &= 0xffffffff
	if size < 2 {
		a = (a | a<<16) & 0x0000ffff0000ffff
		if size < 1 {
			a = (a | a<<8) & 0x00ff00ff00ff00ff
		}
	}
	return a
}

func spreadS(a uint64, size uint8) uint64 {
	a = spread(a, size)
	w := width(size)
	sign := a >> (w - 1) & ones[size+1&3]
	return a | sign*(1<<w-1)<<w
}

// pack keeps the low half of each lane of double width.
func pack(a uint64, size uint8) uint64 {
	if size < 2 {
		if size < 1 {
			a &= 0x00ff00ff00ff00ff
			a = (a | a>>8)
		}
		a &= 0x0000ffff0000ffff
		a = (a | a>>16)
	}
	return a & 0xffffffff
}

// pack2 packs 128 bits into 64.
func pack2(lo, hi uint64, size uint8) uint64 { return pack(lo, size) | pack(hi, size)<<32 }
