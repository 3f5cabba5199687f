package modeltest

import (
	"bytes"
	"fmt"
	"slices"
)

// live gives the transaction with a handle.
func (m *model) live(handle uint64) *transaction {
	for _, t := range m.transactions {
		if t.handle == handle {
			return t
		}
	}
	return nil
}

func (m *model) drop(t *transaction) {
	m.transactions = slices.DeleteFunc(m.transactions, func(o *transaction) bool { return o == t })
}

// newHandle judges a handle that the secure world chose.
func (m *model) newHandle(h uint64) string {
	switch {
	case h == 0 || h == ^uint64(0) || h>>63 != 0:
		return fmt.Sprintf("handle %#x is not one that an SPMC allocates", h)
	case m.live(h) != nil:
		return fmt.Sprintf("handle %#x is in use", h)
	}
	return ""
}

// maxInFlight is how many descriptors a sender may have on their way; beyond it the secure world may give up the oldest.
const maxInFlight = 4

// send is FFA_MEM_SHARE, LEND and DONATE.
func (c *call) send(k kind) *answer {
	m := c.m
	a := &answer{}
	total, length := uint64(c.w(1)), uint64(c.w(2))
	for i := 5; i <= 7; i++ {
		a.unless(c.w(i) == 0, invalid, "w5 to w7 must be zero")
		if c.arg(i) != 0 {
			a.perhaps(invalid, "x5 to x7 are not zero")
		}
	}
	a.unless(c.arg(3) == 0 && c.w(4) == 0, invalid, "only TX holds descriptors")
	a.unless(length <= total, invalid, "the fragment is longer than the descriptor")
	a.unless(length%16 == 0, invalid, "the fragment is no multiple of 16")
	a.unless(length >= m.headerSize(), invalid, "the fragment is shorter than the header")
	switch {
	case m.tx.size == 0:
		a.broken(invalid|denied, "no buffers are mapped")
	case length > m.tx.size:
		a.broken(invalid|denied, "the fragment is longer than TX")
	}
	if limit := uint64(m.cfg.Limits.Ranges)*16 + pageSize; total > limit {
		a.perhaps(noMemory, "a descriptor longer than the limit")
	}
	busySlots, lostSlots := 0, 0
	for _, t := range m.transactions {
		if t.lost {
			lostSlots++
		} else {
			busySlots++
		}
	}
	switch limit := m.cfg.Limits.Transactions; {
	case busySlots >= limit:
		a.broken(noMemory, "no handle is left")
	case busySlots+lostSlots >= limit:
		a.perhaps(noMemory, "no handle may be left")
	}
	m.touch(m.tx)
	if m.tx.size == 0 || length > m.tx.size || length > total {
		return a
	}
	b := slices.Clone(m.bytes(span{m.tx.base, length}))
	t := &transaction{kind: k, desc: b, total: total}
	if length == total {
		a.join(m.judge(t, true))
		a.reply, a.free = success(0, 0), 0b1100
		a.done = func(out *regs) string { return m.complete(t, out[2]|out[3]<<32) }
		a.pause = m.pause(t)
		a.failed = func(code int) { m.event = refusal(k, code, a) }
		return a
	}
	v := m.judge(t, false)
	v.waive()
	a.join(v)
	if a.must&noMemory != 0 && m.inFlight() >= maxInFlight {
		// The oldest may be given up for it.
		a.may |= noMemory
		a.must &^= noMemory
	}
	a.reply = [8]uint64{0: ffaFragRX, 3: length}
	a.free = 0b110
	a.done = func(out *regs) string {
		t.handle, t.pending = out[1]|out[2]<<32, true
		if wrong := m.newHandle(t.handle); wrong != "" {
			return wrong
		}
		if out[1]>>32 != 0 || out[2]>>32 != 0 {
			return "a handle of more than two words"
		}
		m.transactions = append(m.transactions, t)
		left := maxInFlight
		for i := len(m.transactions) - 1; i >= 0; i-- {
			if o := m.transactions[i]; o.pending {
				if left == 0 {
					o.lost = true
				} else if !o.lost {
					left--
				}
			}
		}
		m.result, m.event = t.handle, "first fragment"
		return ""
	}
	return a
}

