package mmu

import "math/bits"

// addressBits is the largest address that any table or register can hold: there is no FEAT_LPA.
const addressBits = 48

// pageBitsTG0 decodes TCR_ELx.TG0 and VTCR_EL2.TG0 to the bits of a page (DDI 0487, D19.2). The reserved encoding selects 4 KiB:
// the manual asks for one of the implemented sizes.
func pageBitsTG0(tg uint64) uint {
	switch tg & 3 {
	case 0b01:
		return 16
	case 0b10:
		return 14
	}
	return 12
}

// pageBitsTG1 decodes TCR_ELx.TG1, which has an encoding of its own.
func pageBitsTG1(tg uint64) uint {
	switch tg & 3 {
	case 0b01:
		return 14
	case 0b11:
		return 16
	}
	return 12
}

// Limits of TxSZ without FEAT_LVA and FEAT_TTST (DDI 0487, D8.2).
const (
	minTxSZ = 64 - addressBits
	maxTxSZ = 39
)

// outputBits gives the output address size that a PS or IPS field selects, not above the implemented one. Reserved values and
// the 52 bits of FEAT_LPA count as 48.
func outputBits(ps uint64, implemented uint8) uint {
	var n uint
	switch ps & 7 {
	case 0:
		n = 32
	case 1:
		n = 36
	case 2:
		n = 40
	case 3:
		n = 42
	case 4:
		n = 44
	default:
		n = addressBits
	}
	return min(n, uint(implemented))
}

// Descriptor fields (DDI 0487, D8.3).
const (
	descValid = 1 << 0
	descTable = 1 << 1 // at level 3: a page
	descNS    = 1 << 5
	descAP1   = 1 << 6
	descAP2   = 1 << 7
	descAF    = 1 << 10
	descNG    = 1 << 11
	descCont  = 1 << 52
	descGP    = 1 << 50
	descPXN   = 1 << 53
	descXN    = 1 << 54 // UXN with two privileges

	tablePXN = 1 << 59
	tableXN  = 1 << 60
	tableAP0 = 1 << 61 // no unprivileged access
	tableAP1 = 1 << 62 // no write
	tableNS  = 1 << 63
)

// tables describes one tree of translation tables, of either stage.
type tables struct {
	base   uint64 // TTBR: bits 47 to 1 are used
	in     uint   // bits of the input address
	out    uint   // bits of the output address
	page   uint   // bits of the page: 12, 14 or 16
	start  uint   // level of the first table
	be     bool   // big-endian descriptors
	secure bool   // the first table is in Secure memory
	nested bool   // stage 1 whose descriptors are at IPAs
}

// leaf is the block or page descriptor that a descent ended at.
type leaf struct {
	desc  uint64
	table uint64 // all table descriptors of the path, ORed
	level uint
	shift uint // bits of the block or page
}

// address gives the output address for an input address.
func (l *leaf) address(in uint64) uint64 {
	mask := uint64(1)<<l.shift - 1
	return l.desc&(1<<addressBits-1)&^mask | in&mask
}

// size gives the bytes that the leaf covers together with its contiguous neighbours (DDI 0487, D8.6.1). The hint never changes the
// address: a group that is not contiguous in fact still translates by its own descriptors.
func (l *leaf) size(page uint) uint64 {
	if l.desc&descCont == 0 {
		return 1 << l.shift
	}
	switch {
	case page == 12:
		return 1 << (l.shift + 4)
	case page == 14 && l.level == 3:
		return 1 << (l.shift + 7)
	}
	return 1 << (l.shift + 5)
}

