package engine_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gatehouse/devices/engine"
	"gatehouse/devices/internal/enginetest"
	"gatehouse/devices/tzc400"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

// copier is an engine that copies a bitstream to a plane, inverted.
type copier struct{}

// Its parameters.
const (
	rowsReg  = 0x080 // bits 15:0 rows, bits 31:16 bytes of a row
	costReg  = 0x084
	inReg    = 0x100
	outReg   = 0x120
	tailReg  = 0x140 // a second output, of four bytes, if it has a length
	nsaid    = bus.NSAIDTransform
	copierID = 0x434F5059
)

func (copier) Plan(j *engine.Job) engine.Result {
	in, r := j.Stream(inReg, 1<<20)
	if r != engine.OK {
		return r
	}
	v := j.Get(rowsReg)
	out, r := j.Plane(outReg, int(v>>16), int(v&0xFFFF), 1)
	if r != engine.OK {
		return r
	}
	j.Buffers, j.Inputs, j.Cost = []engine.Buffer{in, out}, 1, uint64(j.Get(costReg))
	if j.Get(tailReg+engine.BufferLength) != 0 {
		tail, r := j.Stream(tailReg, 4)
		if r != engine.OK {
			return r
		}
		j.Buffers = append(j.Buffers, tail)
	}
	return engine.OK
}

func (copier) Run(j *engine.Job) engine.Result {
	in, out := &j.Buffers[0], &j.Buffers[1]
	if uint64(len(in.Data)) != in.Size() {
		panic("input is not whole")
	}
	if in.Size() < out.Size() {
		return engine.Corrupt
	}
	for i := range out.Size() {
		out.Data = append(out.Data, ^in.Data[i])
	}
	if len(j.Buffers) > 2 {
		j.Buffers[2].Data = []byte("tail")[:min(4, j.Buffers[2].Size())]
	}
	j.Results[3] = 0x1234
	return engine.OK
}

func newCopier(t testing.TB) (*enginetest.Board, *engine.Engine) {
	b := enginetest.New(t)
	e := engine.New("copier", copierID, copier{}, b.Ports(nsaid), &b.Clock, b.Events)
	e.IRQ = &b.IRQ
	b.Attach(e)
	return b, e
}

func result(b *enginetest.Board) engine.Result {
	return engine.Result(b.Get(engine.Status) >> engine.ResultShift)
}

func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 5))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

func invert(p []byte) []byte {
	q := make([]byte, len(p))
	for i := range p {
		q[i] = ^p[i]
	}
	return q
}

func TestResetValues(t *testing.T) {
	b, e := newCopier(t)
	for range 2 {
		for off := range 0x400 / 4 {
			want := map[int]uint32{engine.ID: copierID, engine.Version: 0x10000}[4*off]
			b.Expect(4*off, want)
		}
		b.Expect(0x400, 0)
		b.Expect(0xFFC, 0)
		in, out := b.Flat(300_000), b.Flat(300_000)
		b.Describe(inReg, in, 0, 0, 300_000)
		b.Describe(outReg, out, 0, 0, 0)
		b.Set(rowsReg, 3000<<16|100)
		b.Set(engine.IntMask, 0xFFFF_FFFF)
		b.Expect(engine.IntMask, engine.Done|engine.Error|engine.Aborted|engine.Refused|0xF0)
		b.Set(engine.Control, engine.Start)
		b.Set(engine.Control, engine.Start)
		if !b.IRQ.Level || !e.Busy() {
			t.Error("no interrupt, or no job")
		}
		// RESET is stronger than START and ABORT.
		b.Set(engine.Control, engine.Reset|engine.Start|engine.Abort)
		if b.IRQ.Level || b.Clock.Next() != vtime.Never || e.Busy() {
			t.Error("something goes on after reset")
		}
	}
}

func TestAccessSizes(t *testing.T) {
	b, _ := newCopier(t)
	at := func(off uint64) uint64 { return enginetest.EngineBase + off }
	b.Set(inReg, 0x8765_4321)
	for _, size := range []int{1, 2, 8} {
		if r := b.Bus.Store(at(inReg), size, 0, enginetest.CPU); r != bus.SLVERR {
			t.Errorf("write of %d bytes: %v", size, r)
		}
	}
	if _, r := b.Bus.Load(at(inReg), 8, enginetest.CPU); r != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", r)
	}
	if v, r := b.Bus.Load(at(inReg+2), 2, enginetest.CPU); v != 0x8765 || r != bus.OKAY {
		t.Errorf("read of 2 bytes: %#x, %v", v, r)
	}
	for _, off := range []int{engine.ID, engine.Version, engine.Status, engine.IntStatus, engine.FaultInfo, engine.Results, engine.Jobs, 0x01C, 0x400} {
		was := b.Get(off)
		b.Set(off, 0xFFFF_FFFF)
		b.Expect(off, was)
	}
	b.Expect(inReg, 0x8765_4321)
}