// refusal names a refused send for the statistics, with the reason where a resource is exhausted.
func refusal(k kind, code int, a *answer) string {
	if a.must == noMemory && code == 3 {
		return fmt.Sprintf("%v refused: %s", k, a.why[len(a.why)-1])
	}
	return fmt.Sprintf("%v refused", k)
}

func (m *model) inFlight() (n int) {
	for _, t := range m.transactions {
		if t.pending {
			n++
		}
	}
	return n
}

// complete keeps a transaction that was accepted.
func (m *model) complete(t *transaction, h uint64) string {
	if t.pending {
		if h != t.handle {
			return fmt.Sprintf("handle %#x after fragments of %#x", h, t.handle)
		}
		t.pending, t.lost = false, false
		m.event = fmt.Sprintf("%v in fragments", t.kind)
	} else {
		if wrong := m.newHandle(h); wrong != "" {
			return wrong
		}
		t.handle = h
		m.transactions = append(m.transactions, t)
		m.event = t.kind.String()
	}
	d := m.parse(t, true)
	t.ranges, t.tag, t.desc = d.ranges, d.tag, nil
	t.attributes, t.flags, t.sent = d.attributes, d.flags, d.emads
	for _, e := range d.emads {
		t.receivers = append(t.receivers, receiver{id: e.id, readOnly: e.permissions&3 == 1})
	}
	if len(t.receivers) > 1 {
		m.event += " to several"
	}
	m.result = h
	if t.kind == share {
		m.share(t.ranges, +1)
		return ""
	}
	t.extents = extentsOf(t.ranges, m.consent(t.kind, d))
	m.protect(t.extents)
	if d.flags&1 != 0 {
		for _, s := range t.ranges {
			clear(m.bytes(s))
		}
	}
	return ""
}

// pause takes FFA_MEM_OP_PAUSE as the answer to a transaction, where its sender allows time slicing and its memory has to be
// zeroed: all of it is protected, and part of it zero.
func (m *model) pause(t *transaction) func(handle uint64) string {
	if d := m.parse(t, true); m.cfg.Limits.Slice == 0 || t.kind == share || d.flags&3 != 3 {
		return nil
	}
	return func(handle uint64) string {
		if wrong := m.complete(t, handle); wrong != "" {
			return wrong
		}
		// What is left of the old contents shows which pages are not zeroed yet.
		for _, s := range t.ranges {
			m.look(s.base, m.bytes(s))
			m.each(s, func(p *page) { p.paused = true })
		}
		t.paused = true
		m.event = "pause"
		return ""
	}
}

// resume is FFA_MEM_OP_RESUME.
func (c *call) resume() *answer {
	m := c.m
	h := c.pair(1)
	t := m.live(h)
	a := &answer{reply: success(h&0xFFFF_FFFF, h>>32)}
	switch {
	case t == nil || t.pending:
		a.broken(invalid, "unknown handle")
		return a
	case !t.paused:
		a.broken(invalid|denied, "nothing is paused")
		return a
	}
	for _, s := range t.ranges {
		m.touch(s)
	}
	a.done = func(*regs) string {
		t.paused = false
		for _, s := range t.ranges {
			for at := s.base; at < s.end(); at += pageSize {
				b, p := m.bytes(span{at, pageSize}), m.at(at)
				if clear(b); p.dirty {
					m.look(at, b)
				}
				p.paused, p.dirty = false, false
			}
		}
		m.event = "resume"
		return ""
	}
	a.pause = func(handle uint64) string {
		if handle != h {
			return fmt.Sprintf("handle %#x is paused", handle)
		}
		m.scrubbed(t.ranges)
		m.event = "pause again"
		return ""
	}
	return a
}

