package modeltest

import (
	"bytes"
	"fmt"
	"slices"

	"gatehouse/secureworld"
)

// FF-A error codes (DEN0077A, table of error status codes) as sets.
const (
	notSupported codes = 1 << 1
	invalid      codes = 1 << 2
	noMemory     codes = 1 << 3
	busy         codes = 1 << 4
	denied       codes = 1 << 6
	retry        codes = 1 << 7
	anyError     codes = 0x7FE
)

// Function identifiers, SMC32 form; wide is the bit of the SMC64 form.
const (
	wide = 0x4000_0000

	ffaError       = 0x8400_0060
	ffaSuccess     = 0x8400_0061
	ffaVersion     = 0x8400_0063
	ffaFeatures    = 0x8400_0064
	ffaRXRelease   = 0x8400_0065
	ffaRXTXMap     = 0x8400_0066
	ffaRXTXUnmap   = 0x8400_0067
	ffaPartInfo    = 0x8400_0068
	ffaIDGet       = 0x8400_0069
	ffaRun         = 0x8400_006D
	ffaDirectReq   = 0x8400_006F
	ffaDirectResp  = 0x8400_0070
	ffaDonate      = 0x8400_0071
	ffaLend        = 0x8400_0072
	ffaShare       = 0x8400_0073
	ffaRetrieve    = 0x8400_0074
	ffaRetrieved   = 0x8400_0075
	ffaRelinquish  = 0x8400_0076
	ffaReclaim     = 0x8400_0077
	ffaPause       = 0x8400_0078
	ffaResume      = 0x8400_0079
	ffaFragRX      = 0x8400_007A
	ffaFragTX      = 0x8400_007B
	ffaSPMIDGet    = 0x8400_0085
	ffaPermGet     = 0x8400_0088
	ffaPermSet     = 0x8400_0089
	ffaPartRegs    = 0xC400_008B
	ffaDirectReq2  = 0xC400_008D
	ffaDirectResp2 = 0xC400_008E

	psciBase = 0x8400_0000
	psciLast = 0x8400_001F
)

const ownVersion = 0x1_0002

// kind is how memory is sent.
type kind uint8

const (
	share kind = iota
	lend
	donate
)

func (k kind) String() string { return [...]string{"share", "lend", "donate"}[k] }

// answer is what the model expects of a call.
type answer struct {
	verdict
	ffa   bool
	reply [8]uint64 // of an accepted FF-A call
	free  uint8     // bit i: reply[i] is the secure world's choice
	keep  int       // the first register that must not change
	// check replaces the comparison of registers; it says what is wrong and whether the call was accepted.
	check func(out *regs) (accepted bool, wrong string)
	// pause takes FFA_MEM_OP_PAUSE, where that may answer the call.
	pause func(handle uint64) (wrong string)
	// closing is protected memory that the call gives back, if it is accepted.
	closing []extent
	// skip says that the model does not know what the call would do. It is not made.
	skip bool
	// done is what an accepted call does. It says what is wrong with results that the secure world chose.
	done func(out *regs) (wrong string)
	// failed is what a refused call leaves behind.
	failed func(code int)
}

// call is one call as the rules see it.
type call struct {
	m  *model
	in *regs
	f  uint32 // without the hint of SMCCC 1.3
}

// arg is an argument register as wide as the calling convention.
func (c *call) arg(i int) uint64 {
	if c.f&wide != 0 {
		return c.in[i]
	}
	return uint64(uint32(c.in[i]))
}

func (c *call) w(i int) uint32 { return uint32(c.in[i]) }

// pair is a handle in two registers, least significant word first.
func (c *call) pair(i int) uint64 { return uint64(c.w(i)) | uint64(c.w(i+1))<<32 }

// predict says what a call must be answered. It changes the model only through the functions of the answer.
func (m *model) predict(in *regs) *answer {
	m.touched, m.protected, m.result, m.event = m.touched[:0], false, 0, ""
	c := &call{m, in, uint32(in[0]) &^ (1 << 16)}
	if n := c.f & 0xFFFF; c.f&^wide&^0xFFFF == psciBase && n >= 0x60 && n <= 0x97 {
		a := c.ffa()
		a.ffa = true
		if a.keep == 0 {
			a.keep = 8
		}
		return a
	}
	return c.other()
}

// unmodelled is a call whose answer, in the registers before keep, is not the model's business. It must not change who owns or
// accesses memory.
func unmodelled(keep int) *answer {
	return &answer{keep: keep, check: func(*regs) (bool, string) { return true, "" }}
}

