package modeltest

import (
	"math/rand/v2"
	"slices"

	"gatehouse/secureworld"
)

// generator makes the calls of a normal world that mostly knows what it is doing: it looks at the model to make calls that
// succeed, and spoils some of them.
type generator struct {
	*rand.Rand
	x     *machine
	id    int
	made  map[uint64]int // steps that made handles and sessions
	wires []wire         // descriptors on their way
	mood  mood
	left  int // steps of this mood
	last  uint64
}

// wire is a descriptor of which fragments are still to be sent.
type wire struct {
	step int
	rest []byte
}

// mood is what the normal world is after for a while, so that deep states are reached.
type mood int

const (
	anything mood = iota
	lending       // until regions or handles run out
	sharing       // until handles run out
	registering
	returning // giving back
	moods
)

func newGenerator(x *machine, source rand.Source) *generator {
	return &generator{Rand: rand.New(source), x: x, made: map[uint64]int{}}
}

func (g *generator) percent(n int) bool { return g.IntN(100) < n }

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

// next makes a step. The machine must do it before the next one is made.
func (g *generator) next() *step {
	if g.left--; g.left < 0 {
		g.mood, g.left = mood(g.IntN(int(moods))), 40+g.IntN(160)
		if g.percent(25) {
			g.mood = returning
		}
	}
	s := g.step()
	s.id, s.cpu = g.id, g.IntN(numCPUs)
	g.id++
	return s
}

// observe learns what a step returned.
func (g *generator) observe(s *step) {
	if v, ok := g.x.results[s.id]; ok {
		g.made[v] = s.id
	}
	if s.reset {
		clear(g.made)
		g.wires = nil
	}
}

func (g *generator) step() *step {
	m := g.x.model
	ffa, smc := m.cfg.ABI&secureworld.ABIFFA != 0, m.cfg.ABI&secureworld.ABISMC != 0
	if ffa && m.version == 0 && g.percent(70) {
		return plain("version", ffaVersion, pick(g, []uint64{0x1_0002, 0x1_0002, 0x1_0001, 0x1_0000, 0x1_0003, 0x2_0000, 0x8001_0002}))
	}
	if ffa && m.version != 0 && m.tx.size == 0 && g.percent(60) {
		return g.mapBuffers()
	}
	type choice struct {
		weight int
		make   func() *step
	}
	w := func(on bool, weights ...int) int {
		if !on {
			return 0
		}
		return weights[g.mood]
	}
	//                anything lending sharing registering returning
	choices := []choice{
		{w(ffa, 8, 40, 4, 2, 2), func() *step { return g.send(lend) }},
		{w(ffa, 8, 4, 40, 2, 2), func() *step { return g.send(share) }},
		{w(ffa, 1, 1, 0, 0, 0), func() *step { return g.send(donate) }},
		{w(ffa, 12, 8, 8, 4, 8), g.fragment},
		{w(ffa, 8, 3, 3, 2, 40), g.reclaim},
		{w(ffa, 6, 2, 2, 1, 16), g.relinquish},
		{w(ffa, 10, 10, 6, 2, 2), g.assign},
		{w(ffa, 6, 6, 6, 1, 3), g.askVault},
		{w(ffa, 10, 6, 8, 4, 4), func() *step { return g.message(false) }},
		{w(ffa, 3, 1, 1, 1, 1), g.service},
		{w(ffa, 3, 1, 1, 1, 2), g.buffers},
		{w(ffa, 2, 3, 1, 1, 3), g.goOn},
		{w(ffa, 2, 1, 2, 0, 1), g.describe},
		{w(true, 3, 2, 2, 2, 4), g.resumeCall},
		{w(smc, 8, 10, 2, 40, 2), g.register},
		{w(smc, 8, 30, 1, 10, 2), g.lendSMC},
		{w(smc, 8, 3, 1, 3, 40), g.forget},
		{w(smc, 8, 4, 2, 6, 3), func() *step { return g.message(true) }},
		{2, g.garbage},
		{2, g.writes},
	}
	if g.x.cfg.ABI != 0 && g.IntN(700) == 0 {
		s := plain("SYSTEM_RESET", 0x8400_0009)
		s.reset = true
		return s
	}
	sum := 0
	for _, c := range choices {
		sum += c.weight
	}
	n := g.IntN(sum)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			if s := c.make(); s != nil {
				return g.spoilCall(s)
			}
			break
		}
	}
	return g.garbage()
}

// plain is a call with the given registers. x8 to x17 have values that no call returns.
func plain(what string, args ...uint64) *step {
	s := &step{what: what}
	for i := 8; i < 18; i++ {
		s.regs[i] = 0xBEEF_0000_0000_0000 + uint64(i)
	}
	copy(s.regs[:], args)
	return s
}