// describe is FFA_MEM_RETRIEVE_REQ of the normal world. It is no borrower, but it may be told what it sent: then the request has no
// receivers and only a handle. That is for hypervisors, so that it may be refused as well.
func (c *call) describe() *answer {
	m := c.m
	a := &answer{reply: [8]uint64{0: ffaRetrieved}, free: 0b110}
	total, header := uint64(c.w(1)), m.headerSize()
	a.perhaps(anyError, "the normal world borrows nothing")
	a.unless(m.tx.size != 0 && !m.rxFull, anyError, "RX is not free")
	a.unless(c.arg(3) == 0 && c.w(4) == 0 && total == uint64(c.w(2)) && total == header, anyError, "not the request of a hypervisor")
	m.touch(m.tx)
	m.touch(m.rx)
	if a.must != 0 {
		return a
	}
	b := slices.Clone(m.bytes(span{m.tx.base, header}))
	h := le.Uint64(b[8:])
	t := m.live(h)
	a.unless(le.Uint32(b[28:]) == 0, anyError, "receivers in the request")
	if t == nil || !t.ready() {
		a.broken(anyError, "unknown handle")
		return a
	}
	a.done = func(out *regs) string {
		n := out[2]
		if n > out[1] || n > m.rx.size || n < header {
			return fmt.Sprintf("a fragment of %d bytes of %d", n, out[1])
		}
		rx := m.bytes(span{m.rx.base, n})
		m.look(m.rx.base, rx)
		m.rxFull = true
		t.told = n
		if n == out[1] {
			t.told = 0
		}
		m.event = "describe"
		return m.described(t, rx)
	}
	return a
}

// described compares the beginning of a descriptor that the secure world made with the transaction.
func (m *model) described(t *transaction, b []byte) string {
	back := &transaction{kind: t.kind, desc: slices.Clone(b), total: uint64(len(b))}
	if h := le.Uint64(b[8:]); h != t.handle {
		return fmt.Sprintf("the descriptor has handle %#x", h)
	}
	le.PutUint64(back.desc[8:], 0)
	back.desc[2] &^= 0x40
	if m.headerSize() == 48 {
		size, at := le.Uint32(b[24:]), le.Uint32(b[32:])
		if uint64(at)+uint64(size)*uint64(len(t.sent))+16 > uint64(len(b)) {
			return "the descriptor has no room for what it says"
		}
	}
	if t.told != 0 {
		at := m.headerSize() + 16*uint64(len(t.sent))
		if m.headerSize() == 48 {
			at = 48 + uint64(le.Uint32(b[24:]))*uint64(len(t.sent))
		}
		back.total = at + 16 + 16*uint64(len(t.ranges))
	}
	d := m.parse(back, false)
	own := uint32(t.kind+1) << 3
	switch {
	case d.must != 0:
		return fmt.Sprintf("the descriptor breaks %q", d.why)
	case d.attributes != t.attributes || d.tag != t.tag || d.flags&^2 != t.flags&1|own:
		return fmt.Sprintf("attributes %#x, tag %#x, flags %#x of a %v", d.attributes, d.tag, d.flags, t.kind)
	case !slices.Equal(d.emads, t.sent):
		return fmt.Sprintf("receivers %v, want %v", d.emads, t.sent)
	case len(d.ranges) > len(t.ranges) || !slices.Equal(d.ranges, t.ranges[:len(d.ranges)]) || t.told == 0 && len(d.ranges) != len(t.ranges):
		return fmt.Sprintf("ranges %x, want %x", d.ranges, t.ranges)
	}
	return ""
}

// describeMore is FFA_MEM_FRAG_RX: the next ranges of a descriptor.
func (c *call) describeMore() *answer {
	m := c.m
	h := c.pair(1)
	a := &answer{reply: [8]uint64{0: ffaFragTX, 1: h & 0xFFFF_FFFF, 2: h >> 32}, free: 0b1_1000}
	a.perhaps(anyError, "the normal world borrows nothing")
	a.unless(m.tx.size != 0 && !m.rxFull, anyError, "RX is not free")
	t := m.live(h)
	if t == nil || !t.ready() || t.told == 0 || t.told != uint64(c.w(3)) {
		a.broken(anyError, "nothing more to tell")
	}
	m.touch(m.rx)
	a.done = func(out *regs) string {
		n := out[3]
		if n > m.rx.size || n == 0 || n%16 != 0 || out[4]&0xFFFF != 0 {
			return fmt.Sprintf("a fragment of %d bytes", n)
		}
		rx := m.bytes(span{m.rx.base, n})
		m.look(m.rx.base, rx)
		m.rxFull = true
		emad := uint64(16)
		if m.version >= 0x1_0002 {
			emad = 32
		}
		first := (t.told - m.headerSize() - emad*uint64(len(t.sent)) - 16) / 16
		for i, s := range t.ranges[min(first, uint64(len(t.ranges))):] {
			if uint64(i)*16 == n {
				break
			}
			if got := (span{le.Uint64(rx[16*i:]), le.Uint64(rx[16*i+8:]) * pageSize}); got != s {
				return fmt.Sprintf("range %x, want %x", got, s)
			}
		}
		if t.told += n; first+n/16 >= uint64(len(t.ranges)) {
			t.told = 0
		}
		m.event = "describe more"
		return ""
	}
	return a
}

