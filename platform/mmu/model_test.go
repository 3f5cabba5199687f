package mmu

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

// modelWalk is a second implementation of the same chapter, written from its tables instead of its arithmetic, slow and without the
// types of the first. TestModel compares both on random registers over a memory that is full of descriptors.
func modelWalk(rd Reader, g Regime, va uint64, user bool, acc Access, pan bool) (Translation, Fault, bool) {
	m := model{rd: rd, g: g, acc: acc}
	m.user = user && m.ranges2()
	t, f := m.stageOne(va, pan)
	if f != nil {
		return Translation{}, *f, false
	}
	if m.nested() && !g.Stage1Only {
		if f := m.stageTwo(t, t.PA); f != nil {
			return Translation{}, *f, false
		}
	}
	t.Read, t.Write, t.Exec = m.right(t.Perm, Read), m.right(t.Perm, Write), m.right(t.Perm, Execute)
	if m.panned(t, pan) {
		t.Read, t.Write = false, false
	}
	return *t, Fault{}, true
}

type model struct {
	rd   Reader
	g    Regime
	user bool
	acc  Access
	s1   bool // stage 1 is on
	// rights before stage 2, for PAN
	before Perm
}

// field gives bits hi to lo of v.
func field(v uint64, hi, lo int) uint64 { return v << (63 - hi) >> (63 - hi + lo) }

func bit(v uint64, n int) bool { return field(v, n, n) == 1 }

func (m *model) nested() bool { return m.g.EL == 1 && !m.g.Secure && m.g.Stage2 }

func (m *model) ranges2() bool { return m.g.EL == 1 || m.g.EL == 2 && m.g.E2H }

func (m *model) right(p Perm, a Access) bool {
	list := map[Access]Perm{Read: PrivRead, Write: PrivWrite, Execute: PrivExec}
	if m.user {
		list = map[Access]Perm{Read: UserRead, Write: UserWrite, Execute: UserExec}
	}
	return p&list[a] == list[a]
}

func (m *model) panned(t *Translation, pan bool) bool {
	return pan && m.s1 && !m.user && m.ranges2() && (m.before&UserRead != 0 || m.before&UserWrite != 0)
}

// The bits of the input address that index the table at each level (DDI 0487, D8.2), and whether a block is valid there.
type levelRow struct {
	hi, lo int
	block  bool
	group  int // contiguous entries
}

var levelTable = map[int][4]levelRow{
	4:  {{47, 39, false, 0}, {38, 30, true, 16}, {29, 21, true, 16}, {20, 12, false, 16}},
	16: {{47, 47, false, 0}, {46, 36, false, 0}, {35, 25, true, 32}, {24, 14, false, 128}},
	64: {{0, 0, false, 0}, {47, 42, false, 0}, {41, 29, true, 32}, {28, 16, false, 32}},
}

var sizes = []int{32, 36, 40, 42, 44, 48, 48, 48}

func (m *model) outSize(ps uint64) int {
	n := sizes[ps]
	if n > int(m.g.PABits) {
		n = int(m.g.PABits)
	}
	return n
}

func status(kind string, level int) *Fault {
	base := map[string]int{"size": 0, "translation": 4, "flag": 8, "permission": 12, "external": 20}[kind]
	return &Fault{Status: uint8(base + level), Level: uint8(level)}
}

// path is a walk: where it ends, and the table descriptors on the way.
type path struct {
	desc   uint64
	level  int
	tables []uint64
	size   uint64
	out    uint64
}

