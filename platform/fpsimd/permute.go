package fpsimd

import "gatehouse/platform/a64"

// element is lane i of v, zero-extended.
func element(v *vector, size uint8, i uint64) uint64 {
	bit := i << (size & 3) * 8
	return v[bit>>6&1] >> (bit & 63) & (^uint64(0) >> (64 - width(size)))
}

// setElement replaces lane i of v.
func setElement(v *vector, size uint8, i, x uint64) {
	bit := i << (size & 3) * 8
	mask := ^uint64(0) >> (64 - width(size)) << (bit & 63)
	p := &v[bit>>6&1]
	*p = *p&^mask | x<<(bit&63)&mask
}

// replicate fills 64 bits with copies of the low lane of x.
func replicate(x uint64, size uint8) uint64 {
	return x & (^uint64(0) >> (64 - width(size))) * ones[size&3]
}

func vdupx(r *a64.Regs, in *a64.Inst) {
	v := replicate(r.X[in.Rn], in.Size)
	r.V[in.Rd&31] = vector{v, v & upper(in.Opt)}
}

func vdupv(r *a64.Regs, in *a64.Inst) {
	v := replicate(element(&r.V[in.Rn&31], in.Size, in.Imm), in.Size)
	lo, hi := keep(in.Opt)
	r.V[in.Rd&31] = vector{v & lo, v & hi}
}

func vinsx(r *a64.Regs, in *a64.Inst) { setElement(&r.V[in.Rd&31], in.Size, in.Imm, r.X[in.Rn]) }

func vinsv(r *a64.Regs, in *a64.Inst) {
	setElement(&r.V[in.Rd&31], in.Size, uint64(in.Ra), element(&r.V[in.Rn&31], in.Size, in.Imm))
}

func vumov(r *a64.Regs, in *a64.Inst) { r.X[in.Rd] = element(&r.V[in.Rn&31], in.Size, in.Imm) }

func signedElement(r *a64.Regs, in *a64.Inst) uint64 {
	s := 64 - width(in.Size)
	return uint64(int64(element(&r.V[in.Rn&31], in.Size, in.Imm)<<s) >> s)
}

func vsmovw(r *a64.Regs, in *a64.Inst) { r.X[in.Rd] = uint64(uint32(signedElement(r, in))) }
func vsmovx(r *a64.Regs, in *a64.Inst) { r.X[in.Rd] = signedElement(r, in) }

func vmovi(r *a64.Regs, in *a64.Inst) { r.V[in.Rd&31] = vector{in.Imm, in.Imm & upper(in.Opt)} }

func vorri(r *a64.Regs, in *a64.Inst) {
	d := &r.V[in.Rd&31]
	*d = vector{d[0] | in.Imm, (d[1] | in.Imm) & upper(in.Opt)}
}

func vbici(r *a64.Regs, in *a64.Inst) {
	d := &r.V[in.Rd&31]
	*d = vector{d[0] &^ in.Imm, d[1] &^ in.Imm & upper(in.Opt)}
}

// vext takes consecutive bytes from the middle of the second source over the first.
func vext(r *a64.Regs, in *a64.Inst) {
	n, m := r.V[in.Rn&31], r.V[in.Rm&31]
	if in.Opt == 8 {
		s := uint(in.Imm) * 8
		r.V[in.Rd&31] = vector{n[0]>>s | m[0]<<(64-s)}
		return
	}
	a, b, c := n[0], n[1], m[0]
	if in.Imm >= 8 {
		a, b, c = n[1], m[0], m[1]
	}
	s := uint(in.Imm&7) * 8
	r.V[in.Rd&31] = vector{a>>s | b<<(64-s), b>>s | c<<(64-s)}
}

// lookup gives 8 bytes of a table lookup. Bytes of index outside the table of count registers from first on take those of
// otherwise.
func lookup(r *a64.Regs, first, count uint8, index, otherwise uint64) uint64 {
	var v uint64
	for i := 0; i < 64; i += 8 {
		b := uint8(index >> i)
		var x uint64
		if b>>4 < count {
			x = r.V[(first+b>>4)&31][b>>3&1] >> (b & 7 * 8)
		} else {
			x = otherwise >> i
		}
		v |= x & 0xff << i
	}
	return v
}

func vtbl(r *a64.Regs, in *a64.Inst) {
	m := r.V[in.Rm&31]
	lo, hi := lookup(r, in.Rn, in.Ra, m[0], 0), uint64(0)
	if in.Opt == 16 {
		hi = lookup(r, in.Rn, in.Ra, m[1], 0)
	}
	r.V[in.Rd&31] = vector{lo, hi}
}