// spoilCall changes a register now and then.
func (g *generator) spoilCall(s *step) *step {
	if !g.percent(4) {
		return s
	}
	i := 1 + g.IntN(7)
	switch g.IntN(4) {
	case 0:
		s.regs[i] ^= 1 << g.IntN(64)
	case 1:
		s.regs[i] = g.value()
	case 2:
		s.regs[i] |= g.Uint64() << 32
	default:
		s.regs[i] += uint64(g.IntN(5)) - 2
	}
	s.what += ", a register spoiled"
	s.uses = slices.DeleteFunc(s.uses, func(u use) bool { return u.poke < 0 && (u.reg == i || u.reg+1 == i) })
	return s
}

// value is a number that means something, or anything.
func (g *generator) value() uint64 {
	m := g.x.model
	switch g.IntN(8) {
	case 0:
		return uint64(g.IntN(16))
	case 1:
		return g.page()
	case 2:
		return g.page() + uint64(g.IntN(pageSize))
	case 3:
		if len(m.transactions) > 0 {
			return pick(g, m.transactions).handle
		}
	case 4:
		if len(m.buffers) > 0 {
			return pick(g, m.buffers).cookie
		}
	case 5:
		return pick(g, []uint64{opteeID, vaultID, 0x8000, 0xFFFF, 112, 0x1_0002, 0xFFFF_FFFF, 1 << 31, 1 << 63, ^uint64(0), 0x7FFF_FFFF_FFFF_F000})
	case 6:
		return uint64(g.Uint32())
	}
	return g.Uint64()
}

// Pages of the normal world's own things, below the zone in which memory is lent and shared.
const (
	bufferZone = 8  // RX/TX buffers, to listZone
	listZone   = 40 // lists of pages
	argZone    = 48 // arguments
	zone       = 64
	zoneEnd    = 256
)

func at(page int) uint64 { return ramBase + uint64(page)*pageSize }

// page is the address of a page, mostly in the zone.
func (g *generator) page() uint64 {
	switch n := g.IntN(100); {
	case n < 75:
		return at(zone + g.IntN(zoneEnd-zone))
	case n < 82:
		return g.x.cfg.SecureRAM.Base + uint64(g.IntN(24))*pageSize - 4*pageSize
	case n < 86 && g.x.cfg.Carveout.Size != 0:
		return g.x.cfg.Carveout.Base + uint64(g.IntN(int(g.x.cfg.Carveout.Size/pageSize)+8))*pageSize - 4*pageSize
	case n < 90:
		return at(g.IntN(zone))
	case n < 96:
		return at(g.IntN(ramSize / pageSize))
	}
	return pick(g, []uint64{0, ramBase - pageSize, ramBase, at(ramSize/pageSize - 1), at(ramSize / pageSize), tzcBase, 0x0900_0000, 1 << 40, 0xFFFF_FFFF_FFFF_F000})
}

// run is the address of n pages that the normal world owns alone, where there are such. They often lie beside protected ones.
func (g *generator) run(n int) uint64 {
	m := g.x.model
	size := uint64(n) * pageSize
	if extents := m.extents(); len(extents) > 0 && g.percent(40) {
		e := pick(g, extents)
		for _, a := range []uint64{e.end(), e.base - size} {
			if m.plain(span{a, size}) {
				return a
			}
		}
	}
	for range 20 {
		if a := at(zone + g.IntN(zoneEnd-zone)); m.plain(span{a, size}) {
			return a
		}
	}
	for range 20 {
		if a := g.page(); m.plain(span{a, size}) {
			return a
		}
	}
	return g.page()
}

// length is a number of pages, mostly small.
func (g *generator) length() int {
	switch n := g.IntN(20); {
	case n < 10:
		return 1
	case n < 19:
		return 1 + g.IntN(4)
	}
	return 1 + g.IntN(40)
}

func (g *generator) mapBuffers() *step {
	n := pick(g, []int{1, 1, 1, 2, 3})
	tx := at(bufferZone + g.IntN(12))
	rx := at(bufferZone + 16 + g.IntN(12))
	if g.percent(10) {
		tx = g.page()
	}
	if g.percent(10) {
		rx = g.page()
	}
	f := uint64(ffaRXTXMap | wide)
	if g.percent(20) {
		f = ffaRXTXMap
	}
	return g.spoilCall(plain("map buffers", f, tx, rx, uint64(n)))
}

// buffers are the calls about RX and TX.
func (g *generator) buffers() *step {
	switch g.IntN(6) {
	case 0:
		return plain("unmap buffers", ffaRXTXUnmap)
	case 1:
		return g.mapBuffers()
	case 2:
		return plain("release RX", ffaRXRelease)
	case 3:
		return plain("version", ffaVersion, 0x1_0000+uint64(g.IntN(4)))
	case 4:
		return plain("partition registers", ffaPartRegs, 0, 0, uint64(g.IntN(3)))
	}
	s := plain("partition list", ffaPartInfo, 0, 0, 0, 0, uint64(g.IntN(2)))
	if g.percent(40) {
		for i := range 4 {
			s.regs[1+i] = uint64(le.Uint32(vaultUUID[4*i:]))
		}
	}
	return s
}

