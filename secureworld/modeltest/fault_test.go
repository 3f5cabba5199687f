package modeltest

import (
	"bytes"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
)

// real makes the call on the secure world. What a fault does afterwards is not the secure world's doing.
func (x *machine) real(s *step, r *regs) {
	x.world.SMC(firmware.Call{CPU: s.cpu, EL: 1}, r)
	x.calling = false
}

func fidOf(r *regs) uint32 { return uint32(r[0]) &^ (1 << 16) &^ wide }

// Offsets of a region's registers (DDI 0504, 3.2).
const (
	regionTop        = 0x08
	regionAttributes = 0x10
	regionIDs        = 0x14
)

// region gives the offset of the registers of the region that holds addr, or 0.
func (x *machine) region(addr uint64) uint64 {
	load := func(off uint64) uint64 { v, _ := x.secure.Load(tzcBase+off, 4); return v }
	for n := uint64(1); n <= usableRegions; n++ {
		at := 0x100 + 0x20*n
		base, top := load(at)|load(at+4)<<32, load(at+8)|load(at+12)<<32
		if load(at+regionAttributes)&1 != 0 && base <= addr && addr <= top {
			return at
		}
	}
	return 0
}

// gateKeeper is the offset of GATE_KEEPER (DDI 0504, 3.2).
const gateKeeper = 0x008

// change rewrites a register of the controller, or none where off was computed from the region 0 that holds no pool.
func (x *machine) change(off uint64, f func(uint32) uint32) {
	if off < 0x100 && off != gateKeeper {
		return
	}
	v, _ := x.secure.Load(tzcBase+off, 4)
	x.secure.Store(tzcBase+off, 4, uint64(f(uint32(v))))
}

// lentBy gives the address of what a call lent, of FF-A or of OP-TEE's SMC ABI. in is the call, out the reply.
func (x *machine) lentBy(in, out *regs) (span, bool) {
	switch f := fidOf(in); {
	case f == ffaLend && out[0] == ffaSuccess && in[1] == in[2]:
		t := &transaction{kind: lend, desc: x.model.bytes(span{x.model.tx.base, uint64(uint32(in[1]))}), total: uint64(uint32(in[1]))}
		if d := x.model.parse(t, true); len(d.ranges) > 0 {
			return d.ranges[0], true
		}
	case (f == smcWithArg || f == smcWithRPCArg) && out[0] == 0 && x.argument(in, 0) == cmdLend && x.argument(in, 20) == 0:
		pa := in[1]<<32 | in[2]&0xFFFF_FFFF
		var b [16]byte
		x.secure.Read(pa+72, b[:])
		return span{le.Uint64(b[:]), le.Uint64(b[8:])}, true
	}
	return span{}, false
}

// argument is a word of the argument that a call of the SMC ABI names by address.
func (x *machine) argument(in *regs, off uint64) uint32 {
	v, _ := x.secure.Load(in[1]<<32|in[2]&0xFFFF_FFFF+off, 4)
	return uint32(v)
}

// afterLend changes registers of the region of what was lent.
func afterLend(reg uint64, f func(uint32) uint32) faults {
	return faults{smc: func(x *machine, s *step, r *regs) {
		in := *r
		x.real(s, r)
		if lent, ok := x.lentBy(&in, r); ok {
			x.change(x.region(lent.base)+reg, f)
		}
	}}
}

// replies replaces replies of one function: f gets the call and changes the reply.
func replies(function uint32, f func(x *machine, in, out *regs)) faults {
	return faults{smc: func(x *machine, s *step, r *regs) {
		in := *r
		x.real(s, r)
		if fidOf(&in) == function {
			f(x, &in, r)
		}
	}}
}

// flipped is a filter that decides otherwise for some accesses.
type flipped struct {
	bus.Filter
	verdict bus.Verdict // of what is denied wrongly
	wrong   func(addr uint64, write bool, a bus.Attr) bool
}