func (m *model) tree(base uint64, kb, inSize, outSize, start int, big bool, ipa bool, in uint64) (path, *Fault) {
	var p path
	rows := levelTable[kb]
	if field(base, 47, 0)>>outSize != 0 {
		return p, status("size", 0)
	}
	// The width of the first index follows from the input size.
	hi := inSize - 1
	entries := uint64(1) << (hi - rows[start].lo + 1)
	table := field(base, 47, 0) / (entries * 8) * (entries * 8)
	secure := m.g.Secure
	for level := start; ; level++ {
		row := rows[level]
		at := table + 8*field(in, hi, row.lo)
		if ipa {
			pa, f := m.descriptorAddress(at)
			if f != nil {
				return p, f
			}
			at = pa
		}
		d, ok := m.rd.ReadTable(at, secure)
		if !ok {
			return p, status("external", level)
		}
		if big {
			d = bits.ReverseBytes64(d)
		}
		kind := field(d, 1, 0)
		switch {
		case kind == 3:
		case kind == 1 && row.block:
		default:
			return p, status("translation", level)
		}
		addr := field(d, 47, rows[3].lo) << rows[3].lo
		if addr>>outSize != 0 {
			return p, status("size", level)
		}
		if kind == 1 || level == 3 {
			p.desc, p.level = d, level
			p.size = 1 << row.lo
			p.out = addr/p.size*p.size + in%p.size
			if bit(d, 52) {
				p.size *= uint64(row.group)
			}
			if !bit(d, 10) {
				return p, status("flag", level)
			}
			return p, nil
		}
		p.tables = append(p.tables, d)
		if bit(d, 63) {
			secure = false
		}
		table = addr
		hi = rows[level+1].hi
	}
}

func (m *model) stageOne(va uint64, pan bool) (*Translation, *Fault) {
	g := m.g
	upper := m.ranges2() && bit(va, 55)
	tbi := bit(g.TCR, 20)
	if m.ranges2() {
		tbi = bit(g.TCR, 37)
		if upper {
			tbi = bit(g.TCR, 38)
		}
	}
	top := 63
	if tbi {
		top = 55
	}
	dc := m.nested() && bit(g.HCR, 12)
	m.s1 = bit(g.SCTLR, 0) && !dc
	if g.EL == 1 && bit(g.HCR, 27) {
		m.s1 = false
	}
	if !m.s1 {
		if field(va, top, int(g.PABits)) != 0 {
			return nil, status("size", 0)
		}
		t := &Translation{PA: field(va, 55, 0), NS: !g.Secure, Perm: 7, Size: 1 << g.PABits}
		if m.ranges2() {
			t.Perm = 63
		}
		m.before = t.Perm
		switch {
		case dc:
			t.Attr = Attr{0xff, 0}
		case m.acc == Execute && bit(g.SCTLR, 12):
			t.Attr = Attr{0xaa, 2}
		case m.acc == Execute:
			t.Attr = Attr{0x44, 2}
		default:
			t.Attr = Attr{0, 2}
		}
		return t, nil
	}

	size, epd, hpd, ps := field(g.TCR, 5, 0), false, bit(g.TCR, 24), field(g.TCR, 18, 16)
	kb := []int{4, 64, 16, 4}[field(g.TCR, 15, 14)]
	base := g.TTBR0
	if m.ranges2() {
		epd, hpd, ps = bit(g.TCR, 7), bit(g.TCR, 41), field(g.TCR, 34, 32)
	}
	if upper {
		size, epd, hpd = field(g.TCR, 21, 16), bit(g.TCR, 23), bit(g.TCR, 42)
		kb = []int{4, 16, 4, 64}[field(g.TCR, 31, 30)]
		base = g.TTBR1
	}
	if size < 16 || size > 39 || epd {
		return nil, status("translation", 0)
	}
	n := 64 - int(size)
	want := uint64(0)
	if upper {
		want = field(^uint64(0), top, n)
	}
	if field(va, top, n) != want {
		return nil, status("translation", 0)
	}
	start := 0
	for rows := levelTable[kb]; start < 3 && (rows[start].hi == 0 || n <= rows[start].lo); {
		start++
	}
	p, f := m.tree(base, kb, n, m.outSize(ps), start, bit(g.SCTLR, 25), m.nested(), va)
	if f != nil {
		return nil, f
	}

	// Table attributes override those of the leaf.
	ns, ng := !g.Secure || bit(p.desc, 5), bit(p.desc, 11)
	ap, xn, pxn := field(p.desc, 7, 6), bit(p.desc, 54), bit(p.desc, 53)
	for _, d := range p.tables {
		if bit(d, 63) && g.Secure {
			ns, ng = true, true
		}
		if hpd {
			continue
		}
		if bit(d, 62) {
			ap |= 2
		}
		if bit(d, 61) {
			ap &^= 1
		}
		xn = xn || bit(d, 60)
		pxn = pxn || bit(d, 59)
	}
	// DDI 0487, D8.4: data access permissions for AP[2:1].
	var priv, usr string
	if m.ranges2() {
		priv = []string{"rw", "rw", "r", "r"}[ap]
		usr = []string{"", "rw", "", "r"}[ap]
		if !pxn && usr != "rw" {
			priv += "x"
		}
		if !xn {
			usr += "x"
		}
	} else {
		priv = []string{"rw", "rw", "r", "r"}[ap]
		if !xn {
			priv += "x"
		}
		ng = false
	}
	noExec := g.Secure && g.SIF && ns
	set := func(s string) (p Perm) {
		for _, c := range s {
			p |= map[rune]Perm{'r': 1, 'w': 2, 'x': 4}[c]
		}
		if noExec || bit(g.SCTLR, 19) && p&2 != 0 {
			p &= 3
		}
		return p
	}
	mair := field(g.MAIR, int(field(p.desc, 4, 2))*8+7, int(field(p.desc, 4, 2))*8)
	t := &Translation{
		PA: p.out, NS: ns, Guarded: bit(p.desc, 50), NonGlobal: ng, Size: p.size, Level: uint8(p.level),
		Perm: set(priv) | set(usr)<<3,
		Attr: Attr{uint8(mair), uint8(field(p.desc, 9, 8))},
	}
	if mair < 16 || mair == 0x44 {
		t.Attr.Shareability = 2
	}
	m.before = t.Perm
	if !m.right(t.Perm, m.acc) || m.acc != Execute && m.panned(t, pan) {
		return nil, status("permission", p.level)
	}
	return t, nil
}

