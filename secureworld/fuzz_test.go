package secureworld

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/memory"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// hostile is a normal world whose calls come from a fuzzer's bytes. It leans towards values that get far.
type hostile struct {
	*rig
	in      []byte
	values  []uint64 // arguments that mean something: addresses, handles, cookies
	version ffa.Version
	from    firmware.Call
	done    map[uint64]int
}

func (x *hostile) byte() byte {
	if len(x.in) == 0 {
		return 0
	}
	b := x.in[0]
	x.in = x.in[1:]
	return b
}

func (x *hostile) word() uint64 {
	var b [8]byte
	x.in = x.in[copy(b[:], x.in):]
	return binary.LittleEndian.Uint64(b[:])
}

// value is one that means something, one near it, a small one, or anything.
func (x *hostile) value() uint64 {
	switch k := x.byte(); {
	case k < 0xA0:
		return x.values[int(k)%len(x.values)]
	case k < 0xC0:
		return x.values[int(x.byte())%len(x.values)] + uint64(int64(int8(x.byte())))
	case k < 0xF0:
		return uint64(k & 0x1F)
	default:
		return x.word()
	}
}

// page is an address in or near the memory of the normal world, mostly of a page.
func (x *hostile) page() uint64 {
	b := x.byte()
	if b >= 0xF8 {
		return x.value()
	}
	return ramBase + 0x10_0000 + uint64(b&0x1F)*page
}

var functions = []uint64{
	0xC400_0073, 0xC400_0072, 0xC400_0071, 0x8400_0073, 0x8400_0072, 0x8400_0077, 0x8400_007B, 0x8400_007A, 0x8400_006F, 0xC400_006F, 0xC400_008D,
	0x8400_0063, 0x8400_0064, 0x8400_0065, 0x8400_0066, 0xC400_0066, 0x8400_0067, 0x8400_0068, 0xC400_008B, 0x8400_0069, 0x8400_0085, 0x8400_006D,
	0x8400_0074, 0x8400_0076, 0xC400_0088, 0x8400_0096, 0x3200_0003, 0x3200_0004, 0x3200_0012, 0x3200_0013, 0xB200_0009, 0xB200_000A, 0xB200_0014,
	0x8400_007D, 0x8400_007E, 0x8400_007F, 0x8400_0080, 0x8400_0081, 0x8400_0082, 0x8400_0083, 0xC400_0083, 0x8400_0084, 0x8400_0086,
	0xC400_0074, 0x8400_0075, 0x8400_0078, 0x8400_0079, 0x8400_006B, 0x8400_006C, 0x8400_0062, 0xC400_008A, 0xC400_008F,
	0xBF00_FF01, 0x8400_0000, 0xC400_0003, 0x8400_0004, 0x8400_000A, 0x8000_0000, 0x8000_0001, 0xC400_0053, 0x8400_0002, 0xC400_0001,
}

// call makes one call and checks what must hold whatever was asked.
func (x *hostile) call(args ...uint64) firmware.Registers {
	before := x.state()
	owned := x.enforced()
	r := pattern()
	for i := range 8 {
		r[i] = 0
	}
	copy(r[:], args)
	in := r
	x.w.SMC(x.from, &r)
	f := smc.Function(uint32(in[0])).WithoutHint()
	refused, changed := false, x.state() != before
	switch {
	case ffa.Function(f).InRange():
		direct := ffa.Function(f) == ffa.MsgSendDirectReq32 || ffa.Function(f) == ffa.MsgSendDirectReq64 || ffa.Function(f) == ffa.MsgSendDirectReq2_64
		if (r[0] == ffaError || direct) && x.enforced() != owned {
			x.Fatalf("%x is answered with %x but changes who may access memory", in[:8], r[:8])
		}
		// A last fragment that is refused ends its transaction.
		refused = r[0] == ffaError && ffa.Function(f) != ffa.MemFragTX32 || ffa.Function(f) == ffa.Version32
		if r[0] != 0xC400_0061 && r[0] != 0xC400_008E {
			for i := 8; i < 18; i++ {
				if r[i] != in[i] {
					x.Fatalf("%x changes x%d: %x", in[:8], i, r)
				}
			}
		}
	case optee.IsCall(f) && !f.Fast():
		refused = r[0] != 0
		if a, err := x.ap.Load(optee.Pair(in[1], in[2])+20, 4); r[0] == 0 && f != optee.CallWithRegdArg && err == bus.OKAY && a != 0 {
			refused = true
		}
		fallthrough
	default:
		for i := 4; i < 18; i++ {
			if r[i] != in[i] {
				x.Fatalf("%x changes x%d: %x", in[:8], i, r)
			}
		}
	}
	if refused && changed {
		x.Fatalf("%x is refused with %x but changes the state", in[:8], r[:8])
	}
	if r[0] != ffaError && ffa.Function(f).InRange() || r[0] == 0 {
		x.done[in[0]]++
	}
	x.consistent()
	return r
}