// descriptorOf writes a memory transaction descriptor, with access descriptors of the given size.
func (g *generator) descriptorOf(k kind, attributes uint16, flags uint32, tag uint64, emads []emad, ranges []span) []byte {
	version := g.x.model.version
	size := uint32(16)
	if version >= 0x1_0002 && !g.percent(10) {
		size = 32
	}
	header := uint32(48)
	if version < 0x1_0001 {
		header = 32
	}
	b := make([]byte, header)
	le.PutUint16(b[2:], attributes)
	le.PutUint32(b[4:], flags)
	le.PutUint64(b[16:], tag)
	le.PutUint32(b[28:], uint32(len(emads)))
	if header == 48 {
		le.PutUint32(b[24:], size)
		le.PutUint32(b[32:], header)
	}
	composite := header + size*uint32(len(emads))
	for _, e := range emads {
		x := make([]byte, size)
		le.PutUint16(x, e.id)
		x[2] = e.permissions
		le.PutUint32(x[4:], composite)
		b = append(b, x...)
	}
	pages := uint32(0)
	for _, r := range ranges {
		pages += uint32(r.size / pageSize)
	}
	b = le.AppendUint32(b, pages)
	b = le.AppendUint32(b, uint32(len(ranges)))
	b = le.AppendUint64(b, 0)
	for _, r := range ranges {
		b = le.AppendUint64(b, r.base)
		b = le.AppendUint64(b, r.size/pageSize)
	}
	return b
}

// send is a memory send: mostly right, in one piece or in fragments.
func (g *generator) send(k kind) *step {
	m := g.x.model
	if m.tx.size == 0 && g.percent(90) {
		return nil
	}
	emads := []emad{{opteeID, 2}}
	switch n := g.IntN(100); {
	case k == donate || n < 20:
		emads[0].id = vaultID
		if k != donate {
			emads[0].permissions = uint8(1 + g.IntN(2))
		} else {
			emads[0].permissions = 0
		}
	case n < 35:
		emads = append(emads, emad{vaultID, 2})
	case n < 36:
		emads[0].id = uint16(g.value())
	case n < 37:
		emads = append(emads, emad{opteeID, 2})
	}
	tag := uint64(0)
	if k == lend {
		tag = uint64(1 + g.IntN(3))
		if emads[0].id == vaultID && g.percent(80) {
			tag = pick(g, []uint64{0x10 << 16, 0x30<<16 | 0x28<<32, 0x3FF<<16 | 0x1<<32, 0x3FF << 16, 9})
		}
	}
	if g.percent(2) {
		tag = pick(g, []uint64{vaultRefuses, 4, 0, 1 << 40})
	}
	attributes, flags := uint16(0), uint32(0)
	if k == share || len(emads) > 1 {
		attributes = 0x2F
	}
	shortest := 1
	switch {
	case k != share && m.cfg.Limits.Slice != 0 && g.percent(30):
		flags, shortest = 3, int(m.cfg.Limits.Slice)+1
	case k != share && g.percent(15):
		flags = 1
	}
	var ranges []span
	n := 1
	switch {
	case k == share && g.percent(50), k != share && emads[0].id == vaultID && g.percent(40):
		n = 1 + g.IntN(4)
	case k == share && g.percent(12):
		n = 20 + g.IntN(300)
	}
	for range n {
		length := max(g.length(), shortest)
		if n > 4 {
			length = 1
		}
		s := span{g.run(length), uint64(length) * pageSize}
		if free := disjoint(append(slices.Clone(ranges), s)); !free && g.percent(97) {
			continue
		}
		ranges = append(ranges, s)
	}
	if k == lend && emads[0].id == opteeID && g.percent(8) && ranges[0].size > pageSize {
		// The same in two pieces.
		s := ranges[0]
		ranges = []span{{s.base, pageSize}, {s.base + pageSize, s.size - pageSize}}
		switch g.IntN(4) {
		case 0:
			ranges[0], ranges[1] = ranges[1], ranges[0]
		case 1:
			ranges[1].base = g.run(int(ranges[1].size / pageSize))
		}
	}
	if len(ranges) == 0 {
		return nil
	}
	b := g.descriptorOf(k, attributes, flags, tag, emads, ranges)
	what := k.String()
	if g.percent(18) {
		what += ", " + g.spoilDescriptor(b)
	}
	f := uint64([...]uint32{share: ffaShare, lend: ffaLend, donate: ffaDonate}[k])
	if !g.percent(20) {
		f |= wide
	}
	cut := len(b)
	if g.percent(20) && cut >= 112 {
		cut -= 16 * (1 + g.IntN(min(12, len(ranges))))
	}
	if limit := int(m.tx.size); cut > limit && limit > 0 && g.percent(97) {
		cut = limit
	}
	s := plain(what, f, uint64(len(b)), uint64(cut))
	if m.tx.size != 0 {
		s.pokes = []poke{{m.tx.base, b[:cut]}}
	}
	if cut < len(b) {
		s.what += ", first fragment"
		g.wires = append(g.wires, wire{g.id, b[cut:]})
	}
	return s
}