// second walks stage 2.
func (m *model) second(ipa uint64) (path, *Fault) {
	g := m.g
	no := status("translation", 0)
	size := field(g.VTCR, 5, 0)
	if size < 16 || size > 39 {
		return path{}, no
	}
	n := 64 - int(size)
	if n > int(g.PABits) || n < 64 && ipa>>n != 0 {
		return path{}, no
	}
	kb := []int{4, 64, 16, 4}[field(g.VTCR, 15, 14)]
	// Smallest and largest input size for a start at each level, and the physical address size that it needs (D8.2).
	rows := map[int]map[uint64][4]int{
		4:  {0: {2, 22, 34, 0}, 1: {1, 31, 43, 0}, 2: {0, 40, 52, 44}},
		16: {0: {3, 15, 29, 0}, 1: {2, 26, 40, 0}, 2: {1, 37, 51, 41}},
		64: {0: {3, 17, 33, 0}, 1: {2, 30, 46, 0}, 2: {1, 43, 59, 43}},
	}
	row, ok := rows[kb][field(g.VTCR, 7, 6)]
	if !ok || n < row[1] || n > row[2] || int(g.PABits) < row[3] {
		return path{}, no
	}
	return m.tree(g.VTTBR, kb, n, m.outSize(field(g.VTCR, 18, 16)), row[0], g.Stage2BE, false, ipa)
}

func (m *model) secondFault(f *Fault, ipa uint64, s1ptw bool) *Fault {
	return &Fault{Status: f.Status, Level: f.Level, Stage2: true, IPA: ipa, S1PTW: s1ptw}
}

func (m *model) descriptorAddress(ipa uint64) (uint64, *Fault) {
	p, f := m.second(ipa)
	if f != nil {
		return 0, m.secondFault(f, ipa, true)
	}
	if !bit(p.desc, 6) || bit(m.g.HCR, 2) && field(p.desc, 5, 4) == 0 {
		return 0, m.secondFault(status("permission", p.level), ipa, true)
	}
	return p.out, nil
}

func (m *model) stageTwo(t *Translation, ipa uint64) *Fault {
	p, f := m.second(ipa)
	if f != nil {
		return m.secondFault(f, ipa, false)
	}
	var rights Perm
	if bit(p.desc, 6) {
		rights |= 1 | 8
	}
	if bit(p.desc, 7) {
		rights |= 2 | 16
	}
	rights |= []Perm{4 | 32, 32, 0, 4}[field(p.desc, 54, 53)]
	if !m.right(rights, m.acc) {
		return m.secondFault(status("permission", p.level), ipa, false)
	}
	t.PA, t.Perm = p.out, t.Perm&rights
	if p.size < t.Size {
		t.Size = p.size
	}
	off := bit(m.g.HCR, 32)
	if m.acc == Execute {
		off = bit(m.g.HCR, 33)
	}
	t.Attr = modelCombine(t.Attr, field(p.desc, 5, 2), uint8(field(p.desc, 9, 8)), off)
	return nil
}