// enforced is a digest of who has access to which pages, and of the controller. Who owns a page changes when a partition
// retrieves a donation.
func (x *hostile) enforced() uint64 {
	h := uint64(14695981039346656037)
	mix := func(v uint64) { h = (h ^ v) * 1099511628211 }
	x.w.space.Walk(func(r memory.Range, p memory.Page) {
		for addr := r.Base; addr < r.End(); addr += page {
			if p.State.Accessible() {
				mix(addr)
			}
		}
		mix(uint64(p.Registrations))
	})
	for off := uint64(0); off < 0x220; off += 4 {
		v, _ := x.tzc.Read(off, 4, bus.Attr{Secure: true})
		mix(v)
	}
	return h
}

// put writes b where the normal world may write, with up to three bytes spoiled.
func (x *hostile) put(addr uint64, b []byte) {
	for n := x.byte(); n >= 0xE0 && len(b) > 0; n = x.byte() {
		i := int(binary.LittleEndian.Uint16([]byte{x.byte(), x.byte()})) % len(b)
		b[i] = x.byte()
	}
	x.ap.Write(addr, b)
}

// send puts a descriptor into TX and sends it.
func (x *hostile) send() {
	kind := []ffa.TransactionKind{ffa.Share, ffa.Lend, ffa.Lend, ffa.Donate}[x.byte()&3]
	t := transaction(kind, uint64(x.byte()&7))
	for range x.byte()&3 + 1 {
		t.Constituents = append(t.Constituents, ffa.Constituent{Address: x.page(), Pages: uint32(x.byte()&3) + 1})
	}
	k := x.byte()
	if k&1 != 0 {
		t.Receivers[0].Receiver = first + ffa.EndpointID(k>>1&1)
	}
	if k&4 != 0 {
		t.Receivers[0].Permissions = ffa.DataRO
	}
	if k&0x30 == 0x30 {
		t.Receivers = append(t.Receivers, ffa.EMAD{Receiver: second, Permissions: ffa.DataRW})
		t.Attributes = 0x2F
	}
	if k&0x40 != 0 && kind != ffa.Share {
		t.Flags = ffa.MemoryFlags(k >> 3 & 3)
	}
	if kind == ffa.Donate {
		t.Receivers[0].Permissions = 0
	}
	b := t.AppendTo(nil, max(x.version, ffa.Version1_0))
	n := uint64(len(b))
	cut := n
	switch k := x.byte(); {
	case k >= 0xE0:
		cut = uint64(x.byte())
	case k >= 0xA0:
		cut = n - 16
	}
	x.put(txAddr, b)
	switch r := x.call(sendCall(kind), n, cut); r[0] {
	case ffaSuccess:
		x.values = append(x.values, r[2], r[2]|r[3]<<32)
	case 0x8400_0078:
		x.values = append(x.values, r[1])
		x.call(0x8400_0079, r[1], r[2])
	case fragRX:
		if cut < n {
			x.put(txAddr, b[cut:])
			if r := x.call(0x8400_007B, r[1], r[2], n-cut); r[0] == ffaSuccess {
				x.values = append(x.values, r[2])
			}
		}
	}
}

// command asks a test partition for something.
func (x *hostile) command() {
	args := []uint64{0x8400_006F, first + uint64(x.byte()&1), 0, uint64(x.byte() % 22)}
	switch k := x.byte(); {
	case k < 0x80: // about a handle
		args = append(args, on(x.value(), uint64(x.byte()&7)<<9, uint64(x.byte()))...)
	case k < 0xA0:
		args = append(args, uint64(x.byte()), uint64(x.byte()&3), uint64(x.byte()))
	default:
		args = append(args, x.value(), x.value(), x.value(), x.value())
	}
	if x.byte()&7 == 0 {
		args[0] = 0xC400_006F
	}
	x.call(args...)
}

// notification makes a call about notifications that is not far from right.
func (x *hostile) notification() {
	f := 0x8400_007D + uint64(x.byte()%7)
	sp, bits := first+uint64(x.byte()&1), uint64(x.byte())
	switch f {
	case 0x8400_007D, 0x8400_007E:
		x.call(f, uint64(x.byte()&0x81), uint64(x.byte()&7))
	case 0x8400_0081:
		x.call(f, sp, uint64(x.byte()&1), bits)
	case 0x8400_0082:
		x.call(f, uint64(x.byte()&7)<<16, uint64(x.byte()&7))
	case 0x8400_0083:
		x.call(f|uint64(x.byte()&1)<<30, 0)
	default:
		x.call(f, sp<<16, uint64(x.byte()&1), bits)
	}
}