func (f flipped) Check(addr uint64, write bool, a bus.Attr) bus.Verdict {
	v := f.Filter.Check(addr, write, a)
	if !f.wrong(addr, write, a) {
		return v
	}
	if v == bus.Allow {
		return f.verdict
	}
	return bus.Allow
}

func (f flipped) Allows(addr uint64, write bool, a bus.Attr) bool {
	return f.Filter.Allows(addr, write, a) != f.wrong(addr, write, a)
}

func flip(wrong func(x *machine, addr uint64, write bool, a bus.Attr) bool) faults {
	return faults{filter: func(x *machine, inner bus.Filter) bus.Filter {
		return flipped{inner, bus.DenyDECERR, func(addr uint64, write bool, a bus.Attr) bool {
			return x.model != nil && wrong(x, addr, write, a)
		}}
	}}
}

// restored puts the old contents back after a successful reclaim, from page number first on.
func restored(first int) faults {
	return faults{smc: func(x *machine, s *step, r *regs) {
		in := *r
		t := x.model.live(in[1]&0xFFFF_FFFF | in[2]<<32)
		old := map[uint64][]byte{}
		if fidOf(&in) == ffaReclaim && t != nil && t.kind != share {
			for _, span := range t.ranges {
				b := make([]byte, span.size)
				x.secure.Read(span.base, b)
				old[span.base] = b
			}
		}
		x.real(s, r)
		for base, b := range old {
			if r[0] == ffaSuccess && len(b) > first*pageSize {
				x.secure.Write(base+uint64(first)*pageSize, b[first*pageSize:])
			}
		}
	}}
}

// every calls f after each nth call.
func every(n int, f func(x *machine, s *step)) faults {
	return faults{smc: func(x *machine, s *step, r *regs) {
		x.real(s, r)
		if s.id%n == n-1 {
			f(x, s)
		}
	}}
}