// policy orders the cacheabilities of a MAIR nibble: 0 Non-cacheable, 1 Write-Through, 2 Write-Back.
func policy(nibble uint8) int {
	return []int{1, 1, 1, 1, 0, 2, 2, 2, 1, 1, 1, 1, 2, 2, 2, 2}[nibble]
}

func modelCombine(s1 Attr, memAttr uint64, sh2 uint8, off bool) Attr {
	dev1, dev2 := s1.MAIR < 16, memAttr < 4
	sh := s1.Shareability
	if dev1 || s1.MAIR == 0x44 {
		sh = 2
	}
	// The stronger shareability wins: outer, inner, none.
	if sh2 == 2 || dev2 || off || memAttr == 5 {
		sh = 2
	} else if sh2 == 3 && sh != 2 {
		sh = 3
	}
	if sh == 1 {
		sh = 0
	}
	switch {
	case dev1 && dev2:
		return Attr{min(s1.MAIR&12, uint8(memAttr)<<2), 2}
	case dev1:
		return Attr{s1.MAIR, 2}
	case dev2:
		return Attr{uint8(memAttr) << 2, 2}
	}
	half := func(n1 uint8, c2 uint64) uint8 {
		p2 := []int{0, 0, 1, 2}[c2]
		if off {
			p2 = 0
		}
		p := min(policy(n1), p2)
		switch {
		case p == 0:
			return 4
		case p == policy(n1):
			return n1
		}
		return 8 | n1&3 // from Write-Back to Write-Through, with the same hints
	}
	a := half(s1.MAIR>>4, memAttr>>2)<<4 | half(s1.MAIR&15, memAttr&3)
	if a == 0x44 {
		sh = 2
	}
	return Attr{a, sh}
}

// hashMemory is full of descriptors: what is at an address follows from the address. Every second seed makes one in which
// almost all descriptors are fine, so that walks of two stages get to their end.
type hashMemory struct{ seed uint64 }

func (h hashMemory) ReadTable(pa uint64, secure bool) (uint64, bool) {
	x := h.seed
	if secure {
		x = ^x
	}
	r := rand.New(rand.NewPCG(x, pa))
	d := r.Uint64()
	if h.seed&2 != 0 {
		d = d&^(0xffff<<32)&^(0x1f<<59) | descAF | s2Read | 3
		if r.IntN(10) == 0 {
			d &^= 2
		}
		return d, true
	}
	// Valid tables and pages most of the time, addresses below 40 bits, the access flag set.
	switch p := r.IntN(100); {
	case p < 80:
		d |= 3
	case p < 90:
		d = d&^3 | 1
	}
	if r.IntN(10) != 0 {
		d &^= 0xff << 40
	}
	if r.IntN(10) != 0 {
		d |= descAF
	}
	if r.IntN(4) != 0 {
		d |= s2Read
	}
	if r.IntN(3) != 0 {
		d &^= 0x1f << 59
	}
	if r.IntN(10) == 0 {
		d = bits.ReverseBytes64(d)
	}
	return d, r.IntN(40) != 0
}

// randomRegime makes registers that are in range most of the time.
func randomRegime(r *rand.Rand) Regime {
	g := Regime{
		EL:  uint8(1 + r.IntN(3)),
		E2H: r.IntN(2) == 0, Secure: r.IntN(3) == 0, SIF: r.IntN(2) == 0,
		SCTLR: r.Uint64() | r.Uint64()&1, TCR: r.Uint64(), TTBR0: r.Uint64(), TTBR1: r.Uint64(), MAIR: r.Uint64(),
		Stage2: r.IntN(2) == 0, Stage1Only: r.IntN(5) == 0, Stage2BE: r.IntN(5) == 0,
		HCR: r.Uint64() & r.Uint64() & r.Uint64(), VTCR: r.Uint64(), VTTBR: r.Uint64(),
		PABits: []uint8{32, 36, 40, 42, 44, 48}[r.IntN(6)],
	}
	if r.IntN(20) != 0 {
		g.SCTLR &^= sctlrEE
		g.TCR = g.TCR&^(63|63<<16|1<<7|1<<23) | (16 + r.Uint64N(24)) | (16+r.Uint64N(24))<<16
		g.VTCR = g.VTCR&^63 | (16 + r.Uint64N(24))
		g.TTBR0 &^= 0xff << 40
		g.TTBR1 &^= 0xff << 40
		g.VTTBR &^= 0xff << 40
	}
	if r.IntN(4) != 0 {
		g.TCR |= 5 << 32
		g.VTCR = g.VTCR&^(63|3<<6|7<<16) | 24 | 1<<6 | 5<<16
		if g.EL != 1 && !g.E2H {
			g.TCR |= 5 << 16
		}
		g.PABits = max(g.PABits, 40)
	}
	return g
}