// spoilDescriptor changes one field of a descriptor.
func (g *generator) spoilDescriptor(b []byte) string {
	if g.percent(30) {
		i := g.IntN(len(b))
		b[i] ^= 1 << g.IntN(8)
		return "a bit spoiled"
	}
	i := g.IntN(min(len(b), 160)/4) * 4
	if g.percent(50) {
		le.PutUint32(b[i:], uint32(g.value()))
		return "a word spoiled"
	}
	le.PutUint32(b[i:], le.Uint32(b[i:])+uint32(g.IntN(5))-2)
	return "a word off by little"
}

// fragment sends the next piece of a descriptor.
func (g *generator) fragment() *step {
	m := g.x.model
	g.wires = slices.DeleteFunc(g.wires, func(w wire) bool { return len(w.rest) == 0 || g.x.results[w.step] == 0 })
	if m.tx.size == 0 {
		return nil
	}
	if len(g.wires) == 0 {
		if g.percent(90) || len(m.transactions) == 0 {
			return nil
		}
		h := pick(g, m.transactions).handle
		return plain("fragment of nothing", ffaFragTX, h&0xFFFF_FFFF, h>>32, 16)
	}
	i := g.IntN(len(g.wires))
	w := &g.wires[i]
	n := min(len(w.rest), int(m.tx.size))
	if g.percent(60) {
		n = min(n, 16*(1+g.IntN(4)))
	}
	h := g.x.results[w.step]
	s := plain("fragment", ffaFragTX, h&0xFFFF_FFFF, h>>32, uint64(n))
	b := slices.Clone(w.rest[:n])
	s.uses = []use{{from: w.step, reg: 1, poke: -1}}
	switch {
	case g.percent(3):
		s.regs[3] += uint64(g.IntN(64)) - 32
		s.what += ", another length"
	case g.percent(3):
		s.what += ", " + g.spoilDescriptor(b)
		w.rest = w.rest[n:]
	default:
		w.rest = w.rest[n:]
	}
	s.pokes = []poke{{m.tx.base, b}}
	return s
}

// pickTransaction gives a transaction that satisfies ok.
func (g *generator) pickTransaction(ok func(*transaction) bool) *transaction {
	list := g.x.model.transactions
	if len(list) == 0 {
		return nil
	}
	for i, first := 0, g.IntN(len(list)); i < len(list); i++ {
		if t := list[(first+i)%len(list)]; ok(t) {
			return t
		}
	}
	return nil
}

func held(t *transaction) bool {
	for _, r := range t.receivers {
		if r.retrieved != no {
			return true
		}
	}
	return false
}

// handle puts a handle into the registers from i on.
func (g *generator) handle(s *step, i int, h uint64) *step {
	s.regs[i], s.regs[i+1] = h&0xFFFF_FFFF, h>>32
	if id, ok := g.made[h]; ok {
		s.uses = append(s.uses, use{from: id, reg: i, poke: -1})
	}
	return s
}

func (g *generator) reclaim() *step {
	t := g.pickTransaction(func(t *transaction) bool { return !t.pending && !held(t) || g.percent(5) })
	if t == nil {
		if g.percent(80) {
			return nil
		}
		t = &transaction{handle: g.value()}
	}
	s := g.handle(plain("reclaim", ffaReclaim), 1, t.handle)
	if g.percent(3) {
		s.regs[3] = uint64(g.IntN(5))
	}
	return s
}

// relinquish asks a borrower to give memory up.
func (g *generator) relinquish() *step {
	t := g.pickTransaction(func(t *transaction) bool { return !t.pending && (held(t) || g.percent(5)) })
	if t == nil {
		return nil
	}
	if r := t.receiver(vaultID); r != nil && (r.retrieved != no || t.receiver(opteeID) == nil) {
		return g.handle(plain("relinquish to the vault", ffaDirectReq, vaultID, 0, vaultRelinquish), 4, t.handle)
	}
	what := uint64(serviceUnregister)
	if (t.kind != share) != g.percent(4) {
		what = serviceRelease
	}
	return g.handle(plain("relinquish to OP-TEE", ffaDirectReq, opteeID, 0, what), 4, t.handle)
}

// goOn lets the secure world go on zeroing.
func (g *generator) goOn() *step {
	t := g.pickTransaction(func(t *transaction) bool { return t.paused || g.percent(1) })
	if t == nil {
		return nil
	}
	return g.handle(plain("go on", ffaResume), 1, t.handle)
}