// fragment is FFA_MEM_FRAG_TX. The sender in w4 is not looked at: clients leave it zero.
func (c *call) fragment() *answer {
	m := c.m
	a := &answer{}
	h, length := c.pair(1), uint64(c.w(3))
	t := m.live(h)
	a.unless(length > 0, invalid, "an empty fragment")
	a.unless(length%16 == 0, invalid, "the fragment is no multiple of 16")
	switch {
	case m.tx.size == 0:
		a.broken(invalid|denied, "no buffers are mapped")
	case length > m.tx.size:
		a.broken(invalid|denied, "the fragment is longer than TX")
	}
	m.touch(m.tx)
	if t == nil || !t.pending {
		a.broken(invalid, "unknown handle")
		return a
	}
	if t.lost {
		a.perhaps(invalid, "too many descriptors on their way")
	}
	got := uint64(len(t.desc))
	a.unless(length <= t.total-got, invalid, "the fragment is longer than the rest")
	if a.must != 0 {
		return a
	}
	next := &transaction{handle: h, kind: t.kind, total: t.total, desc: append(slices.Clone(t.desc), m.bytes(span{m.tx.base, length})...)}
	last := got+length == t.total
	v := m.judge(next, last)
	if !last {
		v.waive()
		a.join(v)
		a.reply = [8]uint64{0: ffaFragRX, 1: h & 0xFFFF_FFFF, 2: h >> 32, 3: got + length}
		a.done = func(*regs) string {
			t.desc, t.lost = next.desc, false
			m.event = "middle fragment"
			return ""
		}
		a.failed = func(int) {
			if t.lost {
				m.event = "descriptor given up"
			}
			t.lost = true
		}
		return a
	}
	a.join(v)
	a.reply = success(h&0xFFFF_FFFF, h>>32)
	a.done = func(out *regs) string {
		t.desc = next.desc
		return m.complete(t, h)
	}
	if pause := m.pause(next); pause != nil {
		a.pause = func(handle uint64) string {
			t.desc = next.desc
			return m.pause(t)(handle)
		}
	}
	a.failed = func(int) {
		m.drop(t)
		m.event = "last fragment refused"
		if t.lost {
			m.event = "descriptor given up"
		}
	}
	return a
}

func (m *model) headerSize() uint64 {
	if m.version < 0x1_0001 {
		return 32
	}
	return 48
}

// emad is an endpoint memory access descriptor.
type emad struct {
	id          uint16
	permissions byte
}

// descriptor is a memory transaction descriptor as far as it could be read.
type descriptor struct {
	verdict
	attributes uint16
	sender     uint16
	flags      uint32
	tag        uint64
	emads      []emad
	ranges     []span
	whole      bool // everything was there and made sense
}