// TestScatter copies between random lists and compares with flat memory. What is not output stays what it was.
func TestScatter(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 6))
		b, _ := newCopier(t)
		row, rows := 1+r.IntN(3000), 1+r.IntN(60)
		size := row * rows
		plane := b.Planes(r, [][3]int{{row, rows, 1}})[0]
		off, more := r.IntN(100), r.IntN(50)
		in := b.Scatter(r, off+size+more, 1+r.IntN(20_000), uint32(r.IntN(3)))
		data := noise(seed, off+size+more)
		b.Store(in, data)
		_, gaps := b.LoadPlane(plane)
		b.Describe(inReg, in, off, 77, size)
		b.Describe(outReg, plane.Memory, plane.Offset, plane.Stride, 0)
		b.Set(rowsReg, uint32(row)<<16|uint32(rows))
		b.Set(engine.IntMask, engine.Done)
		b.Set(engine.Control, engine.Start)
		b.Finish()
		if result(b) != engine.OK || !b.IRQ.Level {
			t.Fatalf("seed %d: %v", seed, result(b))
		}
		got, around := b.LoadPlane(plane)
		if !bytes.Equal(got, invert(data[off:off+size])) {
			t.Fatalf("seed %d: output differs", seed)
		}
		if !bytes.Equal(around, gaps) {
			t.Fatalf("seed %d: bytes around the rows were written", seed)
		}
		if !bytes.Equal(b.Load(in), data) {
			t.Fatalf("seed %d: input was written", seed)
		}
		b.Expect(engine.BytesWritten, uint32(size))
		b.Expect(engine.Results+12, 0x1234)
		b.Set(engine.IntRaw, engine.Done)
		if b.IRQ.Level {
			t.Error("the interrupt stays")
		}
	}
}

// TestTime adds up what doc.go says that a job takes.
func TestTime(t *testing.T) {
	b, _ := newCopier(t)
	r := rand.New(rand.NewPCG(1, 1))
	in := b.Scatter(r, 200_000, 5000, enginetest.List64)
	out := b.Flat(200_000)
	b.Describe(inReg, in, 0, 0, 0)
	b.Describe(outReg, out, 0, 0, 0)
	b.Set(rowsReg, 2000<<16|100)
	b.Set(costReg, 12345)
	b.Until(500)
	b.Set(engine.Control, engine.Start)
	b.Finish()
	entries := len(in.Pieces) + len(in.Tables) - 1
	chunks := func(n uint64) (ns uint64) {
		for ; n > 0; n -= min(n, 65536) {
			ns += (min(n, 65536)*1000 + 3199) / 3200
		}
		return ns
	}
	want := 1000 + 20*uint64(entries) + 2*chunks(200_000) + 12345
	if got := b.Clock.Now() - 500; got != want {
		t.Errorf("the job took %d ns, want %d", got, want)
	}
	b.Expect(engine.Elapsed, uint32(want))
	b.Expect(engine.BytesRead, uint32(200_000+16*entries))
}

