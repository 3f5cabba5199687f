package modeltest

import (
	"fmt"

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