// parse reads the descriptor of a transaction and notes which rules its form breaks (DEN0140, "Memory region descriptor"). Of a
// descriptor that is not whole it reads what is there.
func (m *model) parse(t *transaction, whole bool) *descriptor {
	d := &descriptor{}
	b, header := t.desc, m.headerSize()
	if uint64(len(b)) < header {
		d.broken(invalid, "shorter than the header")
		return d
	}
	switch d.sender = le.Uint16(b); {
	case d.sender>>15 != 0:
		d.broken(denied, "the sender is secure")
	case d.sender != 0:
		d.broken(denied|invalid, "the sender is not the caller")
	}
	d.flags, d.tag = le.Uint32(b[4:]), le.Uint64(b[16:])
	count := uint64(le.Uint32(b[28:]))
	size, at := uint64(16), header
	if header == 32 {
		d.attributes = uint16(b[2])
		d.unless(b[3] == 0 && le.Uint32(b[24:]) == 0, invalid, "reserved fields of the header")
	} else {
		d.attributes = le.Uint16(b[2:])
		d.unless(bytes.Equal(b[36:48], make([]byte, 12)), invalid, "reserved fields of the header")
		size, at = uint64(le.Uint32(b[24:])), uint64(le.Uint32(b[32:]))
		if size != 16 && (size != 32 || m.version < 0x1_0002) {
			d.broken(invalid, "size of an access descriptor")
			return d
		}
		if at < header || at%16 != 0 {
			d.broken(invalid, "offset of the access descriptors")
			return d
		}
		if at != header {
			d.perhaps(invalid, "a gap before the access descriptors")
		}
	}
	d.unless(le.Uint64(b[8:]) == 0, invalid, "a handle from the sender")
	m.parseFlags(d, t.kind, count)
	if count == 0 {
		d.broken(invalid, "no receiver")
		return d
	}
	if count > 1 && t.kind == donate {
		d.broken(invalid, "donation to several")
	}
	end := at + count*size
	if end > t.total {
		d.broken(invalid, "access descriptors beyond the end")
		return d
	}
	if end > uint64(len(b)) {
		d.perhaps(invalid, "access descriptors in a later fragment")
		count = (max(uint64(len(b)), at) - at) / size
	}
	composite := uint64(0)
	for i := range count {
		composite = m.parseEMAD(d, t.kind, b[at+i*size:][:size], composite, i == 0)
	}
	if end > uint64(len(b)) {
		return d
	}
	if composite < end || composite%16 != 0 || composite+16 > t.total {
		d.broken(invalid, "offset of the composite descriptor")
		return d
	}
	if composite+16 > uint64(len(b)) {
		d.perhaps(invalid, "the composite descriptor in a later fragment")
		return d
	}
	m.parseComposite(d, t, composite, whole)
	return d
}

// parseFlags notes rules about flags and attributes.
func (m *model) parseFlags(d *descriptor, k kind, receivers uint64) {
	own := uint32(k+1) << 3
	switch f := d.flags; {
	case f&^0x1F != 0, f&4 != 0:
		d.broken(invalid, "unknown flags")
	case f&0x18 == own:
		d.perhaps(invalid, "the transaction type in the flags")
	case f&0x18 != 0:
		d.broken(invalid, "another transaction type in the flags")
	}
	if d.flags&1 != 0 {
		d.unless(k != share, invalid, "CLEAR on a share")
	}
	if d.flags&2 != 0 {
		d.perhaps(invalid, "time slicing")
	}
	a := d.attributes
	d.unless(a>>7 == 0, invalid, "reserved attributes")
	d.unless(a&0x40 == 0, invalid, "the NS bit from the sender")
	if a&0x30 == 0x20 && (a&0xC == 0 || a&0xC == 8 || a&3 == 1) || a&0x30 == 0x30 {
		d.broken(invalid, "reserved value in the attributes")
	}
	if k == share || receivers > 1 {
		d.unless(a == 0x2F, invalid|denied, "memory that is shared is not normal, write-back, inner shareable")
		return
	}
	d.unless(a&0x30 == 0, invalid, "attributes for a single borrower")
	if a != 0 {
		d.perhaps(invalid, "attributes for a single borrower")
	}
}

