package modeltest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"gatehouse/platform/firmware"
	"gatehouse/secureworld"
)

const pageSize = 4096

var le = binary.LittleEndian

// regs are x0 to x17.
type regs = firmware.Registers

// codes is a set of error codes: bit n stands for the FF-A code -n, or for the TEE result 0xFFFF_00nn.
type codes uint32

// verdict is what the rules say of one call. A call that breaks a rule of must is refused with one of the codes of both; one
// that only meets rules of may is refused with one of theirs, or accepted.
type verdict struct {
	must, may codes
	why       []string // the rules, for the report
}

// broken notes a rule that the call breaks.
func (v *verdict) broken(c codes, why string) {
	v.must |= c
	v.why = append(v.why, why)
}

// unless notes broken where ok is false.
func (v *verdict) unless(ok bool, c codes, why string) {
	if !ok {
		v.broken(c, why)
	}
}

// perhaps notes a rule that not all implementations have, or a limit that may be reached.
func (v *verdict) perhaps(c codes, why string) {
	v.may |= c
	v.why = append(v.why, "perhaps: "+why)
}

// waive turns every broken rule into one that need not be noticed yet.
func (v *verdict) waive() { v.must, v.may = 0, v.may|v.must }

func (v *verdict) join(o verdict) {
	v.must |= o.must
	v.may |= o.may
	v.why = append(v.why, o.why...)
}

// refused compares an error code with the verdict; it gives what is wrong with it.
func (v *verdict) refused(code int) string {
	if code >= 0 && code < 32 && (v.must|v.may)>>code&1 != 0 {
		return ""
	}
	if v.must|v.may == 0 {
		return "refused, but no rule is broken"
	}
	return fmt.Sprintf("refused with a wrong code; rules: %q", v.why)
}

// accepted says what is wrong with accepting the call.
func (v *verdict) accepted() string {
	if v.must == 0 {
		return ""
	}
	return fmt.Sprintf("accepted in spite of %q", v.why)
}

// span is a range of physical addresses in bytes.
type span struct{ base, size uint64 }

func (s span) end() uint64 { return s.base + s.size }

// masters says which non-secure masters may read and write: bit n stands for NSAID n.
type masters struct{ read, write uint16 }

// page is what the model knows of 4 KiB. Exactly one of the owners of a page that is not plain memory is set.
type page struct {
	kept   bool    // reserved by the configuration: never the normal world's
	lent   bool    // lent or donated
	shares int     // FF-A shares and RX/TX buffers: 0 or 1 unless the secure world allows more
	regs   int     // registrations over OP-TEE's SMC ABI
	who    masters // of protected pages (kept or lent)
	paused bool    // being zeroed
	dirty  bool    // written meanwhile by a master that may
}

func (p *page) protected() bool { return p.kept || p.lent }
func (p *page) exclusive() bool { return !p.protected() && p.shares == 0 && p.regs == 0 }

// extent is memory that is protected as one unit: it is given back as a whole.
type extent struct {
	span
	who masters
}

// tri is what the model knows of something that it cannot always see.
type tri uint8

const (
	no tri = iota
	yes
	unknown
)

// receiver is one borrower of a transaction.
type receiver struct {
	id        uint16
	readOnly  bool
	retrieved tri
}

// transaction is FF-A memory that was sent or is being sent.
type transaction struct {
	handle    uint64
	kind      kind
	tag       uint64
	ranges    []span // as sent
	receivers []receiver
	extents   []extent // of a lend or donation

	attributes uint16
	flags      uint32
	sent       []emad

	pending bool   // its descriptor has not arrived completely
	desc    []byte // so far
	total   uint64
	lost    bool   // the secure world may have given it up
	paused  bool   // its memory is being zeroed
	told    uint64 // bytes of its descriptor that the sender has read again, while there are more
}

// ready reports whether the memory can be retrieved and reclaimed.
func (t *transaction) ready() bool { return !t.pending && !t.paused }

func (t *transaction) receiver(id uint16) *receiver {
	for i := range t.receivers {
		if t.receivers[i].id == id {
			return &t.receivers[i]
		}
	}
	return nil
}

// buffer is memory under a cookie of OP-TEE's SMC ABI.
type buffer struct {
	cookie    uint64
	ranges    []span // in the order of the buffer
	start     uint64 // of the buffer in its first page
	size      uint64
	protected bool
	extents   []extent
}