func randomAddress(r *rand.Rand, g *Regime) uint64 {
	va := r.Uint64() >> (g.TCR & 63)
	switch r.IntN(8) {
	case 0:
		va = r.Uint64()
	case 1:
		va ^= r.Uint64() << 56
	case 2, 3, 4:
		if g.twoRanges() {
			va = r.Uint64()>>(g.TCR>>16&63) | ^(^uint64(0) >> (g.TCR >> 16 & 63))
		}
	}
	return va
}

func compareModel(t *testing.T, rd Reader, g Regime, va uint64, user bool, acc Access, pan bool) (kind string) {
	t.Helper()
	tr, f, ok := Walk(rd, &g, va, user, acc, pan)
	wantT, wantF, wantOK := modelWalk(rd, g, va, user, acc, pan)
	if tr != wantT || f != wantF || ok != wantOK {
		t.Fatalf("va %#x user %t %v pan %t\n%+v\n got %+v %+v %t\nwant %+v %+v %t", va, user, acc, pan, g, tr, f, ok, wantT, wantF, wantOK)
	}
	switch {
	case ok:
		return "translated"
	case f.S1PTW:
		return "stage 2 of a descriptor"
	case f.Stage2:
		return "stage 2"
	}
	return "stage 1"
}

func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	count := make(map[string]int)
	for range 250000 {
		g := randomRegime(r)
		rd := hashMemory{r.Uint64()}
		kind := compareModel(t, rd, g, randomAddress(r, &g), r.IntN(2) == 0, Access(r.IntN(3)), r.IntN(2) == 0)
		count[kind]++
		if g.stage2On() && !g.Stage1Only && g.Enabled() {
			count["both stages "+kind]++
		}
	}
	t.Log(count)
	for _, kind := range []string{"translated", "stage 1", "stage 2", "stage 2 of a descriptor", "both stages translated"} {
		if count[kind] < 500 {
			t.Errorf("only %d outcomes %q", count[kind], kind)
		}
	}
}

// FuzzWalk gives registers that no generator thinks of to both implementations.
func FuzzWalk(f *testing.F) {
	f.Add(uint64(1), uint8(1), uint64(1), uint64(0x19_0019), uint64(0x1000), uint64(0x2000), uint64(0xff), uint64(0), uint64(0), uint64(0), uint64(0x123456))
	f.Add(uint64(2), uint8(0x21), uint64(0x0200_1001), uint64(5<<32|0x19_0019), uint64(0x1000), uint64(0x2000), uint64(0xff), uint64(1), uint64(0x8058), uint64(0x4000), uint64(0xffff_ff80_0000_1000))
	f.Fuzz(func(t *testing.T, seed uint64, mode uint8, sctlr, tcr, ttbr0, ttbr1, mair, hcr, vtcr, vttbr, va uint64) {
		g := Regime{
			EL: mode&3%3 + 1, E2H: mode&4 != 0, Secure: mode&8 != 0, SIF: mode&16 != 0, Stage2: mode&32 != 0, Stage1Only: mode&64 != 0, Stage2BE: mode&128 != 0,
			SCTLR: sctlr, TCR: tcr, TTBR0: ttbr0, TTBR1: ttbr1, MAIR: mair, HCR: hcr, VTCR: vtcr, VTTBR: vttbr, PABits: uint8(32 + seed>>60),
		}
		for _, acc := range []Access{Read, Write, Execute} {
			for _, user := range []bool{false, true} {
				compareModel(t, hashMemory{seed}, g, va, user, acc, seed&1 != 0)
			}
		}
	})
}