// describe asks for the descriptor of a transaction, or for more of it.
func (g *generator) describe() *step {
	m := g.x.model
	if m.rxFull {
		return plain("release RX", ffaRXRelease)
	}
	if t := g.pickTransaction(func(t *transaction) bool { return t.told != 0 }); t != nil && g.percent(80) {
		s := g.handle(plain("more of a descriptor", ffaFragRX), 1, t.handle)
		s.regs[3] = t.told
		return s
	}
	t := g.pickTransaction(func(t *transaction) bool { return t.ready() || g.percent(5) })
	if t == nil || m.tx.size == 0 {
		return nil
	}
	b := make([]byte, m.headerSize())
	le.PutUint64(b[8:], t.handle)
	if len(b) == 48 {
		le.PutUint32(b[32:], 48)
		le.PutUint32(b[24:], 16)
	}
	s := plain("describe", ffaRetrieve, uint64(len(b)), uint64(len(b)))
	s.pokes = []poke{{m.tx.base, b}}
	if id, ok := g.made[t.handle]; ok {
		s.uses = []use{{from: id, poke: 0, off: 8, size: 8}}
	}
	return s
}

// resumeCall resumes a call of OP-TEE.
func (g *generator) resumeCall() *step {
	m := g.x.model
	if len(m.suspended) == 0 {
		return nil
	}
	x := pick(g, m.suspended)
	ticket := uint64(x.ticket)
	if g.percent(5) {
		ticket += uint64(g.IntN(3)) << 8
	}
	s, reg := plain("resume", ffaDirectReq, opteeID, 0, serviceResume, 0, 0, 0, ticket), 7
	if x.smc != g.percent(4) {
		s, reg = plain("resume", smcFromRPC, 0, 0, ticket), 3
	}
	if id, ok := g.made[ticket]; ok {
		s.uses = []use{{from: id, reg: reg, poke: -1, size: 4}}
	}
	return s
}

func (g *generator) askVault() *step {
	t := g.pickTransaction(func(t *transaction) bool { return t.receiver(vaultID) != nil || g.percent(3) })
	if t == nil {
		return nil
	}
	what := uint64(1 + g.IntN(4))
	if r := t.receiver(vaultID); r != nil && r.retrieved == no && g.percent(80) {
		what = vaultRetrieve
		if t.kind == donate && g.percent(70) {
			return nil
		}
	}
	f := uint64(ffaDirectReq)
	if g.percent(20) {
		f |= wide
	}
	s := g.handle(plain("ask the vault", f, vaultID, 0, what), 4, t.handle)
	s.regs[6], s.regs[7] = uint64(g.IntN(4*pageSize)), uint64(g.Uint32())
	return s
}

// service is a direct request to OP-TEE without memory.
func (g *generator) service() *step {
	return plain("service", ffaDirectReq, opteeID, 0, pick(g, []uint64{serviceVersion, serviceOS, serviceCaps, serviceAsync, serviceResume, 4, 6, 7, 9, serviceUnregister, serviceRelease}))
}

// arg writes an argument.
func arg(cmd, function, session uint32, params ...param) []byte {
	b := make([]byte, 32)
	le.PutUint32(b, cmd)
	le.PutUint32(b[4:], function)
	le.PutUint32(b[8:], session)
	le.PutUint32(b[12:], 0x1234)
	le.PutUint32(b[20:], 0xFFFF_0000)
	le.PutUint32(b[28:], uint32(len(params)))
	for _, p := range params {
		b = le.AppendUint64(b, p.attr)
		for _, u := range p.u {
			b = le.AppendUint64(b, u)
		}
	}
	return b
}

// spoilArg changes something in an argument now and then.
func (g *generator) spoilArg(b []byte) string {
	if !g.percent(8) {
		return ""
	}
	switch g.IntN(4) {
	case 0:
		b[g.IntN(len(b))] ^= 1 << g.IntN(8)
	case 1:
		le.PutUint32(b[28:], uint32(pick(g, []int{0, 1, 2, 5, 127, 128, 200, -1})))
	case 2:
		le.PutUint64(b[g.IntN(len(b)/8)*8:], g.value())
	default:
		i := g.IntN(len(b)/8) * 8
		le.PutUint64(b[i:], le.Uint64(b[i:])+uint64(g.IntN(5))-2)
	}
	return ", spoiled"
}