// The faults that the model must notice. setup is the configuration, class where it must show; memory is contents or access.
var planted = []struct {
	name   string
	setup  string
	class  string
	faults func() faults
}{
	{"a master reads a pool", "both", "access", func() faults {
		return flip(func(x *machine, addr uint64, write bool, a bus.Attr) bool {
			return !write && !a.Secure && a.NSAID == 1 && x.model.at(addr).lent
		})
	}},
	{"a master cannot write a pool that is its own", "both", "access", func() faults {
		return flip(func(x *machine, addr uint64, write bool, a bus.Attr) bool {
			p := x.model.at(addr)
			return write && !a.Secure && a.NSAID == 4 && p.lent && p.who.write>>4&1 != 0
		})
	}},
	{"a master without memory writes one page", "smc", "access", func() faults {
		return flip(func(x *machine, addr uint64, write bool, a bus.Attr) bool {
			return write && !a.Secure && a.NSAID == 13 && addr>>12 == ramBase>>12+100
		})
	}},
	{"one page is closed to a master", "ffa", "access", func() faults {
		return flip(func(x *machine, addr uint64, write bool, a bus.Attr) bool {
			return !write && !a.Secure && a.NSAID == 0 && addr>>12 == ramBase>>12+700
		})
	}},
	{"a refused write arrives", "carveout", "access", func() faults {
		return flip(func(x *machine, addr uint64, write bool, a bus.Attr) bool {
			return write && !a.Secure && a.NSAID == 9 && x.model.at(addr).kept
		})
	}},
	{"reading implies writing", "both", "access", func() faults {
		return afterLend(regionIDs, func(v uint32) uint32 { return v | v<<16 })
	}},
	{"one master more", "smc", "access", func() faults {
		return afterLend(regionIDs, func(v uint32) uint32 { return v | 1<<6 })
	}},
	{"one master less", "both", "access", func() faults {
		return afterLend(regionIDs, func(v uint32) uint32 { return v & (v - 1) })
	}},
	{"a lend without effect", "both", "access", func() faults {
		return afterLend(regionAttributes, func(v uint32) uint32 { return v &^ 0xF })
	}},
	{"a lend that keeps the secure world out", "both", "access", func() faults {
		return afterLend(regionAttributes, func(v uint32) uint32 { return v &^ (1 << 31) })
	}},
	{"a pool that is a page too long", "both", "access", func() faults {
		return afterLend(regionTop, func(v uint32) uint32 { return v + pageSize })
	}},
	{"a pool that is a page too short", "both", "access", func() faults {
		return afterLend(regionTop, func(v uint32) uint32 { return v - pageSize })
	}},
	{"the gates close", "both", "controller", func() faults {
		return every(500, func(x *machine, s *step) { x.change(gateKeeper, func(uint32) uint32 { return 0xE }) })
	}},
	{"a refused lend protects", "both", "controller", func() faults {
		return replies(ffaLend, func(x *machine, in, out *regs) {
			if out[0] == ffaError && x.region(at(900)) == 0 {
				free := uint64(0x200) // region 8
				for off, v := range map[uint64]uint64{0: at(900), 8: at(901) - 1, regionIDs: 0, regionAttributes: 0xC000_000F} {
					x.secure.Store(tzcBase+free+off, 4, v)
				}
			}
		})
	}},
	{"a lend that fails succeeds", "both", "reply", func() faults {
		return replies(ffaLend, func(x *machine, in, out *regs) {
			if out[0] == ffaError && out[2] == 0xFFFF_FFFD {
				*out = regs{0: ffaSuccess, 2: 0x7777}
				copy(out[8:], in[8:])
			}
		})
	}},
	{"a reclaim without effect", "both", "memory", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			t := x.model.live(r[1]&0xFFFF_FFFF | r[2]<<32)
			if fidOf(r) == ffaReclaim && t != nil && t.kind == lend && !held(t) && r[3] == 0 {
				copy(r[:8], []uint64{ffaSuccess, 0, 0, 0, 0, 0, 0, 0})
				return
			}
			x.real(s, r)
		}}
	}},
	{"a reclaim of a share without effect", "both", "reply", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			t := x.model.live(r[1]&0xFFFF_FFFF | r[2]<<32)
			if fidOf(r) == ffaReclaim && t != nil && t.kind == share && !held(t) && r[3] == 0 {
				copy(r[:8], []uint64{ffaSuccess, 0, 0, 0, 0, 0, 0, 0})
				return
			}
			x.real(s, r)
		}}
	}},
	{"a reclaim that takes memory from its borrower", "ffa", "reply", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			in := *r
			x.real(s, r)
			if fidOf(&in) == ffaReclaim && r[0] == ffaError && r[2] == 0xFFFF_FFFA {
				for _, service := range []uint64{serviceUnregister, serviceRelease} {
					drop := regs{ffaDirectReq, opteeID, 0, service, in[1], in[2]}
					x.real(s, &drop)
				}
				*r = in
				x.real(s, r)
			}
		}}
	}},
	{"memory comes back with its contents", "both", "memory", func() faults { return restored(0) }},
	{"the last pages come back with their contents", "ffa", "memory", func() faults { return restored(1) }},
	{"CLEAR is ignored", "both", "memory", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			in := *r
			var old []byte
			var lent span
			if f := fidOf(r); (f == ffaLend || f == ffaDonate) && x.model.tx.size != 0 && in[1] == in[2] && uint64(uint32(in[1])) <= x.model.tx.size {
				t := &transaction{kind: lend, desc: x.model.bytes(span{x.model.tx.base, uint64(uint32(in[1]))}), total: uint64(uint32(in[1]))}
				if d := x.model.parse(t, true); d.flags&1 != 0 && len(d.ranges) > 0 && x.model.inRAM(d.ranges[0]) {
					lent = d.ranges[0]
					old = bytes.Clone(x.model.bytes(lent))
				}
			}
			x.real(s, r)
			if r[0] == ffaSuccess && old != nil {
				x.secure.Write(lent.base, old)
			}
		}}
	}},
	{"the secure world writes at random", "both", "contents", func() faults {
		return every(300, func(x *machine, s *step) { x.secure.Store(at(s.id%1000)+8, 1, 0xEE) })
	}},
	{"a page of a share is closed", "both", "controller", func() faults {
		return replies(ffaShare, func(x *machine, in, out *regs) {
			if at := uint64(0x200); out[0] == ffaSuccess { // region 8
				for _, w := range [][2]uint64{{0, ramBase}, {8, ramBase + pageSize - 1}, {regionIDs, 0}, {regionAttributes, 0xC000_000F}} {
					x.secure.Store(tzcBase+at+w[0], 4, w[1])
				}
			}
		})
	}},
	{"two transactions have one handle", "both", "reply", func() faults {
		return replies(ffaShare, func(x *machine, in, out *regs) {
			if out[0] == ffaSuccess && len(x.model.transactions) > 0 {
				h := x.model.transactions[0].handle
				out[2], out[3] = h&0xFFFF_FFFF, h>>32
			}
		})
	}},
	{"the wrong fragment", "both", "reply", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			in := *r
			var other *transaction
			if fidOf(r) == ffaFragTX {
				for _, t := range x.model.transactions {
					if t.pending && t.handle != in[1]&0xFFFF_FFFF|in[2]<<32 {
						other = t
					}
				}
			}
			if other != nil {
				r[1], r[2] = other.handle&0xFFFF_FFFF, other.handle>>32
			}
			x.real(s, r)
			if other != nil && r[0] == ffaFragRX {
				r[1], r[2] = in[1]&0xFFFF_FFFF, in[2]&0xFFFF_FFFF
			}
		}}
	}},
	{"DENIED for an unknown handle", "both", "reply", func() faults {
		return replies(ffaReclaim, func(x *machine, in, out *regs) {
			if out[0] == ffaError {
				out[2] = 0xFFFF_FFFA
			}
		})
	}},
	{"x9 is lost", "both", "reply", func() faults {
		return replies(ffaPartInfo, func(x *machine, in, out *regs) { out[9] = 0 })
	}},
	{"x5 leaks", "smc", "reply", func() faults {
		return replies(smcWithArg, func(x *machine, in, out *regs) { out[5] = uint64(le.Uint32(x.pattern)) })
	}},
	{"the calls of one processor are lost", "both", "reply", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			if s.cpu == 3 && s.id > 100 && fidOf(r) == ffaReclaim {
				copy(r[:8], []uint64{ffaError, 0, 0xFFFF_FFFC, 0, 0, 0, 0, 0})
				return
			}
			x.real(s, r)
		}}
	}},
	{"RX is released twice", "both", "reply", func() faults {
		return replies(ffaRXRelease, func(x *machine, in, out *regs) { copy(out[:3], []uint64{ffaSuccess, 0, 0}) })
	}},
	{"a partition list with another partition", "ffa", "contents", func() faults {
		return replies(ffaPartInfo, func(x *machine, in, out *regs) {
			if out[0] == ffaSuccess && in[5] == 0 {
				x.secure.Store(x.model.rx.base, 2, 0x8002)
			}
		})
	}},
	{"an argument is changed", "smc", "reply", func() faults {
		return replies(smcWithRPCArg, func(x *machine, in, out *regs) {
			if pa := in[1]<<32 | in[2]&0xFFFF_FFFF; out[0] == 0 {
				x.secure.Store(pa+4, 4, 0xDEAD) // the function
			}
		})
	}},
	{"an argument is answered but nothing done", "smc", "memory", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			in := *r
			if pa := in[1]<<32 | in[2]&0xFFFF_FFFF; fidOf(r) == smcWithRPCArg && x.model.inRAM(span{pa, pageSize}) &&
				x.argument(&in, 0) == cmdReclaim {
				if b := x.model.buffer(uint64(x.argument(&in, 56)) | uint64(x.argument(&in, 60))<<32); b != nil && b.protected {
					x.secure.Store(pa+20, 4, 0)
					x.secure.Store(pa+24, 4, 3)
					r[0] = 0
					return
				}
			}
			x.real(s, r)
		}}
	}},
	{"the vault sees other memory", "both", "reply", func() faults {
		return replies(ffaDirectReq, func(x *machine, in, out *regs) {
			if uint16(in[1]) == vaultID && in[3] == vaultRead && out[3] == 0 {
				out[4] ^= 1
			}
		})
	}},
	{"an application writes a byte more", "both", "contents", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			x.real(s, r)
			if s.what == "invoke" && r[0] == ffaDirectResp && r[3] == 0 {
				x.secure.Store(x.model.touched[0]&^(pageSize-1)+pageSize-1, 1, 0x5A)
			}
		}}
	}},
	{"a reset that does not reach the secure world", "both", "reply", func() faults {
		return faults{reset: func(x *machine) { x.board.reboot = false }}
	}},
	{"a reset that forgets a pool", "both", "access", func() faults {
		return faults{reset: func(x *machine) {
			var lent []extent
			for _, t := range x.model.transactions {
				lent = append(lent, t.extents...)
			}
			x.board.power()
			x.world.Reset(x.board)
			for i, e := range lent[:min(1, len(lent))] {
				for _, w := range [][2]uint64{{0, e.base}, {8, e.end() - 1}, {regionIDs, 0}, {regionAttributes, 0xC000_000F}} {
					x.secure.Store(tzcBase+0x200-0x20*uint64(i)+w[0], 4, w[1])
				}
			}
		}}
	}},
	{"a pool is open before it is scrubbed", "both", "moment", func() faults {
		return faults{smc: func(x *machine, s *step, r *regs) {
			if t := x.model.live(r[1]&0xFFFF_FFFF | r[2]<<32); fidOf(r) == ffaReclaim && t != nil && t.kind == lend && !held(t) {
				at := x.region(t.ranges[0].base) + regionIDs
				old, _ := x.secure.Load(tzcBase+at, 4)
				x.change(at, func(uint32) uint32 { return 0xFFFF_FFFF })
				x.change(at, func(uint32) uint32 { return uint32(old) })
			}
			x.real(s, r)
		}}
	}},
	{"a master writes behind the scrubbing", "both", "moment", func() faults {
		return flip(func(x *machine, addr uint64, write bool, a bus.Attr) bool {
			return x.closing != nil && x.calling && write && a.NSAID == 5 && !a.Secure && !x.filter.(flipped).Filter.Allows(addr, write, a)
		})
	}},
	{"a call that panics", "both", "panic", func() faults {
		return every(200, func(x *machine, s *step) { panic("planted") })
	}},
}

