package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Numbers of the buffers.
const (
	source = iota
	destination
)

// piece is a run of bytes in memory.
type piece struct {
	addr, n uint64
	copied  bool // without encryption
}

// scatter is a buffer of a job, and how far the job has come in it.
type scatter struct {
	pieces []piece
	port   int // identity
	piece  int
	off    uint64 // in that piece
}

// chain is where a job stands between two blocks.
type chain struct {
	slot   int
	serial uint32 // of its key; 0: there is nothing to go on with
	mode   uint32
	block  [16]byte // counter block or initialisation vector at the beginning, or with CBC now
	done   uint64   // octets of key stream that were used since
}

// phase is what the next step of a job is.
type phase uint8

const (
	phaseLatency phase = iota
	phaseLists         // they have been read, which takes time
	phaseData
)

// job is one job, from START to its end.
type job struct {
	chain
	began   uint64
	left    uint64 // bytes
	buffers [2]scatter
	phase   phase
	entries uint64 // of the lists
	named   [2]buffer
	lister  int // identity of reads of lists
}

// ended gives the chain that the next job may go on with. A block of key stream that was used in part is over.
func (j *job) ended() chain {
	c := j.chain
	c.done = (c.done + 15) &^ 15
	return c
}

// start begins the job that the registers of a bank describe. One that is wrong ends at once.
func (e *Engine) start(n int) {
	b := &e.banks[n]
	b.last, b.fault, b.info, b.read, b.written, b.elapsed = None, 0, 0, 0, 0, 0
	b.jobs++
	j := &job{began: e.clock.Now(), left: uint64(b.length), named: b.buffers}
	b.job = j
	e.report(n, event.Begin, "START", event.Hex("mode", uint64(b.mode)), event.Dec("slot", uint64(b.slot)), event.Dec("length", uint64(b.length)))
	if r := e.admit(n, j); r != OK {
		e.end(n, r)
	}
}

// admit judges all that does not depend on memory.
func (e *Engine) admit(n int, j *job) Result {
	b := &e.banks[n]
	cbc, direction := b.mode&CBC != 0, b.mode&Decrypt
	switch {
	case b.mode&^modeBits != 0, cbc && b.mode&Counter64 != 0, b.length == 0, b.length > MaxLength, cbc && b.length%16 != 0:
		return Parameter
	case b.slot >= Slots:
		return NoKey
	}
	s := &e.slots[b.slot]
	if s.serial == 0 {
		return NoKey
	}
	j.lister = AsOrdinary
	if n == normalBank {
		need := uint32(AttrNormal)
		switch {
		case !cbc:
			need |= AttrCounter
		case direction != 0:
			need |= AttrChaining | AttrDecrypt
		default:
			need |= AttrChaining | AttrEncrypt
		}
		if s.attr&need != need || !cbc && s.attr&(AttrEncrypt|AttrDecrypt) == 0 {
			return NoKey
		}
		j.buffers[source].port = int(s.attr >> AttrSource & 3)
		j.buffers[destination].port = int(s.attr >> AttrDest & 3)
	} else {
		j.buffers[source].port = int(b.identity >> SourceShift & 3)
		j.buffers[destination].port = int(b.identity >> DestinationShift & 3)
		j.lister = int(b.identity >> ListShift & 3)
	}
	for i := range j.named {
		x := &j.named[i]
		addr := x.addr()
		if x.kind > List64 || addr >= 1<<AddressBits || x.kind != Memory && addr%8 != 0 {
			return Parameter
		}
	}
	j.chain = chain{slot: int(b.slot), serial: s.serial, mode: b.mode &^ Continue, block: b.iv}
	if b.mode&Continue != 0 {
		if c := &b.chain; c.serial != s.serial || c.mode != j.mode {
			return Parameter
		}
		j.chain = b.chain
	}
	return OK
}

func (b *buffer) addr() uint64 { return uint64(b.addrLo) | uint64(b.addrHi)<<32 }