// parseEMAD reads one access descriptor; composite is the offset that the first one named.
func (m *model) parseEMAD(d *descriptor, k kind, b []byte, composite uint64, first bool) uint64 {
	e := emad{le.Uint16(b), b[2]}
	d.unless(le.Uint64(b[len(b)-8:]) == 0, invalid, "reserved field of an access descriptor")
	if c := uint64(le.Uint32(b[4:])); first {
		composite = c
	} else {
		d.unless(c == composite, invalid, "two offsets of the composite descriptor")
	}
	d.unless(e.id != 0 && e.id != d.sender, invalid, "the receiver is the sender")
	for _, o := range d.emads {
		d.unless(o.id != e.id, invalid, "a receiver stands twice")
	}
	if !m.isPartition(e.id) {
		c := invalid
		if k != share && e.id>>15 == 0 {
			c |= denied
		}
		d.broken(c, "unknown receiver")
	}
	data, instr := e.permissions&3, e.permissions>>2&3
	d.unless(e.permissions>>4 == 0 && data != 3 && instr == 0, invalid, "permissions")
	switch {
	case k == donate:
		if data != 0 {
			d.perhaps(invalid, "permissions in a donation")
		}
	case data == 0:
		d.broken(invalid, "no data permission")
	case data == 1 && d.flags&1 != 0 && k == lend:
		// The rule is about the owner's permission, which the normal world always has; Hafnium asks for the borrower's too.
		d.perhaps(invalid|denied, "CLEAR without write permission")
	}
	d.unless(b[3]>>1 == 0, invalid, "flags of an access descriptor")
	if b[3]&1 != 0 {
		d.perhaps(invalid, "a flag of retrieve requests")
	}
	d.emads = append(d.emads, e)
	return composite
}

func (m *model) isPartition(id uint16) bool {
	for _, p := range m.cfg.Partitions {
		if uint16(p.ID) == id {
			return true
		}
	}
	return false
}

// parseComposite reads the composite descriptor at an offset and as many constituents as are there.
func (m *model) parseComposite(d *descriptor, t *transaction, at uint64, whole bool) {
	b := t.desc[at:]
	pages, count := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:]))
	d.unless(le.Uint64(b[8:]) == 0, invalid, "reserved field of the composite descriptor")
	if count == 0 || at+16+count*16 != t.total {
		d.broken(invalid, "count of ranges")
		return
	}
	sum := uint64(0)
	for b = b[16:]; len(b) >= 16; b = b[16:] {
		s := span{le.Uint64(b), uint64(le.Uint32(b[8:])) * pageSize}
		sum += s.size / pageSize
		d.unless(le.Uint32(b[12:]) == 0, invalid, "reserved field of a range")
		d.unless(s.size != 0, invalid, "an empty range")
		d.unless(s.base%pageSize == 0, invalid, "misaligned range")
		d.unless(s.base+s.size >= s.base, invalid, "a range that wraps")
		d.ranges = append(d.ranges, s)
		m.touch(s)
	}
	if d.must&invalid != 0 {
		return
	}
	d.unless(disjoint(d.ranges), invalid, "ranges overlap")
	d.unless(sum <= pages && (!whole || sum == pages), invalid, "sum of pages")
	d.whole = whole && d.must == 0
}

// judge gives the verdict on a transaction's descriptor: its form, its receivers' rules, and the state of memory.
func (m *model) judge(t *transaction, whole bool) verdict {
	d := m.parse(t, whole)
	v := &d.verdict
	for _, s := range d.ranges {
		switch {
		case s.size == 0 || s.base%pageSize != 0 || s.base+s.size < s.base:
		case !m.normal(s):
			v.broken(denied|invalid, "not memory of the normal world")
		case !m.plain(s):
			v.broken(denied|invalid, "a page is shared, registered or lent")
		}
	}
	for _, e := range d.emads {
		m.receive(d, t.kind, e)
		if whole {
			m.capacity(d, e.id)
		}
	}
	if whole && len(d.ranges) > 0 {
		m.accountFor(v, d.ranges, noMemory)
	}
	if d.whole && t.kind != share && v.must == 0 {
		m.roomFor(v, extentsOf(d.ranges, m.consent(t.kind, d)), noMemory)
	}
	return *v
}

// capacity notes whether a partition may borrow so much more.
func (m *model) capacity(d *descriptor, id uint16) {
	for _, p := range m.cfg.Partitions {
		if uint16(p.ID) != id {
			continue
		}
		regions, pages := uint64(1), uint64(0)
		for _, s := range d.ranges {
			pages += s.size / pageSize
		}
		for _, t := range m.transactions {
			if t.receiver(id) == nil {
				continue
			}
			regions++
			for _, s := range t.ranges {
				pages += s.size / pageSize
			}
		}
		d.unless(p.MaxRegions == 0 || regions <= uint64(p.MaxRegions), noMemory, "the receiver has enough transactions")
		d.unless(p.MaxPages == 0 || pages <= p.MaxPages, noMemory, "the receiver has enough memory")
	}
}