// rejected is a call that must be refused with one of c.
func rejected(c codes, why string) *answer {
	a := &answer{}
	a.broken(c, why)
	return a
}

// compare judges the registers after the call.
func (a *answer) compare(in, out *regs) (accepted bool, wrong string) {
	if a.check != nil {
		accepted, wrong = a.check(out)
	} else {
		accepted, wrong = a.standard(out)
	}
	for i := a.keep; i < 18 && wrong == ""; i++ {
		if out[i] != in[i] {
			wrong = fmt.Sprintf("x%d changes from %#x to %#x", i, in[i], out[i])
		}
	}
	switch {
	case wrong != "" || !accepted:
	case a.ffa && a.pause != nil && out[0] == ffaPause:
		wrong = a.pause(out[1] | out[2]<<32)
	case a.done != nil:
		wrong = a.done(out)
	}
	return accepted, wrong
}

// standard judges an FF-A reply: FFA_ERROR with a code that fits, or the registers of the answer.
func (a *answer) standard(out *regs) (bool, string) {
	if out[0] == ffaError {
		for _, i := range []int{1, 3, 4, 5, 6, 7} {
			if out[i] != 0 {
				return false, fmt.Sprintf("FFA_ERROR with x%d = %#x", i, out[i])
			}
		}
		code := -int(int32(out[2]))
		if out[2]>>32 != 0 {
			return false, fmt.Sprintf("FFA_ERROR with x2 = %#x", out[2])
		}
		wrong := a.refused(code)
		if wrong == "" && a.failed != nil {
			a.failed(code)
		}
		return false, wrong
	}
	if wrong := a.accepted(); wrong != "" {
		return true, wrong
	}
	reply, free := a.reply, a.free
	if out[0] == ffaPause && a.pause != nil {
		reply, free = [8]uint64{0: ffaPause}, 0b110
	}
	for i, want := range reply {
		if free>>i&1 == 0 && out[i] != want {
			return true, fmt.Sprintf("x%d = %#x, want %#x", i, out[i], want)
		}
	}
	return true, ""
}

// success is FFA_SUCCESS_32 with the given words from w2 on.
func success(words ...uint64) (r [8]uint64) {
	r[0] = ffaSuccess
	copy(r[2:], words)
	return r
}

func (c *call) ffa() *answer {
	m := c.m
	switch {
	case c.f == ffaVersion:
		return c.exchange()
	case m.cfg.ABI&secureworld.ABIFFA == 0:
		return rejected(notSupported, "there is no FF-A")
	case m.version == 0:
		return rejected(notSupported, "no version is agreed on")
	}
	m.locked = true
	return c.call()
}

func (c *call) call() *answer {
	m := c.m
	switch c.f {
	case ffaIDGet:
		return &answer{reply: success(0)}
	case ffaSPMIDGet:
		if m.version < 0x1_0001 {
			return rejected(notSupported, "FFA_SPM_ID_GET is of 1.1")
		}
		return &answer{reply: success(uint64(m.cfg.SPMC))}
	case ffaFeatures:
		return c.features()
	case ffaRXTXMap, ffaRXTXMap | wide:
		return c.mapBuffers()
	case ffaRXTXUnmap:
		return c.unmapBuffers()
	case ffaRXRelease:
		a := &answer{reply: success()}
		a.unless(m.rxFull, denied, "the caller does not own RX")
		if c.w(1) != 0 {
			a.perhaps(invalid, "w1 is not zero")
		}
		a.done = func(*regs) string { m.rxFull = false; return "" }
		return a
	case ffaPartInfo:
		return c.partitions()
	case ffaPartRegs:
		if m.version < 0x1_0002 {
			return rejected(notSupported, "FFA_PARTITION_INFO_GET_REGS is of 1.2")
		}
		return c.partitionRegisters()
	case ffaDirectReq, ffaDirectReq | wide:
		return c.direct()
	case ffaDirectReq2:
		if m.version < 0x1_0002 {
			return rejected(notSupported, "FFA_MSG_SEND_DIRECT_REQ2 is of 1.2")
		}
		return rejected(invalid|denied, "no partition takes FFA_MSG_SEND_DIRECT_REQ2")
	case ffaRun:
		return rejected(anyError, "nothing waits for FFA_RUN")
	case ffaShare, ffaShare | wide:
		return c.send(share)
	case ffaLend, ffaLend | wide:
		return c.send(lend)
	case ffaDonate, ffaDonate | wide:
		return c.send(donate)
	case ffaFragTX:
		return c.fragment()
	case ffaReclaim:
		return c.reclaim()
	case ffaResume:
		return c.resume()
	case ffaRetrieve, ffaRetrieve | wide:
		return c.describe()
	case ffaFragRX:
		return c.describeMore()
	case ffaRelinquish, ffaPermGet, ffaPermGet | wide, ffaPermSet, ffaPermSet | wide,
		ffaDirectResp, ffaDirectResp | wide, ffaDirectResp2:
		return rejected(anyError, "a call of secure endpoints")
	}
	return unmodelled(18)
}