// indirect sends a message to a test partition, or has it sent one, and lets the partition run.
func (x *hostile) indirect() {
	h := ffa.IndirectHeader{Offset: ffa.IndirectHeaderSize(x.version), Receiver: first + ffa.EndpointID(x.byte()&1), Size: uint32(x.byte())}
	x.put(txAddr, append(h.AppendTo(nil, x.version), 'E', x.byte()))
	x.call(0x8400_0086, 0, 0)
	x.call(0x8400_006D, uint64(h.Receiver)<<16|uint64(x.byte()&3))
	if x.byte()&1 != 0 {
		x.call(0x8400_0065, 0)
	}
}

// again asks for a descriptor that was sent.
func (x *hostile) again() {
	b := make([]byte, 48)
	if x.version < ffa.Version1_1 {
		b = b[:32]
	}
	h := x.value()
	binary.LittleEndian.PutUint64(b[8:], h)
	n := uint64(len(b))
	x.put(txAddr, b)
	x.call(0x8400_0074, n, n)
	x.call(0x8400_0065, 0)
	x.call(0x8400_007A, h&0xFFFF_FFFF, h>>32, page)
	x.put(txAddr, (&ffa.Relinquish{Handle: ffa.Handle(h), Endpoints: []ffa.EndpointID{0}}).AppendTo(nil))
	x.call(0x8400_0076)
}

// message calls OP-TEE with a message over either ABI.
func (x *hostile) message() {
	ref := func() optee.Param {
		attr := optee.Attr(x.byte()) & 0xF
		if x.byte() >= 0xC0 {
			attr |= optee.AttrNonContig
		}
		return optee.Param{Attr: attr, U: [3]uint64{x.value(), x.value(), x.value()}}
	}
	var a optee.Arg
	cookie := uint64(x.byte()&1) + 0xFFFF_0000_0000_0001
	switch x.byte() & 15 {
	case 0:
		a = openArg(optee.DeviceUUID(), 0)
	case 1:
		a = openArg(recorderUUID, optee.Login(x.byte()&7), ref())
	case 2, 3:
		a = invokeArg(uint32(x.byte()&3), uint32(x.byte()&1), ref(), ref(), optee.ValueParam(optee.AttrValueOutput, 0, 0, 0), optee.ValueParam(optee.AttrValueInput, 0, 0, 0))
	case 4:
		a = optee.Arg{Cmd: optee.CmdCloseSession, Session: uint32(x.byte() & 3)}
	case 5, 6:
		pages := []uint64{x.page(), x.page(), x.page()}
		x.put(lstAddr, optee.AppendPageList(nil, lstAddr, pages))
		a = registerArg(cookie, lstAddr+uint64(x.byte()), uint64(x.byte()&7)<<11)
	case 7:
		a = cookieArg(optee.CmdUnregisterSHM, cookie)
	case 8, 9:
		a = lendArg(cookie, x.page(), uint64(x.byte()&7)*page, uint64(x.byte()&3))
	case 10:
		a = cookieArg(optee.CmdReclaimProtmem, cookie)
	case 11:
		a = assignArg(x.value(), uint64(x.byte()&3))
	case 12:
		a = optee.Arg{Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{optee.ValueParam(optee.AttrValueInOut, uint64(x.byte()&3), 0, 0), ref()}}
	default:
		a = optee.Arg{Cmd: optee.Command(x.byte()), Session: uint32(x.byte()), Params: []optee.Param{ref(), ref()}}
	}
	way := x.byte() & 3
	at := uint64(argAddr) // shared over FF-A
	switch {
	case x.byte() >= 0xE0:
		at = x.page()
	case way != 0:
		at += 8 * page
	}
	x.put(at, a.AppendTo(nil))
	switch way {
	case 0:
		x.call(0x8400_006F, opteeID, 0, 0x8000_0000, x.shm&0xFFFF_FFFF, x.shm>>32, at-argAddr)
	case 1:
		x.call(0x3200_0013, cookie>>32, cookie&0xFFFF_FFFF, uint64(x.byte())<<3)
	default:
		x.call(0x3200_0012, at>>32, at&0xFFFF_FFFF)
	}
}