// schedule begins the next step when none is under way: one of the secure bank first.
func (e *Engine) schedule() {
	if e.busy >= 0 {
		return
	}
	for _, n := range []int{secureBank, normalBank} {
		j := e.banks[n].job
		if j == nil {
			continue
		}
		ns := uint64(Latency)
		switch j.phase {
		case phaseLists:
			ns = j.entries * EntryTime
		case phaseData:
			ns = (min(j.left, Chunk)*1000 + Bandwidth - 1) / Bandwidth
		}
		e.busy = n
		e.timer.Set(e.clock.Now() + ns)
		return
	}
}

// Expire is called by the timer: the step that was under way takes effect.
func (e *Engine) Expire(*vtime.Timer, uint64) {
	n := e.busy
	if n < 0 {
		panic("BUG: the timer of the crypto engine runs without a step")
	}
	e.busy = -1
	switch j := e.banks[n].job; j.phase {
	case phaseLatency:
		e.prepare(n)
	case phaseLists:
		j.phase = phaseData
	default:
		e.step(n)
	}
	e.schedule()
}

// prepare reads the lists, once: one that changes later makes no difference.
func (e *Engine) prepare(n int) {
	j := e.banks[n].job
	for i := range j.buffers {
		if r := e.resolve(n, i); r != OK {
			e.end(n, r)
			return
		}
	}
	if j.phase = phaseLists; j.entries == 0 {
		j.phase = phaseData
	}
}

// resolve finds the memory of a buffer.
func (e *Engine) resolve(n, i int) Result {
	j := e.banks[n].job
	x, s := &j.named[i], &j.buffers[i]
	addr := x.addr()
	pieces := []piece{{addr: addr, n: 1<<AddressBits - addr}}
	if x.kind != Memory {
		var r Result
		if pieces, r = e.list(n, i, addr, x.kind); r != OK {
			return r
		}
	}
	skip, limit := uint64(x.offset), j.left
	if x.limit != 0 {
		limit = min(limit, uint64(x.limit))
	}
	for _, p := range pieces {
		k := min(skip, p.n)
		skip -= k
		p.addr += k
		p.n = min(p.n-k, limit)
		limit -= p.n
		if p.n == 0 {
			continue
		}
		if p.copied && !e.mayCopy(n, i) {
			return NoKey
		}
		s.pieces = append(s.pieces, p)
	}
	if limit > 0 || x.limit != 0 && uint64(x.limit) < j.left {
		return Short
	}
	return OK
}

// mayCopy reports whether a buffer may have entries with COPY.
func (e *Engine) mayCopy(n, i int) bool {
	j := e.banks[n].job
	return i == source && j.mode&CBC == 0 && (n == secureBank || e.slots[j.slot].attr&AttrCopy != 0)
}

// list reads a list.
func (e *Engine) list(n, i int, at uint64, kind uint32) (pieces []piece, _ Result) {
	j := e.banks[n].job
	size, space := uint64(8), uint64(1)<<32
	if kind == List64 {
		size, space = 16, 1<<AddressBits
	}
	for range MaxEntries {
		j.entries++
		var entry [16]byte
		if r := e.access(n, i, j.lister, at, entry[:size], false, true); r != OK {
			return nil, r
		}
		at += size
		word := func(k int) uint32 { return binary.LittleEndian.Uint32(entry[4*k:]) }
		flags := word(1)
		p := piece{addr: uint64(word(0)), n: uint64(flags &^ (Last | Link | Copy))}
		if kind == List64 {
			flags = word(3)
			p = piece{addr: uint64(word(0)) | uint64(word(1))<<32, n: uint64(word(2))}
		}
		p.copied = flags&Copy != 0
		switch {
		case flags&(Last|Link) == Last|Link, p.addr >= space:
			return nil, List
		case flags&Link != 0:
			if p.addr%8 != 0 {
				return nil, List
			}
			at = p.addr
			continue
		case p.n == 0, p.n > space-p.addr:
			return nil, List
		}
		pieces = append(pieces, p)
		if flags&Last != 0 {
			return pieces, OK
		}
	}
	return nil, List
}