// exchange is FFA_VERSION. A version that is not compatible is -1, or the own one that is then not agreed on.
func (c *call) exchange() *answer {
	m, asked := c.m, c.w(1)
	compatible := asked>>31 == 0 && asked>>16 == ownVersion>>16
	return &answer{keep: 8, check: func(out *regs) (bool, string) {
		v := uint32(out[0])
		switch {
		case v == 0xFFFF_FFFF:
			if compatible && asked <= ownVersion && m.cfg.ABI&secureworld.ABIFFA != 0 {
				return false, "a version that it has is not supported"
			}
			return false, ""
		case m.cfg.ABI&secureworld.ABIFFA == 0:
			return true, "there is no FF-A"
		case asked>>31 != 0:
			return true, "bit 31 is set"
		case out[0] != ownVersion && !(m.locked && v == m.version):
			return true, fmt.Sprintf("the version is %#x", out[0])
		}
		if compatible && !m.locked {
			m.version = min(asked, ownVersion)
		}
		return true, ""
	}}
}

// features is FFA_FEATURES: what every client needs must be there.
func (c *call) features() *answer {
	a := &answer{reply: success(), free: 0b1100}
	switch c.w(1) {
	case ffaRXTXMap | wide, ffaShare | wide, ffaLend | wide, ffaReclaim, ffaFragTX, ffaPartInfo, ffaRXRelease, ffaRXTXUnmap:
	default:
		a.perhaps(notSupported|invalid, "a feature that need not exist")
	}
	return a
}

// plain is memory that the normal world owns alone.
func (m *model) plain(s span) bool { return m.all(s, (*page).exclusive) }

// normal is memory of the normal world, whatever is done with it.
func (m *model) normal(s span) bool { return m.all(s, func(p *page) bool { return !p.kept }) }

func (c *call) mapBuffers() *answer {
	m := c.m
	a := &answer{reply: success()}
	n := c.w(3)
	tx, rx := span{c.arg(1), uint64(n) * pageSize}, span{c.arg(2), uint64(n) * pageSize}
	a.unless(m.tx.size == 0, denied, "buffers are mapped")
	a.unless(n >= 1 && n <= 63, invalid, "page count")
	for _, s := range []span{tx, rx} {
		m.touch(s)
		a.unless(s.base%pageSize == 0, invalid, "misaligned buffer")
		switch {
		case n == 0 || n > 63:
		case !m.inRAM(s):
			a.broken(invalid, "a buffer is not memory")
		case !m.normal(s):
			// Well-formed but forbidden is DENIED elsewhere; the table of this call has INVALID_PARAMETERS.
			a.broken(invalid|denied, "a buffer is not memory of the normal world")
		case !m.plain(s):
			a.broken(invalid|denied, "a buffer is shared or lent")
		}
	}
	a.unless(tx.base >= rx.end() || rx.base >= tx.end(), invalid, "the buffers overlap")
	var account verdict
	m.accountFor(&account, []span{tx, rx}, noMemory)
	account.waive() // whether buffers count is not said
	a.join(account)
	a.done = func(*regs) string {
		m.tx, m.rx, m.rxFull = tx, rx, false
		m.share([]span{tx, rx}, +1)
		m.event = "map"
		return ""
	}
	return a
}

func (m *model) share(ranges []span, d int) {
	for _, s := range ranges {
		m.each(s, func(p *page) { p.shares += d })
	}
}

func (c *call) unmapBuffers() *answer {
	m := c.m
	a := &answer{reply: success()}
	a.unless(m.tx.size != 0, invalid, "no buffers are mapped")
	a.unless(c.w(1)>>16 == 0, invalid, "an identifier of a virtual machine")
	m.touch(m.tx)
	m.touch(m.rx)
	a.done = func(*regs) string {
		m.share([]span{m.tx, m.rx}, -1)
		m.tx, m.rx, m.rxFull = span{}, span{}, false
		m.event = "unmap"
		return ""
	}
	return a
}

// record is one partition information descriptor, for the version that is agreed on.
type record struct {
	id, contexts uint16
	properties   uint32
	uuid         [16]byte
}