// FuzzWorld plays a hostile normal world: whatever it does, no call panics, a refused call changes nothing, registers that a
// call does not return stay, and the controller enforces exactly what the ownership of pages says.
func FuzzWorld(f *testing.F) {
	f.Add([]byte{1, 1, 1, 0, 0x11, 1, 0, 0, 0, 2, 7, 7, 7, 0, 0, 5, 20, 20})
	f.Add([]byte{2, 1, 8, 3, 1, 1, 0, 0, 3, 2, 1, 10, 0, 0, 3})
	f.Add([]byte{2, 1, 5, 1, 2, 3, 0, 0, 64, 0, 0, 3, 2, 1, 7, 0, 0, 3})
	f.Add([]byte{1, 0, 1, 1, 0x11, 1, 0, 0xFF, 96, 0, 0, 0, 5, 20, 21, 22, 23})
	f.Fuzz(func(t *testing.T, in []byte) { play(t, in) })
}

// The same with random bytes, which also shows that hostile calls get far enough to matter.
func TestHostileCalls(t *testing.T) {
	done := map[uint64]int{}
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 3))
		in := make([]byte, 600)
		for i := range in {
			in[i] = byte(rng.Uint32())
		}
		in[0], in[1], in[2] = 0, 0, 0
		for f, n := range play(t, in) {
			done[f] += n
		}
	}
	for _, f := range []uint64{0xC400_0073, 0xC400_0072, 0xC400_0071, 0x8400_0077, 0x8400_007B, 0x8400_006F, 0x3200_0012, 0x3200_0013,
		0x8400_0074, 0x8400_0079, 0x8400_0086, 0x8400_006D, 0x8400_007D, 0x8400_007F, 0x8400_0082} {
		if done[f] < 5 {
			t.Errorf("call %#x succeeds %d times only", f, done[f])
		}
	}
}

// play runs a hostile normal world and counts the calls of each kind that succeed.
func play(t *testing.T, in []byte) map[uint64]int {
	r := newRigSize(t, 4<<20, withRecorder(new(recorder)), withTestPartitions, func(c *Config) {
		c.Carveout, c.OPTEE.DynamicPools = memory.Range{}, true
		c.SecureRAM = memory.Range{Base: ramBase + 0x30_0000, Size: 0x1_0000}
		c.Limits = Limits{Transactions: 8, Ranges: 64, Buffers: 3, Sessions: 2, VMs: 2, Slice: 2}
	})
	// Some begin without a version or buffers.
	x := &hostile{rig: r, in: in, from: firmware.Call{EL: 1}, done: map[uint64]int{}, values: []uint64{
		0, 1, 112, 0x1_0002, opteeID, first, second, first << 16, 0x8000_0000, txAddr, rxAddr, argAddr, bufAddr, bufAddr + page, lstAddr,
		ramBase, ramBase + 4<<20, ramBase + 0x30_0000, tzcBase, 0x0900_0000, page, 1 << 63, ^uint64(0), 0xFFFF_0000_0000_0001, 0xFFFF_0000, 4, 0x7FFF_FFFF_FFFF_F000,
	}}
	if x.byte() != 0xFF {
		v := 0x1_0002 - uint64(x.byte()%3)
		r.negotiate(v)
		x.version = ffa.Version(v)
		if v > 0x1_0000 && x.byte()&3 != 3 {
			r.call(0x8400_007D, 0, 4)
		}
		if r.w.SMC(firmware.Call{EL: 1}, &firmware.Registers{0: 0x8400_0069}); x.byte()&1 == 0 {
			r.shm = r.sent(ffa.Share, ffa.Version(v), transaction(ffa.Share, 0, ffa.Constituent{Address: argAddr, Pages: 1}))
		}
	}
	for calls := 0; len(x.in) > 0 && calls < 60; calls++ {
		switch x.byte() & 15 {
		case 8, 13:
			x.command()
		case 9:
			x.notification()
		case 10:
			x.indirect()
		case 11:
			x.again()
		case 12:
			k := x.byte()
			x.from = firmware.Call{CPU: int(k & 3), EL: 1 + int(k>>7)}
		case 0:
			f := functions[int(x.byte())%len(functions)]
			if x.byte() == 0xFF {
				f = x.word()
			}
			args := []uint64{f}
			for range x.byte() & 7 {
				args = append(args, x.value())
			}
			x.call(args...)
		case 1, 2, 3, 14:
			x.send()
		case 4, 5, 6:
			x.message()
		default:
			// Give something back.
			h := x.value()
			x.call(0x8400_006F, opteeID, 0, 3+5*uint64(x.byte()&1), h&0xFFFF_FFFF, h>>32)
			x.call(reclaimCall(h)...)
		}
	}
	return x.done
}