// model is everything the model knows. It is made anew at each reset.
type model struct {
	cfg  *secureworld.Config
	cpus int
	base uint64
	size uint64

	pages []page
	mem   []byte // contents
	// look reads what memory really holds, where the secure world has a choice.
	look func(addr uint64, p []byte)

	version      uint32 // of FF-A, 0 until it is agreed on
	locked       bool
	tx, rx       span // size 0 when they are not mapped
	rxFull       bool
	transactions []*transaction
	buffers      []*buffer
	sessions     []session
	suspended    []*suspended
	fixed        []extent // protected at reset, or donated for good
	donated      int      // ranges that were donated for good

	// Of the call at hand.
	touched   []uint64 // addresses of the pages it is about
	protected bool     // who may access memory has changed
	result    uint64   // handle or session number that it returned
	event     string   // what happened, for statistics
}

type session struct {
	number uint32
	copier bool
}

// newModel is a machine after reset: memory as it is in mem, everything the normal world's but what cfg keeps.
func newModel(cfg *secureworld.Config, cpus int, base uint64, mem []byte, look func(uint64, []byte)) *model {
	m := &model{cfg: cfg, cpus: cpus, base: base, size: uint64(len(mem)), mem: mem, look: look}
	m.pages = make([]page, m.size/pageSize)
	keep := func(s span, who masters) {
		if s.size == 0 {
			return
		}
		m.each(s, func(p *page) { p.kept, p.who = true, who })
		m.fixed = append(m.fixed, extent{s, who})
	}
	keep(span{cfg.SecureRAM.Base, cfg.SecureRAM.Size}, masters{})
	for _, c := range m.carveouts() {
		keep(c.span, c.who)
	}
	if shm := m.reserved(); shm.size != 0 {
		m.share([]span{shm}, +1)
	}
	return m
}

// carveouts are the pools that are protected from reset on: those of one use case, if it is named.
func (m *model) carveouts(named ...uint64) (out []extent) {
	for _, u := range m.cfg.OPTEE.UseCases {
		if len(named) > 0 && uint64(u.ID) != named[0] {
			continue
		}
		who := masters{u.Access.Read, u.Access.Write}
		if c := m.cfg.Carveout; c.Size != 0 && u.ID == m.cfg.CarveoutUse {
			out = append(out, extent{span{c.Base, c.Size}, who})
		}
		if c := u.Carveout; c.Size != 0 {
			out = append(out, extent{span{c.Base, c.Size}, who})
		}
	}
	return out
}

// reserved is the reserved shared memory of OP-TEE's SMC ABI.
func (m *model) reserved() span {
	if m.cfg.ABI&secureworld.ABISMC == 0 {
		return span{}
	}
	return span{m.cfg.OPTEE.SHM.Base, m.cfg.OPTEE.SHM.Size}
}

// inRAM reports whether all of s is memory.
func (m *model) inRAM(s span) bool {
	return s.base >= m.base && s.base-m.base < m.size && s.size <= m.size-(s.base-m.base)
}

func (m *model) at(addr uint64) *page { return &m.pages[(addr-m.base)/pageSize] }

// bytes is the contents of memory.
func (m *model) bytes(s span) []byte { return m.mem[s.base-m.base:][:s.size] }

// all reports whether every page that s touches is memory and satisfies ok.
func (m *model) all(s span, ok func(*page) bool) bool {
	if !m.inRAM(s) {
		return false
	}
	for a := s.base &^ (pageSize - 1); a < s.end(); a += pageSize {
		if !ok(m.at(a)) {
			return false
		}
	}
	return true
}

// each calls f for the pages of s.
func (m *model) each(s span, f func(*page)) {
	for a := s.base; a < s.end(); a += pageSize {
		f(m.at(a))
	}
}

// open reports whether s is memory that the normal world has access to. The secure world reads nothing else on its behalf, even
// where no controller enforces it.
func (m *model) open(s span) bool {
	return m.all(s, func(p *page) bool { return !p.protected() })
}

// may is the access matrix: whether a master gets through to the page at addr.
func (m *model) may(addr uint64, nsaid int, secure, write bool) bool {
	if secure || !m.cfg.TZASC.Enabled {
		return true
	}
	who := masters{m.cfg.TZASC.Normal.Read, m.cfg.TZASC.Normal.Write}
	if p := m.at(addr); p.protected() {
		who = p.who
	}
	mask := who.read
	if write {
		mask = who.write
	}
	return mask>>nsaid&1 != 0
}

// touch notes pages that a call is about: the first ones of s, and the last one.
func (m *model) touch(s span) {
	if s.size == 0 || s.base+s.size < s.base {
		return
	}
	first, last := s.base&^(pageSize-1), (s.end()-1)&^(pageSize-1)
	m.touched = append(m.touched, last)
	for a := first; a < last && a < first+4*pageSize; a += pageSize {
		m.touched = append(m.touched, a)
	}
}