// records are those that match the UUID; the nil UUID matches all.
func (m *model) records(uuid [16]byte) (out []record) {
	visible := map[uint32]uint32{0x1_0000: 0x7, 0x1_0001: 0x1FF, 0x1_0002: 0x7FF}[m.version]
	for _, p := range m.cfg.Partitions {
		for _, u := range p.UUIDs {
			if uuid != ([16]byte{}) && uuid != [16]byte(u) {
				continue
			}
			contexts := p.Contexts
			if contexts == 0 {
				contexts = uint16(m.cpus)
			}
			out = append(out, record{uint16(p.ID), contexts, uint32(p.Properties) & visible, [16]byte(u)})
		}
	}
	return out
}

func (r record) words() (w [3]uint64) {
	return [3]uint64{uint64(r.id) | uint64(r.contexts)<<16 | uint64(r.properties)<<32, le.Uint64(r.uuid[:]), le.Uint64(r.uuid[8:])}
}

func (c *call) partitions() *answer {
	m := c.m
	var uuid [16]byte
	for i := range 4 {
		le.PutUint32(uuid[4*i:], c.w(1+i))
	}
	list := m.records(uuid)
	size, inReply := uint64(24), uint64(24)
	if m.version < 0x1_0001 {
		size, inReply = 8, 0
	}
	flags := c.w(5)
	a := &answer{reply: success(uint64(len(list)), inReply)}
	a.unless(flags&^1 == 0, invalid, "unknown flags")
	a.unless(flags == 0 || m.version >= 0x1_0001, invalid, "counting is of 1.1")
	a.unless(len(list) > 0, invalid, "unknown UUID")
	if flags&1 != 0 {
		a.reply[3] = 0
		return a
	}
	m.touch(m.rx)
	a.unless(m.rx.size != 0 && !m.rxFull, busy, "RX is not free")
	a.unless(m.rx.size == 0 || size*uint64(len(list)) <= m.rx.size, noMemory, "RX is too small")
	a.done = func(*regs) string {
		m.rxFull = true
		b := m.bytes(m.rx)
		for _, r := range list {
			for _, w := range r.words() {
				if len(b) > 0 && size > 0 {
					le.PutUint64(b, w)
					b = b[8:]
				}
				if size == 8 {
					break
				}
			}
		}
		m.event = "partition list"
		return ""
	}
	return a
}

func (c *call) partitionRegisters() *answer {
	m := c.m
	var uuid [16]byte
	le.PutUint64(uuid[:], c.in[1])
	le.PutUint64(uuid[8:], c.in[2])
	list := m.records(uuid)
	start, tag := int(uint16(c.in[3])), uint16(c.in[3]>>16)
	a := &answer{keep: 18}
	a.unless(len(list) > 0, invalid, "unknown UUID")
	a.unless(start < len(list), invalid, "start index")
	a.unless(tag == 0, invalid|retry, "information tag")
	a.check = func(out *regs) (bool, string) {
		if out[0] == ffaError {
			return a.standard(out)
		}
		n, last := len(list), int(uint16(out[2]>>16))
		switch {
		case a.must != 0:
			return true, a.accepted()
		case out[0] != ffaSuccess|wide || int(uint16(out[2])) != n-1 || last < start || last >= n || out[2]>>48 != 24 || last-start >= 5:
			return true, fmt.Sprintf("x0 = %#x, x2 = %#x for %d descriptors from %d on", out[0], out[2], n, start)
		}
		for i, r := range list[start : last+1] {
			if [3]uint64(out[3+3*i:]) != r.words() {
				return true, fmt.Sprintf("descriptor %d is %x, want %x", start+i, out[3+3*i:6+3*i], r.words())
			}
		}
		return true, ""
	}
	return a
}

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

// direct is FFA_MSG_SEND_DIRECT_REQ.
func (c *call) direct() *answer {
	a := &answer{}
	source, destination := uint16(c.w(1)>>16), uint16(c.w(1))
	a.unless(c.w(2) == 0, invalid, "w2 of a partition message")
	a.unless(source == 0, invalid, "the source is not the caller")
	a.unless(c.m.isPartition(destination), invalid, "unknown destination")
	for _, p := range c.m.cfg.Partitions {
		if uint16(p.ID) == destination {
			a.unless(p.Properties&1 != 0, denied, "the destination takes no requests")
		}
	}
	a.reply = [8]uint64{0: uint64(c.f + 1), 1: uint64(destination) << 16}
	a.free = 0b1111_1000
	if a.must != 0 {
		return a
	}
	switch destination {
	case opteeID:
		c.service(a)
	case vaultID:
		c.vault(a)
	default:
		a.done = nil
	}
	return a
}