// descend reads the tables down to the leaf for an input address that is within range.
func descend(rd Reader, g *Regime, t *tables, in uint64) (l leaf, f Fault, ok bool) {
	if t.base&(1<<addressBits-1)>>t.out != 0 {
		return l, Fault{Status: StatusAddressSize}, false
	}
	stride := t.page - 3
	shift := t.page + (3-t.start)*stride
	// The first table may be smaller than a page, or up to 16 of them. It is aligned to its size, which hides CnP.
	index := (in >> shift) & (1<<(t.in-shift) - 1)
	addr := t.base&(1<<addressBits-1)&^(1<<(t.in-shift+3)-1) | index<<3
	secure := t.secure
	for level := t.start; ; level++ {
		if t.nested {
			pa, f, ok := stage2Table(rd, g, addr)
			if !ok {
				return l, f, false
			}
			addr = pa
		}
		desc, ok := rd.ReadTable(addr, secure)
		if !ok {
			return l, fault(StatusExternalWalk, level), false
		}
		if t.be {
			desc = bits.ReverseBytes64(desc)
		}
		isTable := desc&descTable != 0 && level < 3
		switch {
		case desc&descValid == 0,
			// Blocks are at levels 1 and 2, without FEAT_LPA at level 2 only with 16 and 64 KiB pages.
			desc&descTable == 0 && (level == 3 || level == 0 || level == 1 && t.page != 12):
			return l, fault(StatusTranslation, level), false
		case desc&(1<<addressBits-1)&^(1<<t.page-1)>>t.out != 0:
			return l, fault(StatusAddressSize, level), false
		case !isTable:
			l.desc, l.level, l.shift = desc, level, shift
			return l, f, true
		}
		l.table |= desc
		secure = secure && desc&tableNS == 0
		shift -= stride
		index = (in >> shift) & (1<<stride - 1)
		addr = desc&(1<<addressBits-1)&^(1<<t.page-1) | index<<3
	}
}

// fault builds a stage 1 fault.
func fault(status uint8, level uint) Fault {
	return Fault{Status: status | uint8(level), Level: uint8(level)}
}

// Walk translates va for an access: user says that the access is unprivileged, pan that PSTATE.PAN applies to it (it has an effect on
// privileged data accesses in regimes with two privileges only; user is false in the others). It allocates nothing.
//
// When ok is false the access takes the fault; the Translation is zero then, as the Fault is otherwise. Alignment is
// not checked here.
func Walk(rd Reader, g *Regime, va uint64, user bool, acc Access, pan bool) (t Translation, f Fault, ok bool) {
	if g.Enabled() {
		t, f, ok = stage1(rd, g, va, acc)
	} else {
		t, f, ok = flat(g, va, acc)
		pan = false // nothing checks permissions
	}
	if !ok {
		return Translation{}, f, false
	}
	user = user && g.twoRanges()
	pan = pan && !user && g.twoRanges() && t.Perm&(UserRead|UserWrite) != 0
	if pan && acc != Execute || !t.Perm.Allows(acc, user) {
		return Translation{}, fault(StatusPermission, uint(t.Level)), false
	}
	if g.stage2On() && !g.Stage1Only {
		if f, ok = stage2Output(rd, g, &t, user, acc); !ok {
			return Translation{}, f, false
		}
	}
	t.Read = t.Perm.Allows(Read, user) && !pan
	t.Write = t.Perm.Allows(Write, user) && !pan
	t.Exec = t.Perm.Allows(Execute, user)
	return t, Fault{}, true
}

// topByteIgnored gives TCR_ELx.TBI for the range of va, and for instruction fetches TCR_ELx.TBID with it.
func (g *Regime) topByteIgnored(va uint64, acc Access) bool {
	tbid := g.TBID && acc == Execute
	if g.twoRanges() {
		upper := va >> 55 & 1
		return g.TCR>>(37+upper)&1 != 0 && !(tbid && g.TCR>>(51+upper)&1 != 0)
	}
	return g.TCR>>20&1 != 0 && !(tbid && g.TCR>>29&1 != 0)
}

// flat is the translation with stage 1 off (DDI 0487, D8.2).
func flat(g *Regime, va uint64, acc Access) (t Translation, f Fault, ok bool) {
	if g.topByteIgnored(va, acc) {
		va &= 1<<56 - 1
	}
	if va>>g.PABits != 0 {
		return t, fault(StatusAddressSize, 0), false
	}
	t = Translation{
		PA:   va,
		NS:   !g.Secure,
		Perm: PrivRead | PrivWrite | PrivExec | UserRead | UserWrite | UserExec,
		Size: 1 << g.PABits,
	}
	if !g.twoRanges() {
		t.Perm = PrivRead | PrivWrite | PrivExec
	}
	switch {
	case g.defaultCacheable():
		t.Attr = Attr{MAIR: normalWB, Shareability: NonShareable}
	case acc != Execute:
		t.Attr = Attr{MAIR: deviceNGnRnE, Shareability: OuterShareable}
	case g.SCTLR&sctlrI != 0:
		t.Attr = Attr{MAIR: normalWTReadAllocate, Shareability: OuterShareable}
	default:
		t.Attr = Attr{MAIR: normalNC, Shareability: OuterShareable}
	}
	return t, f, true
}