// deliver makes the step that calls OP-TEE with an argument, over FF-A in a share, over SMC in a page or a registered buffer.
func (g *generator) deliver(smc bool, what string, b []byte, uses ...use) *step {
	m := g.x.model
	spoiled := g.spoilArg(b)
	what += spoiled
	if spoiled != "" {
		uses = nil
	}
	var s *step
	var ranges []span
	off := uint64(g.IntN(64)) * 8
	if g.percent(50) {
		off = 0
	}
	switch {
	case !smc:
		t := g.pickTransaction(func(t *transaction) bool {
			return t.kind == share && t.receiver(opteeID) != nil && memoryOf(t.ranges, false).size >= off+uint64(len(b))+rpcRoom
		})
		if t == nil {
			return nil
		}
		ranges = t.ranges
		s = g.handle(plain(what, ffaDirectReq, opteeID, 0, serviceWithArg), 4, t.handle)
		s.regs[6] = off
	case g.percent(30) && len(m.buffers) > 0:
		c := pick(g, m.buffers)
		if c.protected {
			return plain("call with a pool", smcWithRegd, c.cookie>>32, c.cookie&0xFFFF_FFFF, 0)
		}
		if c.size < off+uint64(len(b))+rpcRoom && g.percent(90) {
			return nil
		}
		ranges = c.ranges
		s = plain(what, smcWithRegd, c.cookie>>32, c.cookie&0xFFFF_FFFF, off)
		off += c.start
	default:
		page := at(argZone + g.IntN(zone-argZone))
		if g.percent(4) {
			page = g.page()
		}
		off = 0
		if m.reserved().size != 0 && g.percent(60) {
			page += uint64(g.IntN(300)) * 8
		}
		ranges = []span{{page, 2 * pageSize}}
		s = plain(what, pick(g, []uint64{smcWithRPCArg, smcWithRPCArg, smcWithArg}), page>>32, page&0xFFFF_FFFF)
	}
	rest, done := b, uint64(0)
	memoryOf(ranges, false).each(off, uint64(len(b)), func(r span) {
		for _, u := range uses {
			if uint64(u.off) >= done && uint64(u.off+u.size) <= done+r.size {
				u.poke, u.off = len(s.pokes), u.off-int(done)
				s.uses = append(s.uses, u)
			}
		}
		s.pokes = append(s.pokes, poke{r.base, rest[:r.size]})
		rest, done = rest[r.size:], done+r.size
	})
	return s
}

// useOf notes that 8 bytes at off of an argument are a handle.
func (g *generator) useOf(v uint64, off, size int) []use {
	if id, ok := g.made[v]; ok {
		return []use{{from: id, poke: 0, off: off, size: size}}
	}
	return nil
}

func (g *generator) assign() *step {
	t := g.pickTransaction(func(t *transaction) bool {
		r := t.receiver(opteeID)
		return r != nil && t.kind == lend && (r.retrieved == no || g.percent(5))
	})
	if t == nil {
		return nil
	}
	tag := t.tag
	if g.percent(3) {
		tag++
	}
	return g.deliver(false, "assign", arg(cmdAssign, 0, 0, param{attrValueIn, [3]uint64{t.handle, tag}}), g.useOf(t.handle, 40, 8)...)
}

// cookieOf is a cookie that looks like a kernel address, mostly a new one.
func (g *generator) cookieOf() uint64 {
	if len(g.x.model.buffers) > 0 && g.percent(4) {
		return pick(g, g.x.model.buffers).cookie
	}
	g.last += 0x80
	return 0xFFFF_0000_1000_0000 + g.last
}

// pageList writes a list of pages; it gives the address of the list.
func (g *generator) pageList(pages []uint64) (uint64, []poke) {
	blocks := (len(pages) + 510) / 511
	base := at(listZone + g.IntN(2))
	if g.percent(3) {
		base = g.page()
	}
	var out []poke
	for i := range blocks {
		b := make([]byte, pageSize)
		for k, p := range pages[i*511 : min(len(pages), i*511+511)] {
			le.PutUint64(b[8*k:], p)
		}
		le.PutUint64(b[8*511:], base+uint64(i+1)*pageSize)
		if i == blocks-1 && blocks == 1 {
			b = b[:8*len(pages)]
		}
		out = append(out, poke{base + uint64(i)*pageSize, b})
	}
	if g.percent(3) {
		b := out[g.IntN(len(out))].data
		le.PutUint64(b[g.IntN(len(b)/8)*8:], g.value())
	}
	return base, out
}

// bufferPages are n pages that can be registered, some of them in a row.
func (g *generator) bufferPages(n int) (out []uint64) {
	m := g.x.model
	for len(out) < n {
		a := at(zone + g.IntN(zoneEnd-zone))
		for try := 0; try < 20 && (!m.open(span{a, pageSize}) || m.at(a).shares > 0 || slices.Contains(out, a)); try++ {
			a = at(zone + g.IntN(zoneEnd-zone))
		}
		if g.percent(2) {
			a = g.page()
		}
		for k := 1 + g.IntN(4); k > 0 && len(out) < n; k-- {
			out = append(out, a)
			a += pageSize
			if !m.open(span{a, pageSize}) || m.at(a).shares > 0 || slices.Contains(out, a) {
				break
			}
		}
	}
	return out
}