// TestParameters goes through what is wrong with buffers.
func TestParameters(t *testing.T) {
	word := func(v ...uint32) (p []byte) {
		for _, w := range v {
			p = append(p, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
		}
		return p
	}
	const mem, list = enginetest.RAMBase + 0x10_0000, enginetest.RAMBase + 0x20_0000
	for _, c := range []struct {
		name string
		set  func(b *enginetest.Board)
		want engine.Result
	}{
		{"good", func(b *enginetest.Board) {}, engine.OK},
		{"no rows", func(b *enginetest.Board) { b.Set(rowsReg, 16<<16) }, engine.Parameter},
		{"empty rows", func(b *enginetest.Board) { b.Set(rowsReg, 16) }, engine.Parameter},
		{"kind", func(b *enginetest.Board) { b.Set(inReg+engine.BufferKind, 3) }, engine.Parameter},
		{"reserved bit of kind", func(b *enginetest.Board) { b.Set(inReg+engine.BufferKind, 1<<9) }, engine.Parameter},
		{"kind of PROTECTED", func(b *enginetest.Board) { b.Set(inReg+engine.BufferKind, engine.Protected|3) }, engine.Parameter},
		{"PROTECTED becomes ordinary", func(b *enginetest.Board) { b.Set(inReg+engine.BufferKind, engine.Protected) }, engine.Identity},
		{"PROTECTED becomes ordinary, from nowhere", func(b *enginetest.Board) {
			b.Describe(inReg, enginetest.Memory{Addr: enginetest.HoleBase, Kind: engine.Protected | engine.List64}, 0, 0, 0)
		}, engine.Identity},
		{"ordinary becomes PROTECTED", func(b *enginetest.Board) { b.Set(outReg+engine.BufferKind, engine.Protected) }, engine.OK},
		{"PROTECTED becomes PROTECTED", func(b *enginetest.Board) {
			b.Set(inReg+engine.BufferKind, engine.Protected)
			b.Set(outReg+engine.BufferKind, engine.Protected)
		}, engine.OK},
		{"PROTECTED becomes one of each", func(b *enginetest.Board) {
			b.Set(inReg+engine.BufferKind, engine.Protected)
			b.Set(outReg+engine.BufferKind, engine.Protected)
			b.Describe(tailReg, enginetest.Memory{Addr: mem + 0x1800}, 0, 0, 4)
		}, engine.Identity},
		{"address of 49 bits", func(b *enginetest.Board) { b.Set(outReg+engine.BufferAddrHi, 1<<16) }, engine.Parameter},
		{"memory beyond 48 bits", func(b *enginetest.Board) {
			b.Set(outReg+engine.BufferAddrHi, 0xFFFF)
			b.Set(outReg+engine.BufferAddrLo, 0xFFFF_FFFF)
		}, engine.Short},
		{"offset beyond 48 bits", func(b *enginetest.Board) {
			b.Set(outReg+engine.BufferAddrHi, 0xFFFF)
			b.Set(outReg+engine.BufferAddrLo, 0xFFFF_FFF0)
			b.Set(outReg+engine.BufferOffset, 0xFFFF_FFFF)
		}, engine.Short},
		{"stride less than a row", func(b *enginetest.Board) { b.Set(outReg+engine.BufferStride, 15) }, engine.Parameter},
		{"stride too large", func(b *enginetest.Board) { b.Set(outReg+engine.BufferStride, engine.MaxStride+1) }, engine.Parameter},
		{"length less than the rows", func(b *enginetest.Board) { b.Set(outReg+engine.BufferLength, 63) }, engine.Short},
		{"length of the rows", func(b *enginetest.Board) { b.Set(outReg+engine.BufferLength, 64) }, engine.OK},
		{"bitstream without length", func(b *enginetest.Board) { b.Set(inReg+engine.BufferLength, 0) }, engine.Parameter},
		{"bitstream too long", func(b *enginetest.Board) { b.Set(inReg+engine.BufferLength, 1<<20+1) }, engine.Parameter},
		{"input short of the output", func(b *enginetest.Board) { b.Set(inReg+engine.BufferLength, 63) }, engine.Corrupt},
		{"output is input", func(b *enginetest.Board) { b.Set(outReg, mem+63) }, engine.Overlap},
		{"input within output's gaps", func(b *enginetest.Board) {
			b.Set(outReg, mem-100)
			b.Set(outReg+engine.BufferStride, 200)
		}, engine.Overlap},
		{"outputs meet", func(b *enginetest.Board) {
			b.Describe(tailReg, enginetest.Memory{Addr: mem + 0x1000 + 60}, 0, 0, 4)
		}, engine.Overlap},
		{"outputs touch", func(b *enginetest.Board) {
			b.Describe(tailReg, enginetest.Memory{Addr: mem + 0x1000 + 64}, 0, 0, 4)
		}, engine.OK},
		{"no memory", func(b *enginetest.Board) { b.Set(outReg, enginetest.HoleBase) }, engine.Fault},
		{"a device", func(b *enginetest.Board) { b.Set(outReg, enginetest.EngineBase) }, engine.Fault},
		{"read-only memory", func(b *enginetest.Board) { b.Set(outReg, enginetest.ROMBase) }, engine.Fault},
		{"list at an odd place", func(b *enginetest.Board) { b.Describe(inReg, enginetest.Memory{Addr: list + 4, Kind: 1}, 0, 0, 0) }, engine.Parameter},
		{"list in a device", func(b *enginetest.Board) {
			b.Describe(inReg, enginetest.Memory{Addr: enginetest.EngineBase, Kind: 1}, 0, 0, 0)
		}, engine.Fault},
		{"list", func(b *enginetest.Board) {
			b.Fill(list, word(mem, 64|engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.OK},
		{"list of 64 bits", func(b *enginetest.Board) {
			b.Fill(list, word(mem, 0, 64, engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 2}, 0, 0, 0)
		}, engine.OK},
		{"empty piece", func(b *enginetest.Board) {
			b.Fill(list, word(mem, 0, mem, 64|engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.List},
		{"piece that wraps at 4 GiB", func(b *enginetest.Board) {
			b.Fill(list, word(0xFFFF_FFF0, 17|engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.List},
		{"piece that wraps", func(b *enginetest.Board) {
			b.Fill(list, word(0xFFFF_FFF0, 0xFFFF, 17, engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 2}, 0, 0, 0)
		}, engine.List},
		{"piece beyond 48 bits", func(b *enginetest.Board) {
			b.Fill(list, word(mem, 0x1_0000, 64, engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 2}, 0, 0, 0)
		}, engine.List},
		{"link and last", func(b *enginetest.Board) {
			b.Fill(list, word(mem, 64|engine.Last|engine.Link))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.List},
		{"link to an odd place", func(b *enginetest.Board) {
			b.Fill(list, word(list+4, engine.Link))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.List},
		{"loop", func(b *enginetest.Board) {
			b.Fill(list, word(mem, 16, mem+16, 16, list, engine.Link))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.List},
		{"link to itself", func(b *enginetest.Board) {
			b.Fill(list, word(list, 0, 0, engine.Link))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 2}, 0, 0, 0)
		}, engine.List},
		{"no end", func(b *enginetest.Board) {
			b.Fill(list, bytes.Repeat(word(mem, 1), 20_000))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.List},
		{"output list with the same piece twice", func(b *enginetest.Board) {
			b.Fill(list, word(mem+0x1000, 60, mem+0x1000, 60|engine.Last))
			b.Describe(outReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.Overlap},
		{"input list with the same piece twice", func(b *enginetest.Board) {
			b.Fill(list, word(mem, 60, mem, 60|engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.OK},
		{"output onto its list", func(b *enginetest.Board) {
			b.Fill(list, word(list-60, 64|engine.Last))
			b.Describe(outReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.Overlap},
		{"output list too short", func(b *enginetest.Board) {
			b.Fill(list, word(mem+0x1000, 63|engine.Last))
			b.Describe(outReg, enginetest.Memory{Addr: list, Kind: 1}, 0, 0, 0)
		}, engine.Short},
		{"offset behind the list", func(b *enginetest.Board) {
			b.Fill(list, word(mem, 64|engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: 1}, 64, 0, 0)
		}, engine.Short},
	} {
		b, e := newCopier(t)
		b.Fill(mem, noise(1, 0x2000))
		b.Describe(inReg, enginetest.Memory{Addr: mem}, 0, 0, 64)
		b.Describe(outReg, enginetest.Memory{Addr: mem + 0x1000}, 0, 0, 0)
		b.Set(rowsReg, 16<<16|4)
		c.set(b)
		was := b.Bytes(mem, 0x2000)
		b.Set(engine.Control, engine.Start)
		b.Finish()
		raw := uint32(engine.Error)
		if c.want == engine.OK {
			raw = engine.Done
		} else if !bytes.Equal(was, b.Bytes(mem, 0x2000)) {
			t.Errorf("%s: memory was written", c.name)
		}
		if got := result(b); got != c.want || b.Get(engine.IntRaw) != raw || e.Busy() {
			t.Errorf("%s: %v, want %v; interrupts %#x, busy %v", c.name, got, c.want, b.Get(engine.IntRaw), e.Busy())
		}
		if (b.Get(engine.FaultInfo) != 0) != (c.want == engine.Fault) {
			t.Errorf("%s: fault %#x", c.name, b.Get(engine.FaultInfo))
		}
		// Time and events are bounded, whatever the guest asks for.
		if b.Clock.Now() > 2_000_000 {
			t.Errorf("%s: took %d ns", c.name, b.Clock.Now())
		}
	}
}

// TestIdentities has buffers and lists in memory that one of the two identities reaches, and looks which of them each access has.
func TestIdentities(t *testing.T) {
	const shut, open = enginetest.RAMBase, enginetest.RAMBase + 0x10_0000
	const listAt, size = 0x8000, 64
	for c := range 32 {
		inShut, outShut, listShut, inProtected, outProtected := c&1 != 0, c&2 != 0, c&4 != 0, c&8 != 0, c&16 != 0
		b, _ := newCopier(t)
		b.Firewall(tzc400.RegionIDAccess, 1<<bus.NSAIDDefault|1<<(bus.NSAIDDefault+16)|1<<bus.NSAIDAP|1<<(bus.NSAIDAP+16))
		b.Restrict(1, shut, 0x1_0000, 1<<nsaid, 1<<nsaid)
		place := func(shutUp bool, off uint64) uint64 {
			if shutUp {
				return shut + off
			}
			return open + off
		}
		data := noise(9, size)
		b.Fill(place(inShut, 0), data)
		list := place(listShut, listAt)
		b.Fill(list, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(place(inShut, 0))), size|engine.Last))
		in, out := enginetest.Memory{Addr: list, Kind: engine.List32}, enginetest.Memory{Addr: place(outShut, 0x4000)}
		if inProtected {
			in = in.Shut()
		}
		if outProtected {
			out = out.Shut()
		}
		b.Describe(inReg, in, 0, 0, 0)
		b.Describe(outReg, out, 0, 0, 0)
		b.Set(rowsReg, size<<16|1)
		b.Set(engine.Control, engine.Start)
		b.Finish()
		want, info, at := engine.OK, uint32(0), uint64(0)
		const denied = engine.FaultValid | 3<<engine.FaultResponseShift
		switch {
		case inProtected && !outProtected:
			want = engine.Identity
		case listShut:
			want, info, at = engine.Fault, denied|engine.FaultList, list
		case inShut != inProtected:
			want, info, at = engine.Fault, denied, place(inShut, 0)
			if inProtected {
				info |= engine.FaultProtected
			}
		case outShut != outProtected:
			want, info, at = engine.Fault, denied|engine.FaultWrite|1<<engine.FaultBufferShift, out.Addr
			if outProtected {
				info |= engine.FaultProtected
			}
		}
		name := fmt.Sprintf("in memory %v, as %v; out memory %v, as %v; list %v", inShut, inProtected, outShut, outProtected, listShut)
		if result(b) != want || b.Get(engine.FaultInfo) != info || b.Get(engine.FaultAddrLo) != uint32(at) {
			t.Errorf("%s: %v, fault %#x at %#x; want %v, %#x at %#x", name, result(b), b.Get(engine.FaultInfo), b.Get(engine.FaultAddrLo), want, info, at)
		}
		written := make([]byte, size)
		if want == engine.OK {
			written = invert(data)
		}
		if !bytes.Equal(b.Bytes(out.Addr, size), written) {
			t.Errorf("%s: the output is not what it should be", name)
		}
		if as := fmt.Sprintf(" as=%d ", nsaid*(info>>3&1)); want == engine.Fault && !strings.Contains(b.Log.String(), as) {
			t.Errorf("%s: no %q in the events:\n%s", name, as, b.Log.String())
		}
		if want == engine.Identity && (b.Get(engine.BytesRead) != 0 || !strings.Contains(b.Log.String(), "result=identity")) {
			t.Errorf("%s: %d bytes were read; events:\n%s", name, b.Get(engine.BytesRead), b.Log.String())
		}
	}
}

// TestDenial takes a page of list, input or output away, before the job or in the middle of it, and looks at what was written.
func TestDenial(t *testing.T) {
	const size = 300_000
	for _, c := range []struct {
		name   string
		middle bool
		side   string
		action uint32
	}{
		{"list", false, "list", tzc400.ActionDECERR}, {"input", false, "in", tzc400.ActionDECERR},
		{"output", false, "out", tzc400.ActionDECERR}, {"input in the middle", true, "in", tzc400.ActionDECERR},
		{"output in the middle", true, "out", tzc400.ActionDECERR}, {"output that is dropped", false, "out", tzc400.ActionOKAY},
		{"input of zeros", false, "in", tzc400.ActionOKAY},
	} {
		b, e := newCopier(t)
		r := rand.New(rand.NewPCG(3, 3))
		// Pieces of whole pages, so that a page belongs to one buffer.
		var in, out enginetest.Memory
		for range 74 {
			in.Pieces = append(in.Pieces, enginetest.Piece{Addr: b.Alloc(4096, 4096, false), Len: 4096})
			out.Pieces = append(out.Pieces, enginetest.Piece{Addr: b.Alloc(4096, 4096, false), Len: 4096})
		}
		b.Alloc(0, 4096, false)
		b.List(r, &in, enginetest.List32)
		b.Alloc(0, 4096, false)
		b.List(r, &out, enginetest.List64)
		data, old := noise(1, 74*4096), noise(2, 74*4096)
		b.Store(in, data)
		b.Store(out, old)
		b.Describe(inReg, in, 0, 0, size)
		b.Describe(outReg, out, 0, 0, 0)
		b.Set(rowsReg, 3000<<16|100)
		b.Set(engine.IntMask, engine.Error)
		b.Firewall(tzc400.Action, c.action)
		const page = 50 // the third chunk
		victim := map[string]uint64{"list": in.Tables[0].Addr, "in": in.Pieces[page].Addr, "out": out.Pieces[page].Addr}[c.side]
		deny := func() { b.Restrict(1, victim, 4096, 1<<bus.NSAIDAP, 1<<bus.NSAIDAP) }
		if !c.middle {
			deny()
		}
		b.Set(engine.Control, engine.Start)
		if c.middle {
			moved := engine.BytesRead
			if c.side == "out" {
				moved = engine.BytesWritten
			}
			for b.Get(moved) < engine.Chunk {
				b.Step()
			}
			deny()
		}
		b.Finish()
		want := bytes.Clone(old)
		whole := invert(data[:size])
		if c.action == tzc400.ActionOKAY {
			// The engine cannot know.
			if result(b) != engine.OK {
				t.Errorf("%s: %v", c.name, result(b))
			}
			copy(want, whole)
			lost := want[page*4096 : (page+1)*4096]
			if c.side == "out" {
				copy(lost, old[page*4096:])
			} else {
				copy(lost, bytes.Repeat([]byte{0xFF}, 4096))
			}
		} else {
			if result(b) != engine.Fault || !b.IRQ.Level || e.Busy() {
				t.Errorf("%s: %v, interrupt %v", c.name, result(b), b.IRQ.Level)
			}
			info := map[string]uint32{"list": 0x35, "in": 0x31, "out": 0x133}[c.side]
			b.Expect(engine.FaultInfo, info)
			b.Expect(engine.FaultAddrLo, uint32(victim))
			b.Expect(engine.FaultAddrHi, uint32(victim>>32))
			b.Expect(engine.Results+12, 0)
			if v, _ := b.Bus.Load(enginetest.TZCBase+tzc400.FailAddressLow, 4, enginetest.Secure); uint32(v) != uint32(victim) {
				t.Errorf("%s: the firewall saw a failure at %#x, the engine at %#x", c.name, v, victim)
			}
			if c.side == "out" {
				copy(want, whole[:page*4096])
				b.Expect(engine.BytesWritten, page*4096)
			} else {
				b.Expect(engine.BytesWritten, 0)
			}
			if !strings.Contains(b.Log.String(), fmt.Sprintf("ERROR job=1 nsaid=5 addr=%#x", victim)) {
				t.Errorf("%s: events:\n%s", c.name, b.Log.String())
			}
		}
		if !bytes.Equal(b.Load(out), want) {
			t.Errorf("%s: the output is not what it should be", c.name)
		}
	}
}

// TestAbort ends jobs in every phase. The next job has nothing of the one before.
func TestAbort(t *testing.T) {
	const size = 200_000
	for steps := range 12 {
		b, e := newCopier(t)
		in, out := b.Flat(size), b.Flat(size)
		data, old := noise(3, size), noise(4, size)
		b.Store(in, data)
		b.Store(out, old)
		b.Describe(inReg, in, 0, 0, size)
		b.Describe(outReg, out, 0, 0, 0)
		b.Set(rowsReg, 2000<<16|100)
		b.Set(engine.Control, engine.Abort)
		b.Expect(engine.IntRaw, 0)
		b.Set(engine.Control, engine.Start)
		for range steps {
			b.Step()
		}
		written := int(b.Get(engine.BytesWritten))
		done := !e.Busy()
		b.Set(engine.Control, engine.Abort|engine.Start)
		want := append(invert(data[:written]), old[written:]...)
		if !bytes.Equal(b.Load(out), want) || b.Clock.Next() != vtime.Never {
			t.Errorf("after %d steps, %d bytes written: the output is not what it should be", steps, written)
		}
		if done {
			b.Expect(engine.IntRaw, engine.Done)
		} else {
			b.Expect(engine.IntRaw, engine.Aborted)
			if result(b) != engine.WasAborted {
				t.Errorf("after %d steps: %v", steps, result(b))
			}
		}
		// A shorter job afterwards.
		next := noise(5, 100)
		b.Store(in, next)
		b.Describe(inReg, in, 0, 0, 100)
		b.Set(rowsReg, 100<<16|1)
		b.Set(engine.Control, engine.Start)
		b.Finish()
		if want := append(invert(next), want[100:]...); result(b) != engine.OK || !bytes.Equal(b.Load(out), want) {
			t.Errorf("after %d steps: the next job gives %v", steps, result(b))
		}
	}
}

// TestBusy starts and programs an engine that works.
func TestBusy(t *testing.T) {
	b, _ := newCopier(t)
	in, out, other := b.Flat(1000), b.Flat(1000), b.Flat(1000)
	data := noise(3, 1000)
	b.Store(in, data)
	b.Describe(inReg, in, 0, 0, 1000)
	b.Describe(outReg, out, 0, 0, 0)
	b.Set(rowsReg, 100<<16|10)
	b.Set(engine.Control, engine.Start)
	b.Expect(engine.Status, engine.Busy)
	b.Describe(outReg, other, 0, 0, 0)
	b.Set(rowsReg, 0)
	b.Set(engine.Control, engine.Start)
	b.Expect(engine.IntRaw, engine.Refused)
	b.Expect(engine.Jobs, 1)
	b.Finish()
	b.Expect(engine.IntRaw, engine.Refused|engine.Done)
	if !bytes.Equal(b.Load(out), invert(data)) || !bytes.Equal(b.Load(other), make([]byte, 1000)) {
		t.Error("the job had other parameters than at its start")
	}
	// An error leaves nothing of the job before in the registers.
	b.Set(engine.Control, engine.Start)
	b.Expect(engine.Status, uint32(engine.Parameter)<<engine.ResultShift)
	for _, off := range []int{engine.BytesRead, engine.BytesWritten, engine.Results + 12, engine.Elapsed} {
		b.Expect(off, 0)
	}
	b.Expect(engine.Jobs, 2)
}

// FuzzRegisters writes registers and memory at will. The engine ends every job in bounded time, and writes nothing but its output.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{inReg >> 2, 0, 0, 0x40, outReg >> 2, 1, 0, 0x40, 2, 1, 0, 0}, []byte{0, 0, 0, 0x40, 8, 0, 0, 0x80})
	f.Add([]byte{inReg>>2 + 2, 1, 0, 0, outReg>>2 + 2, 2, 0, 0, rowsReg >> 2, 4, 0, 4, 2, 1, 0, 0}, []byte{16, 0, 0, 0x40, 8, 0, 0, 0xC0})
	f.Fuzz(func(t *testing.T, writes, memory []byte) {
		b, e := newCopier(t)
		memory = memory[:min(len(memory), 4096)]
		b.Fill(enginetest.RAMBase, memory)
		b.Fill(enginetest.RAMBase+8192, []byte("guard"))
		b.Restrict(1, enginetest.RAMBase+8192, 4096, 0, 0)
		b.Describe(inReg, enginetest.Memory{Addr: enginetest.RAMBase}, 0, 0, 256)
		b.Describe(outReg, enginetest.Memory{Addr: enginetest.RAMBase + 4096}, 0, 0, 0)
		b.Set(rowsReg, 8<<16|8)
		for ; len(writes) >= 4; writes = writes[4:] {
			off, v := int(writes[0])*4, uint32(writes[1])|uint32(writes[2])<<8|uint32(writes[3])<<24
			if off == costReg {
				v &= 0xFF
			}
			b.Set(off, v)
			if writes[0]&1 != 0 && e.Busy() {
				b.Step()
			}
		}
		began := b.Clock.Now()
		b.Set(engine.Control, engine.Start)
		b.Finish()
		if e.Busy() || b.Clock.Now()-began > 100_000_000 {
			t.Fatalf("busy %v after %d ns", e.Busy(), b.Clock.Now()-began)
		}
		if string(b.Bytes(enginetest.RAMBase+8192, 5)) != "guard" {
			t.Fatal("restricted memory was written")
		}
	})
}

// TestInterference takes rights away and gives them back, aborts, starts and programs at random moments of random jobs. Whatever happens,
// an output holds the first bytes of what its job makes, as many as were counted, and what it held before behind them.
func TestInterference(t *testing.T) {
	ends := map[engine.Result]int{}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 11))
		b, e := newCopier(t)
		n := 1 + r.IntN(300_000)
		in, out := b.Scatter(r, n, 1+r.IntN(60_000), uint32(r.IntN(3))), b.Scatter(r, n, 1+r.IntN(60_000), uint32(r.IntN(3)))
		data, held := noise(seed, n), noise(seed+1000, n)
		b.Store(in, data)
		b.Store(out, held)
		places := []uint64{in.At(r.IntN(n)), out.At(r.IntN(n))}
		for range 4 {
			size := 1 + r.IntN(n)
			size = min(size, 60_000)
			b.Describe(inReg, in, 0, 0, size)
			b.Describe(outReg, out, 0, 0, 0)
			b.Set(rowsReg, uint32(size)<<16|1)
			b.Set(engine.Control, engine.Start)
			for steps := 0; e.Busy(); steps++ {
				if steps > 10_000 {
					t.Fatalf("seed %d: the job does not end", seed)
				}
				switch r.IntN(12) {
				case 0:
					b.Restrict(1+r.IntN(2), places[r.IntN(2)]&^0xFFF, 4096, 0, 0)
				case 1:
					b.Firewall(tzc400.RegionAttributes+uint64(1+r.IntN(2))*tzc400.RegionStride, 0)
				case 2:
					b.Set(engine.Control, engine.Start)
				case 3:
					b.Set(outReg+engine.BufferOffset, r.Uint32())
				case 4:
					if r.IntN(4) == 0 {
						b.Set(engine.Control, engine.Abort)
					}
				}
				b.Step()
			}
			b.Firewall(tzc400.RegionAttributes+tzc400.RegionStride, 0)
			b.Firewall(tzc400.RegionAttributes+2*tzc400.RegionStride, 0)
			written := int(b.Get(engine.BytesWritten))
			copy(held, invert(data[:written]))
			if !bytes.Equal(b.Load(out), held) {
				t.Fatalf("seed %d: after %v with %d bytes written the output is not what it should be", seed, result(b), written)
			}
			switch got := result(b); got {
			case engine.OK:
				if written != size {
					t.Fatalf("seed %d: %d bytes of %d were written", seed, written, size)
				}
			case engine.Fault:
				info := b.Get(engine.FaultInfo)
				if info&engine.FaultWrite != 0 != (info>>engine.FaultBufferShift == 1) && info&engine.FaultList == 0 {
					t.Fatalf("seed %d: fault %#x", seed, info)
				}
			case engine.WasAborted:
			default:
				t.Fatalf("seed %d: %v", seed, got)
			}
			ends[result(b)]++
		}
	}
	for _, r := range []engine.Result{engine.OK, engine.Fault, engine.WasAborted} {
		if ends[r] < 10 {
			t.Errorf("jobs ended: %v", ends)
		}
	}
}

// TestDevices: an engine reaches no register, not even one that would take what it writes.
func TestDevices(t *testing.T) {
	b, _ := newCopier(t)
	in := b.Flat(4)
	b.Describe(inReg, in, 0, 0, 4)
	b.Describe(outReg, enginetest.Memory{Addr: enginetest.EngineBase + engine.IntMask}, 0, 0, 0)
	b.Set(rowsReg, 4<<16|1)
	b.Set(engine.Control, engine.Start)
	b.Finish()
	b.Expect(engine.IntMask, 0)
	b.Expect(engine.FaultInfo, engine.FaultValid|engine.FaultWrite|3<<engine.FaultResponseShift|1<<engine.FaultBufferShift)
	b.Describe(inReg, enginetest.Memory{Addr: enginetest.EngineBase + engine.ID}, 0, 0, 4)
	b.Describe(outReg, in, 0, 0, 0)
	b.Set(engine.Control, engine.Start)
	b.Finish()
	b.Expect(engine.FaultInfo, engine.FaultValid|3<<engine.FaultResponseShift)
	b.Expect(engine.FaultAddrLo, enginetest.EngineBase)
}

// TestLongestList has a list of as many entries as are allowed, with and without links, and one more.
func TestLongestList(t *testing.T) {
	for _, more := range []int{0, 1} {
		for _, links := range []int{0, 3} {
			b, _ := newCopier(t)
			const list = enginetest.RAMBase + 0x10_0000
			entry := func(p []byte, addr, n uint32) []byte {
				p = binary.LittleEndian.AppendUint32(p, addr)
				return binary.LittleEndian.AppendUint32(p, n)
			}
			var p []byte
			for i := range engine.MaxEntries + more - 1 {
				if i < links {
					p = entry(p, list+uint32(len(p))+8, engine.Link)
				} else {
					p = entry(p, enginetest.RAMBase+uint32(i), 1)
				}
			}
			b.Fill(list, entry(p, enginetest.RAMBase, 1|engine.Last))
			b.Describe(inReg, enginetest.Memory{Addr: list, Kind: engine.List32}, 0, 0, 0)
			b.Describe(outReg, b.Flat(4096), 0, 0, 0)
			b.Set(outReg, list-4096)
			b.Set(rowsReg, 4<<16|1)
			b.Set(engine.Control, engine.Start)
			b.Finish()
			want := engine.OK
			if more > 0 {
				want = engine.List
			}
			if result(b) != want {
				t.Errorf("%d entries more, %d links: %v", more, links, result(b))
			}
		}
	}
}
