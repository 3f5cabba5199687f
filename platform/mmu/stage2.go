package mmu

// Stage 2 leaf descriptor (DDI 0487, D8.3).
const (
	s2Read  = 1 << 6 // S2AP[0]
	s2Write = 1 << 7 // S2AP[1]
)

// stage2Fault builds a stage 2 fault for an IPA.
func stage2Fault(status uint8, level uint, ipa uint64) Fault {
	f := fault(status, level)
	f.Stage2, f.IPA = true, ipa
	return f
}

// stage2Walk walks the stage 2 tables for an IPA, up to but without the check of permissions. page is the granule in bits.
func stage2Walk(rd Reader, g *Regime, ipa uint64) (l leaf, page uint, f Fault, ok bool) {
	vtcr := g.VTCR
	tb := tables{
		base: g.VTTBR,
		page: pageBitsTG0(vtcr >> 14),
		out:  outputBits(vtcr>>16, g.PABits),
		be:   g.Stage2BE,
	}
	txsz := vtcr & 63
	start, valid := stage2Start(vtcr>>6&3, tb.page, g.PABits)
	// An input range that is wider than the physical addresses faults, as one outside the limits does: the manual's other
	// choice is the nearest limit.
	if txsz < minTxSZ || txsz > maxTxSZ || uint8(64-txsz) > g.PABits || !valid {
		return l, 0, stage2Fault(StatusTranslation, 0, ipa), false
	}
	tb.in, tb.start = uint(64-txsz), start
	// The first level resolves at least one bit, and at most a full table and 16 of them side by side.
	shift := tb.page + (3-start)*(tb.page-3)
	if tb.in < shift+1 || tb.in > shift+tb.page-3+4 || ipa>>tb.in != 0 {
		return l, 0, stage2Fault(StatusTranslation, 0, ipa), false
	}
	l, f, ok = descend(rd, g, &tb, ipa)
	if !ok {
		f.Stage2, f.IPA = true, ipa
		return l, 0, f, false
	}
	if l.desc&descAF == 0 {
		return l, 0, stage2Fault(StatusAccessFlag, l.level, ipa), false
	}
	return l, tb.page, f, true
}

// stage2Start gives the level that VTCR_EL2.SL0 selects, and whether it may with this physical address size (DDI 0487, D19.2).
func stage2Start(sl0 uint64, page uint, paBits uint8) (level uint, ok bool) {
	if page == 12 {
		return 2 - uint(sl0), sl0 < 2 || sl0 == 2 && paBits >= 44
	}
	limit := uint8(42) // 64 KiB
	if page == 14 {
		limit = 40
	}
	return 3 - uint(sl0), sl0 < 2 || sl0 == 2 && paBits > limit
}

// stage2Perm gives the rights of a stage 2 leaf, with FEAT_XNX (DDI 0487, D8.4).
func stage2Perm(desc uint64) Perm {
	var p Perm
	if desc&s2Read != 0 {
		p |= PrivRead | UserRead
	}
	if desc&s2Write != 0 {
		p |= PrivWrite | UserWrite
	}
	switch desc >> 53 & 3 { // XN
	case 0b00:
		p |= PrivExec | UserExec
	case 0b01:
		p |= UserExec
	case 0b11:
		p |= PrivExec
	}
	return p
}

// stage2Table translates the IPA of a stage 1 descriptor.
func stage2Table(rd Reader, g *Regime, ipa uint64) (pa uint64, f Fault, ok bool) {
	l, _, f, ok := stage2Walk(rd, g, ipa)
	switch {
	case !ok:
	case !stage2Perm(l.desc).Allows(Read, false),
		g.HCR&hcrPTW != 0 && stage2Attr(g, l.desc, Read).Device():
		f, ok = stage2Fault(StatusPermission, l.level, ipa), false
	default:
		return l.address(ipa), f, true
	}
	f.S1PTW = true
	return 0, f, false
}

// stage2Output takes a stage 1 result through stage 2.
func stage2Output(rd Reader, g *Regime, t *Translation, user bool, acc Access) (f Fault, ok bool) {
	ipa := t.PA
	l, page, f, ok := stage2Walk(rd, g, ipa)
	if !ok {
		return f, false
	}
	p := stage2Perm(l.desc)
	if !p.Allows(acc, user) {
		return stage2Fault(StatusPermission, l.level, ipa), false
	}
	t.PA = l.address(ipa)
	t.Perm &= p
	t.Size = min(t.Size, l.size(page))
	t.Attr = combine(t.Attr, stage2Attr(g, l.desc, acc))
	return f, true
}