func (g *generator) register() *step {
	n := 1 + g.IntN(4)
	if g.percent(2) {
		n = 500 + g.IntN(30)
	}
	start := uint64(0)
	if g.percent(40) {
		start = uint64(g.IntN(pageSize/16)) * 16
	}
	size := uint64(n)*pageSize - start
	if g.percent(40) {
		size -= uint64(g.IntN(int(min(size, pageSize))))
	}
	pages := g.bufferPages(n)
	list, pokes := g.pageList(pages)
	s := g.deliver(true, "register", arg(cmdRegister, 0, 0, param{attrTMemOut | attrList, [3]uint64{list | start, size, g.cookieOf()}}))
	if s != nil {
		s.pokes = append(pokes, s.pokes...)
		for i := range s.uses {
			s.uses[i].poke += len(pokes)
		}
	}
	return s
}

func (g *generator) lendSMC() *step {
	n := g.length()
	pool := g.run(n)
	s := g.deliver(true, "lend over SMC", arg(cmdLend, 0, 0,
		param{attrValueIn, [3]uint64{uint64(1 + g.IntN(3))}},
		param{attrTMemIn, [3]uint64{pool, uint64(n) * pageSize, g.cookieOf()}}))
	if g.percent(20) {
		// An argument, with which the pool may be called although it is protected.
		s = g.before(s, []poke{{pool, arg(cmdCancel, 0, 1)}})
	}
	return s
}

// forget unregisters a buffer or takes a pool back.
func (g *generator) forget() *step {
	m := g.x.model
	if len(m.buffers) == 0 {
		return nil
	}
	b := pick(g, m.buffers)
	cmd := uint32(cmdUnregister)
	if b.protected != g.percent(4) {
		cmd = cmdReclaim
	}
	cookie := b.cookie
	if g.percent(3) {
		cookie++
	}
	return g.deliver(true, "forget", arg(cmd, 0, 0, param{attrMemIn, [3]uint64{0, 0, cookie}}))
}

// reference is a memory reference of the given direction, and a handle in it.
func (g *generator) reference(smc bool, direction uint64, size uint64) (p param, pokes []poke, handle uint64) {
	m := g.x.model
	off := uint64(g.IntN(64)) * 8
	if g.percent(10) {
		off += uint64(g.IntN(3 * pageSize))
	}
	switch {
	case g.percent(10) && smc:
		return param{8 | direction, [3]uint64{0, size * uint64(g.IntN(2)), 0}}, nil, 0
	case g.percent(10):
		return param{4 | direction, [3]uint64{0, size, ^uint64(0)}}, nil, 0
	case !smc:
		t := g.pickTransaction(func(t *transaction) bool {
			r := t.receiver(opteeID)
			return r != nil && (t.kind == share || r.retrieved == yes) || g.percent(2)
		})
		if t != nil {
			if g.percent(20) && t.kind == share {
				off |= uint64(g.IntN(pageSize)) << 48
			}
			return param{4 | direction, [3]uint64{off, size, t.handle}}, nil, t.handle
		}
	case len(m.buffers) > 0 && g.percent(70):
		b := pick(g, m.buffers)
		if b.protected && g.percent(30) {
			return param{8 | direction, [3]uint64{b.ranges[0].base + off, size, b.cookie}}, nil, 0
		}
		return param{4 | direction, [3]uint64{off, size, b.cookie}}, nil, 0
	case len(m.carveouts()) > 0 && g.percent(50):
		return param{8 | direction, [3]uint64{pick(g, m.carveouts()).base + off, size, 0}}, nil, 0
	case m.reserved().size != 0 && g.percent(70):
		return param{8 | direction, [3]uint64{m.reserved().base + off, size, 0}}, nil, 0
	case size > 0 && g.percent(95):
		list, pokes := g.pageList(g.bufferPages(int(off%pageSize+size+pageSize-1) / pageSize))
		return param{8 | direction | attrList, [3]uint64{list | off%pageSize, size, 7}}, pokes, 0
	}
	return param{8 | direction, [3]uint64{g.page(), size, 7}}, nil, 0
}