// stage1 walks the stage 1 tables for va, up to but without the check of permissions.
func stage1(rd Reader, g *Regime, va uint64, acc Access) (t Translation, f Fault, ok bool) {
	upper := g.twoRanges() && va>>55&1 != 0
	tcr := g.TCR
	var (
		epd, hpd bool
		txsz     uint64
		ps       uint64
		tb       = tables{base: g.TTBR0, be: g.SCTLR&sctlrEE != 0, secure: g.Secure, nested: g.stage2On()}
	)
	switch {
	case upper:
		txsz, epd, hpd, ps = tcr>>16&63, tcr>>23&1 != 0, tcr>>42&1 != 0, tcr>>32
		tb.base, tb.page = g.TTBR1, pageBitsTG1(tcr>>30)
	case g.twoRanges():
		txsz, epd, hpd, ps = tcr&63, tcr>>7&1 != 0, tcr>>41&1 != 0, tcr>>32
		tb.page = pageBitsTG0(tcr >> 14)
	default:
		txsz, hpd, ps = tcr&63, tcr>>24&1 != 0, tcr>>16
		tb.page = pageBitsTG0(tcr >> 14)
	}
	// A TxSZ outside the limits faults: the manual's other choice is the nearest limit.
	if txsz < minTxSZ || txsz > maxTxSZ {
		return t, fault(StatusTranslation, 0), false
	}
	tb.in = uint(64 - txsz)
	tb.out = outputBits(ps, g.PABits)

	// All bits above the range equal bit 55 of an upper address, and zero otherwise.
	above := int64(va)
	if g.topByteIgnored(va, acc) {
		above = above << 8 >> 8
	}
	want := int64(0)
	if upper {
		want = -1
	}
	if above>>tb.in != want || epd {
		return t, fault(StatusTranslation, 0), false
	}
	stride := tb.page - 3
	tb.start = 4 - (tb.in-tb.page+stride-1)/stride

	l, f, ok := descend(rd, g, &tb, va)
	if !ok {
		return t, f, false
	}
	if l.desc&descAF == 0 {
		return t, fault(StatusAccessFlag, l.level), false
	}
	hier := l.table
	if hpd {
		hier = 0
	}
	t = Translation{
		PA:    l.address(va),
		NS:    !g.Secure || l.desc&descNS != 0 || l.table&tableNS != 0,
		Size:  l.size(tb.page),
		Level: uint8(l.level),

		Guarded: l.desc&descGP != 0,
		// A Secure regime's descriptors that are read from Non-secure memory are never global (DDI 0487, D8.4).
		NonGlobal: g.twoRanges() && (l.desc&descNG != 0 || g.Secure && l.table&tableNS != 0),
		Attr:      Attr{MAIR: uint8(g.MAIR >> (l.desc >> 2 & 7 * 8)), Shareability: uint8(l.desc >> 8 & 3)},
	}
	t.Attr = t.Attr.effective()
	t.Perm = stage1Perm(g, l.desc, hier)
	if g.Secure && g.SIF && t.NS {
		t.Perm &^= PrivExec | UserExec
	}
	return t, Fault{}, true
}

// stage1Perm gives the rights of a leaf descriptor below tables with the attributes hier (DDI 0487, D8.4).
func stage1Perm(g *Regime, desc, hier uint64) Perm {
	wxn := g.SCTLR&sctlrWXN != 0
	writable := desc&descAP2 == 0 && hier&tableAP1 == 0
	p := PrivRead
	if writable {
		p |= PrivWrite
	}
	if !g.twoRanges() {
		if desc&descXN == 0 && hier&tableXN == 0 && !(wxn && writable) {
			p |= PrivExec
		}
		return p
	}
	if desc&descAP1 != 0 && hier&tableAP0 == 0 {
		p |= UserRead
		if writable {
			p |= UserWrite
		}
	}
	// What EL0 can write is never executable with privilege.
	if desc&descPXN == 0 && hier&tablePXN == 0 && p&UserWrite == 0 && !(wxn && p&PrivWrite != 0) {
		p |= PrivExec
	}
	if desc&descXN == 0 && hier&tableXN == 0 && !(wxn && p&UserWrite != 0) {
		p |= UserExec
	}
	return p
}