// faultCalls is within how many calls a fault must show, on one of a few seeds.
const (
	faultSeeds = 4
	faultCalls = 3000
)

func TestPlantedFaults(t *testing.T) {
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			setup := 0
			for setups[setup].name != p.setup {
				setup++
			}
			var other string
			for seed := range uint64(faultSeeds) {
				steps, _, fail, err := play(setup, seed, faultCalls, p.faults())
				switch {
				case err != nil:
					t.Fatal(err)
				case fail == nil:
				case fail.class == p.class, p.class == "memory" && (fail.class == "access" || fail.class == "contents"):
					t.Logf("noticed after %d calls: %v", len(steps), fail)
					return
				default:
					other = fail.String()
				}
			}
			t.Errorf("not noticed as %s: %s", p.class, other)
		})
	}
}

// A failure is shrunk to the few calls that it needs, and told.
func TestReport(t *testing.T) {
	f := restored(0)
	steps, _, fail, err := play(0, 1, faultCalls, f)
	if err != nil || fail == nil {
		t.Fatalf("%v, %v; want the planted fault", fail, err)
	}
	short := shrink(0, 1, steps, fail, f)
	if len(short) > 8 {
		t.Errorf("%d calls are shrunk to %d; want version, buffers, lend and reclaim", len(steps), len(short))
	}
	text := report(0, 1, steps, fail, f)
	for _, want := range []string{"FFA_MEM_LEND", "FFA_MEM_RECLAIM", "FFA_SUCCESS", "seed 1", "configuration both"} {
		if !bytes.Contains([]byte(text), []byte(want)) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}