// access is one access to memory: data within a page, or an entry of a list. It records a failure.
func (e *Engine) access(n, i, port int, addr uint64, p []byte, write, list bool) Result {
	resp := bus.DECERR
	if x := e.ports[port]; x.IsRAM(addr) && x.IsRAM(addr+uint64(len(p))-1) {
		if write {
			resp = x.Write(addr, p)
		} else {
			resp = x.Read(addr, p)
		}
	}
	if resp == bus.OKAY {
		return OK
	}
	b := &e.banks[n]
	b.fault = addr
	b.info = FaultValid | flag(write, FaultWrite) | flag(list, FaultList) | uint32(resp)<<FaultResponseShift | uint32(i)<<FaultBufferShift
	return Fault
}

// next gives the next bytes of a buffer that lie in one piece and one page, at most limit of them.
func (s *scatter) next(limit uint64) (addr, n uint64, copied bool) {
	p := &s.pieces[s.piece]
	addr = p.addr + s.off
	return addr, min(limit, p.n-s.off, bus.PageSize-addr%bus.PageSize), p.copied
}

func (s *scatter) advance(n uint64) {
	if s.off += n; s.off == s.pieces[s.piece].n {
		s.piece++
		s.off = 0
	}
}

// step works through the next bytes of a job.
func (e *Engine) step(n int) {
	b := &e.banks[n]
	j := b.job
	data := make([]byte, min(j.left, Chunk))
	var plain []span // what is copied
	in, out := &j.buffers[source], &j.buffers[destination]
	for at := uint64(0); at < uint64(len(data)); {
		addr, k, copied := in.next(uint64(len(data)) - at)
		if r := e.access(n, source, in.port, addr, data[at:at+k], false, false); r != OK {
			e.end(n, r)
			return
		}
		if copied {
			plain = append(plain, span{at, at + k})
		}
		in.advance(k)
		b.read += uint32(k)
		at += k
	}
	e.crypt(j, data, plain)
	for at := uint64(0); at < uint64(len(data)); {
		addr, k, _ := out.next(uint64(len(data)) - at)
		if r := e.access(n, destination, out.port, addr, data[at:at+k], true, false); r != OK {
			e.end(n, r)
			return
		}
		out.advance(k)
		b.written += uint32(k)
		at += k
	}
	if j.left -= uint64(len(data)); j.left == 0 {
		e.end(n, OK)
	}
}

// span is part of a step's data.
type span struct{ from, to uint64 }

// crypt encrypts or decrypts the data of a step in place, but for what is copied.
func (e *Engine) crypt(j *job, data []byte, plain []span) {
	s := &e.slots[j.slot]
	block, err := aes.NewCipher(s.key[:s.size()])
	if err != nil {
		panic("BUG: crypto: a key of another size")
	}
	if j.mode&CBC != 0 {
		if j.mode&Decrypt != 0 {
			next := [16]byte(data[len(data)-16:])
			cipher.NewCBCDecrypter(block, j.block[:]).CryptBlocks(data, data)
			j.block = next
		} else {
			cipher.NewCBCEncrypter(block, j.block[:]).CryptBlocks(data, data)
			j.block = [16]byte(data[len(data)-16:])
		}
		return
	}
	at := uint64(0)
	for _, p := range plain {
		j.stream(block, data[at:p.from])
		at = p.to
	}
	j.stream(block, data[at:])
}

// stream applies the next octets of the key stream.
func (j *job) stream(block cipher.Block, p []byte) {
	for len(p) > 0 {
		blocks := j.done / 16
		low := binary.BigEndian.Uint64(j.block[8:])
		var counter [16]byte
		binary.BigEndian.PutUint64(counter[8:], low+blocks)
		high := binary.BigEndian.Uint64(j.block[:])
		n := uint64(len(p))
		skip := j.done % 16
		if j.mode&Counter64 != 0 {
			// The standard library's counter has 128 bits: this one is started anew where it wraps.
			if until := -(low + blocks); until != 0 && until < n {
				n = min(n, until*16-skip)
			}
		} else if low+blocks < low {
			high++
		}
		binary.BigEndian.PutUint64(counter[:], high)
		stream := cipher.NewCTR(block, counter[:])
		var dropped [16]byte
		stream.XORKeyStream(dropped[:skip], dropped[:skip])
		stream.XORKeyStream(p[:n], p[:n])
		j.done += n
		p = p[n:]
	}
}