// receive notes what a receiver has against a transaction.
func (m *model) receive(d *descriptor, k kind, e emad) {
	switch e.id {
	case opteeID:
		if k == donate {
			d.broken(denied|invalid|notSupported, "OP-TEE takes no donation")
			return
		}
		d.unless(e.permissions == 2, invalid, "OP-TEE needs read and write permission")
		if k == share {
			return
		}
		if !m.cfg.OPTEE.DynamicPools {
			d.broken(denied|invalid|notSupported, "no dynamic pools")
		}
		_, ok := m.useCase(d.tag)
		d.unless(ok, invalid|noMemory, "unknown use case")
		if len(d.ranges) > 1 {
			d.perhaps(invalid, "a pool in pieces")
			for i, s := range d.ranges[1:] {
				d.unless(s.base == d.ranges[i].end(), invalid, "a pool with gaps")
			}
		}
		if u, ok := m.useCase(d.tag); ok && len(d.ranges) > 0 {
			s := merged(d.ranges)[0]
			d.unless(s.base%u.align == 0 && s.size%u.align == 0, invalid, "alignment of the pool")
		}
	case vaultID:
		if d.tag == vaultRefuses {
			d.broken(denied, "the vault refuses")
		}
	}
}

type useCase struct {
	who           masters
	minimum       uint64
	align, paBits uint64
}

func (m *model) useCase(id uint64) (useCase, bool) {
	for _, u := range m.cfg.OPTEE.UseCases {
		if uint64(u.ID) == id {
			return useCase{masters{u.Access.Read, u.Access.Write}, u.MinSize, u.Align, uint64(u.PAWidth)}, true
		}
	}
	return useCase{}, false
}

// consent says who keeps access to memory that is lent: those to whom every receiver agrees. Nobody keeps access to a donation.
func (m *model) consent(k kind, d *descriptor) masters {
	if k == donate {
		return masters{}
	}
	who := masters{0xFFFF, 0xFFFF}
	for _, e := range d.emads {
		w := masters{}
		if e.id == opteeID {
			u, _ := m.useCase(d.tag)
			w = u.who
		} else {
			w.read, w.write = vaultMasters(d.tag)
		}
		who.read &= w.read
		who.write &= w.write
	}
	return who
}

// reclaim is FFA_MEM_RECLAIM.
func (c *call) reclaim() *answer {
	m := c.m
	a := &answer{reply: success()}
	t := m.live(c.pair(1))
	if f := c.w(3); f&^3 != 0 {
		a.broken(invalid, "unknown flags")
	} else if f != 0 {
		a.perhaps(invalid, "flags")
	}
	for i := 4; i <= 7; i++ {
		a.unless(c.w(i) == 0, invalid, "w4 to w7 must be zero")
	}
	if t == nil || !t.ready() {
		a.broken(invalid, "unknown handle")
		return a
	}
	for _, s := range t.ranges {
		m.touch(s)
	}
	for _, r := range t.receivers {
		switch r.retrieved {
		case yes:
			a.broken(denied, "a borrower has not relinquished")
		case unknown:
			a.perhaps(denied, "a borrower may not have relinquished")
		}
	}
	a.closing = t.extents
	a.done = func(*regs) string {
		m.drop(t)
		m.event = "reclaim of a " + t.kind.String()
		if t.kind == share {
			m.share(t.ranges, -1)
			if c.w(3)&1 != 0 {
				for _, s := range t.ranges {
					clear(m.bytes(s))
				}
			}
			return ""
		}
		m.giveBack(t.extents)
		return ""
	}
	a.failed = func(code int) {
		if code == 6 {
			m.event = "reclaim denied"
			for i := range t.receivers {
				if len(t.receivers) == 1 {
					t.receivers[i].retrieved = yes
				}
			}
		}
	}
	return a
}