func vtbx(r *a64.Regs, in *a64.Inst) {
	d, m := r.V[in.Rd&31], r.V[in.Rm&31]
	lo, hi := lookup(r, in.Rn, in.Ra, m[0], d[0]), uint64(0)
	if in.Opt == 16 {
		hi = lookup(r, in.Rn, in.Ra, m[1], d[1])
	}
	r.V[in.Rd&31] = vector{lo, hi}
}

// unzip1 and unzip2 are the even and the odd lanes of n followed by m.

func unzip1(n, m vector, in *a64.Inst) vector {
	switch {
	case in.Size == 3:
		return vector{n[0], m[0]}
	case in.Opt == 8:
		return vector{pack2(n[0], m[0], in.Size)}
	}
	return vector{pack2(n[0], n[1], in.Size), pack2(m[0], m[1], in.Size)}
}

func unzip2(n, m vector, in *a64.Inst) vector {
	w := width(in.Size)
	switch {
	case in.Size == 3:
		return vector{n[1], m[1]}
	case in.Opt == 8:
		return vector{pack2(n[0]>>w, m[0]>>w, in.Size)}
	}
	return vector{pack2(n[0]>>w, n[1]>>w, in.Size), pack2(m[0]>>w, m[1]>>w, in.Size)}
}

func vuzp1(r *a64.Regs, in *a64.Inst) { r.V[in.Rd&31] = unzip1(r.V[in.Rn&31], r.V[in.Rm&31], in) }
func vuzp2(r *a64.Regs, in *a64.Inst) { r.V[in.Rd&31] = unzip2(r.V[in.Rn&31], r.V[in.Rm&31], in) }

// zip interleaves the lanes of the low 32 bits of n and m.
func zip(n, m uint64, size uint8) uint64 { return spread(n, size) | spread(m, size)<<width(size) }

func vzip1(r *a64.Regs, in *a64.Inst) {
	n, m := r.V[in.Rn&31][0], r.V[in.Rm&31][0]
	if in.Size == 3 {
		r.V[in.Rd&31] = vector{n, m}
		return
	}
	r.V[in.Rd&31] = vector{zip(n, m, in.Size), zip(n>>32, m>>32, in.Size) & upper(in.Opt)}
}

func vzip2(r *a64.Regs, in *a64.Inst) {
	half := in.Opt >> 4 & 1
	n, m := r.V[in.Rn&31][half], r.V[in.Rm&31][half]
	switch {
	case in.Size == 3:
		r.V[in.Rd&31] = vector{n, m}
	case half == 0:
		r.V[in.Rd&31] = vector{zip(n>>32, m>>32, in.Size)}
	default:
		r.V[in.Rd&31] = vector{zip(n, m, in.Size), zip(n>>32, m>>32, in.Size)}
	}
}

// evenLanes is the mask of the lanes with even numbers. size is 0 to 2.
func evenLanes(size uint8) uint64 { return ones[size+1&3] * (1<<width(size) - 1) }

func vtrn1(r *a64.Regs, in *a64.Inst) {
	n, m := r.V[in.Rn&31], r.V[in.Rm&31]
	if in.Size == 3 {
		r.V[in.Rd&31] = vector{n[0], m[0]}
		return
	}
	w, even := width(in.Size), evenLanes(in.Size)
	r.V[in.Rd&31] = vector{n[0]&even | m[0]&even<<w, (n[1]&even | m[1]&even<<w) & upper(in.Opt)}
}

func vtrn2(r *a64.Regs, in *a64.Inst) {
	n, m := r.V[in.Rn&31], r.V[in.Rm&31]
	if in.Size == 3 {
		r.V[in.Rd&31] = vector{n[1], m[1]}
		return
	}
	w, even := width(in.Size), evenLanes(in.Size)
	r.V[in.Rd&31] = vector{n[0]>>w&even | m[0]&^even, (n[1]>>w&even | m[1]&^even) & upper(in.Opt)}
}

func permuteOps() map[a64.Op]operation {
	return map[a64.Op]operation{
		a64.VDUPX: vdupx, a64.VDUPV: vdupv, a64.VINSX: vinsx, a64.VINSV: vinsv,
		a64.VUMOV: vumov, a64.VSMOVW: vsmovw, a64.VSMOVX: vsmovx,
		a64.VMOVI: vmovi, a64.VMVNI: vmovi, a64.VFMOVI: vmovi, a64.VORRI: vorri, a64.VBICI: vbici,
		a64.VEXT: vext, a64.VTBL: vtbl, a64.VTBX: vtbx,
		a64.VUZP1: vuzp1, a64.VUZP2: vuzp2, a64.VZIP1: vzip1, a64.VZIP2: vzip2, a64.VTRN1: vtrn1, a64.VTRN2: vtrn2,
	}
}