// disjoint reports whether no two ranges have a byte in common.
func disjoint(ranges []span) bool {
	s := slices.Clone(ranges)
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.base, b.base) })
	for i := 1; i < len(s); i++ {
		if s[i].base < s[i-1].end() {
			return false
		}
	}
	return true
}

// merged gives disjoint ranges by address, with neighbours as one.
func merged(ranges []span) []span {
	s := slices.Clone(ranges)
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.base, b.base) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && out[n-1].end() == r.base {
			out[n-1].size += r.size
		} else {
			out = append(out, r)
		}
	}
	return out
}

// extents gives all protected units.
func (m *model) extents() []extent {
	out := slices.Clone(m.fixed)
	for _, t := range m.transactions {
		out = append(out, t.extents...)
	}
	for _, b := range m.buffers {
		out = append(out, b.extents...)
	}
	return out
}

// usableRegions is how many regions of a TZC-400 can hold protected memory: all but the background (DDI 0504, 2.1).
const usableRegions = 8

// regions says how many regions the protected memory needs together with more: neighbours for the same masters need one. most is
// the number that can be needed later, when some of it has been given back: that can never be refused for want of a region.
func (m *model) regions(more []extent) (least, most int) {
	all := append(m.extents(), more...)
	slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.base, b.base) })
	run := 0
	for i, e := range all {
		if i > 0 && all[i-1].end() == e.base && all[i-1].who == e.who {
			run++
		} else {
			run = 1
			least++
		}
		if run%2 == 1 {
			most++
		}
	}
	return least, most
}

// roomFor notes whether the controller can protect more.
func (m *model) roomFor(v *verdict, more []extent, c codes) {
	if !m.cfg.TZASC.Enabled {
		return
	}
	least, most := m.regions(more)
	switch {
	case least > usableRegions:
		v.broken(c, "no region is left")
	case most > usableRegions:
		v.perhaps(c, "giving memory back could need more regions than there are")
	}
}

// protect takes memory from the normal world.
func (m *model) protect(extents []extent) {
	for _, e := range extents {
		m.each(e.span, func(p *page) { p.lent, p.who = true, e.who })
	}
	m.protected = true
}

// giveBack returns protected memory to the normal world: it must have been scrubbed.
func (m *model) giveBack(extents []extent) {
	for _, e := range extents {
		m.each(e.span, func(p *page) { p.lent, p.who = false, masters{} })
		clear(m.bytes(e.span))
	}
	m.protected = true
}

// extentsOf are the units that protecting ranges for who makes.
func extentsOf(ranges []span, who masters) (out []extent) {
	for _, r := range merged(ranges) {
		out = append(out, extent{r, who})
	}
	return out
}

// ranges counts the address ranges that are in use. What counts as one is the secure world's choice: most counts each as it was
// named, least counts neighbours once and leaves out what is not sent, registered or lent, or was donated for good.
func (m *model) ranges() (least, most int) {
	if m.tx.size != 0 {
		most += 2
	}
	most += m.donated
	for _, t := range m.transactions {
		least += len(merged(t.ranges))
		most += len(t.ranges)
	}
	for _, b := range m.buffers {
		least += len(merged(b.ranges))
		most += len(b.ranges)
	}
	for _, x := range m.suspended {
		least += len(merged(x.listed))
		most += len(x.listed)
	}
	return least, most
}

// accountFor notes whether the secure world can keep account of more ranges.
func (m *model) accountFor(v *verdict, more []span, c codes) {
	least, most := m.ranges()
	switch limit := m.cfg.Limits.Ranges; {
	case least+len(merged(more)) > limit:
		v.broken(c, "more ranges than the limit")
	case most+len(more) > limit:
		v.perhaps(c, "more ranges than the limit, counted one by one")
	}
}

// buffered is a buffer of one or more ranges.
type buffered struct {
	ranges    []span
	size      uint64
	protected bool
}

func memoryOf(ranges []span, protected bool) buffered {
	b := buffered{ranges: ranges, protected: protected}
	for _, r := range ranges {
		b.size += r.size
	}
	return b
}

// each calls f for the pieces of [off, off+n), which must be within the buffer.
func (b buffered) each(off, n uint64, f func(s span)) {
	for _, r := range b.ranges {
		if off >= r.size {
			off -= r.size
			continue
		}
		k := min(n, r.size-off)
		if k > 0 {
			f(span{r.base + off, k})
		}
		off, n = 0, n-k
	}
}

func (m *model) read(b buffered, off, n uint64) []byte {
	out := make([]byte, 0, n)
	b.each(off, n, func(s span) { out = append(out, m.bytes(s)...) })
	return out
}

func (m *model) write(b buffered, off uint64, p []byte) {
	b.each(off, uint64(len(p)), func(s span) { p = p[copy(m.bytes(s), p):] })
}