// message is a message about sessions, or the configuration of protected memory.
func (g *generator) message(smc bool) *step {
	m := g.x.model
	session := uint32(g.IntN(6))
	var uses []use
	if len(m.sessions) > 0 && g.percent(90) {
		session = pick(g, m.sessions).number
		for range 4 {
			if slices.ContainsFunc(m.suspended, func(x *suspended) bool { return x.session() == session }) {
				session = pick(g, m.sessions).number
			}
		}
		uses = g.useOf(uint64(session), 8, 4)
	}
	size := pick(g, []uint64{0, 4, 16, 64, 200, 1000, pageSize, 2 * pageSize})
	switch n := g.IntN(20); {
	case n < 3:
		uuid := [16]byte(copierUUID)
		if g.percent(30) {
			uuid = devicesUUID
		}
		if g.percent(5) {
			uuid[0]++
		}
		return g.deliver(smc, "open", arg(cmdOpen, 0, 0,
			param{attrMeta | attrValueIn, [3]uint64{le.Uint64(uuid[:]), le.Uint64(uuid[8:])}},
			param{attrMeta | attrValueIn, [3]uint64{0, 0, pick(g, []uint64{0, 0, 1, 0x8000_0000, 3})}}))
	case n < 4:
		return g.deliver(smc, "close", arg(cmdClose, 0, session), uses...)
	case n < 5:
		return g.deliver(smc, "odd command", arg(uint32(g.IntN(16)), 0, session, param{}, param{}), uses...)
	case n < 7:
		p, pokes, h := g.reference(smc, 2, size)
		if g.percent(40) || smc && g.percent(90) {
			p, pokes, h = param{attrMemOut, [3]uint64{0, 0, ^uint64(0)}}, nil, 0
			if smc {
				p = param{attrTMemOut, [3]uint64{}}
			}
		}
		s := g.deliver(smc, "configuration", arg(cmdConfig, 0, 0, param{attrValueIO, [3]uint64{uint64(1 + g.IntN(4))}}, p), g.useOf(h, 88, 8)...)
		return g.before(s, pokes)
	}
	p0, pokes, h0 := g.reference(smc, uint64(1+g.IntN(3)), size)
	function := uint32(g.IntN(4))
	if function == copierPause && len(m.suspended) >= 3 {
		function = copierCopy
	}
	params := []param{p0}
	uses = append(uses, g.useOf(h0, 56, 8)...)
	switch {
	case function == copierCopy && g.percent(85):
		params[0].attr |= 1
		p1, more, h1 := g.reference(smc, uint64(2+g.IntN(2)), size+uint64(g.IntN(3))*8)
		params, pokes = append(params, p1), append(pokes, more...)
		uses = append(uses, g.useOf(h1, 88, 8)...)
	case function == copierPause:
		p1, more, h1 := g.reference(smc, 1, size)
		params, pokes = append(params, p1), append(pokes, more...)
		uses = append(uses, g.useOf(h1, 88, 8)...)
	case function == copierFill && g.percent(85):
		params[0].attr |= 2
		params = append(params, param{attrValueIn, [3]uint64{uint64(g.IntN(256))}})
	case function == copierSwap && g.percent(70):
		params[0] = param{attrValueIO, [3]uint64{g.value(), g.value(), 3}}
		uses = nil
	}
	for range g.IntN(3) {
		params = append(params, param{})
	}
	return g.before(g.deliver(smc, "invoke", arg(cmdInvoke, function, session, params...), uses...), pokes)
}

// before puts pokes before those of a step.
func (g *generator) before(s *step, pokes []poke) *step {
	if s == nil {
		return nil
	}
	s.pokes = append(pokes, s.pokes...)
	for i := range s.uses {
		if s.uses[i].poke >= 0 {
			s.uses[i].poke += len(pokes)
		}
	}
	return s
}

// functions that garbage calls.
var functions = []uint64{
	ffaShare | wide, ffaLend | wide, ffaDonate | wide, ffaShare, ffaLend, ffaReclaim, ffaFragTX, ffaFragRX, ffaDirectReq, ffaDirectReq | wide, ffaDirectReq2,
	ffaVersion, ffaFeatures, ffaRXRelease, ffaRXTXMap, ffaRXTXMap | wide, ffaRXTXUnmap, ffaPartInfo, ffaPartRegs, ffaIDGet, ffaSPMIDGet, ffaRun,
	ffaRetrieve, ffaRetrieve | wide, ffaRelinquish, ffaResume, ffaPause, ffaPermGet, ffaPermSet | wide, ffaDirectResp, 0x8400_0096, 0xC400_0083, 0x8400_008A,
	smcUID, smcRevision, smcOSUUID, smcOSRevision, smcCaps, smcNoCache, smcCache, smcThreads, smcProtmem, smcFromRPC, smcWithArg, smcWithRPCArg, smcWithRegd,
	smcSHM, 0x3200_0005, 0x8400_0000, 0xC400_0003, 0x8400_0004, 0x8400_000A, 0x8000_0000, 0x8000_0001, 0xC400_0053, 0xC400_0001,
}

func (g *generator) garbage() *step {
	f := pick(g, functions)
	switch g.IntN(30) {
	case 0:
		f = ffaError + uint64(g.IntN(0x38)) | uint64(g.IntN(2))*wide
	case 1:
		f |= 1 << 16
	case 2:
		f = g.Uint64()
	}
	args := []uint64{f}
	for range g.IntN(8) {
		args = append(args, g.value())
	}
	return plain("garbage", args...)
}

// writes is the normal world writing to memory, also to what it does not have.
func (g *generator) writes() *step {
	s := plain("write", 0x8400_0000)
	for range 1 + g.IntN(3) {
		b := make([]byte, 8+g.IntN(64))
		for i := range b {
			b[i] = byte(g.Uint32())
		}
		s.pokes = append(s.pokes, poke{g.page() + uint64(g.IntN(pageSize-len(b))), b})
	}
	return s
}
