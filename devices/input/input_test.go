package input

import (
	"math/rand/v2"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

type line struct{ level bool }

func (l *line) Set(level bool) { l.level = level }

var (
	normal = bus.Attr{NSAID: bus.NSAIDAP}
	secure = bus.Attr{Secure: true}
)

type board struct {
	t     testing.TB
	clock vtime.Clock
	d     *Input
	irq   line
}

func newBoard(t testing.TB, script ...Event) *board {
	b := &board{t: t}
	b.d = New(&b.clock, script)
	b.d.IRQ = &b.irq
	return b
}

func (b *board) get(off uint64, a bus.Attr) uint32 {
	b.t.Helper()
	v, r := b.d.Read(off, 4, a)
	if r != bus.OKAY {
		b.t.Fatalf("read of %#x: %v", off, r)
	}
	return uint32(v)
}

func (b *board) set(off uint64, v uint32, a bus.Attr) {
	b.t.Helper()
	if r := b.d.Write(off, 4, uint64(v), a); r != bus.OKAY {
		b.t.Fatalf("write of %#x: %v", off, r)
	}
}

func (b *board) expect(off uint64, want uint32) {
	b.t.Helper()
	if got := b.get(off, secure); got != want {
		b.t.Errorf("register %#x = %#x, want %#x", off, got, want)
	}
}

func TestRegisters(t *testing.T) {
	b := newBoard(t)
	reset := map[uint64]uint32{ID: 0x4749_4E50, Version: 0x10000}
	for off := uint64(0); off < 0x1000; off += 4 {
		b.expect(off, reset[off])
	}
	for off := uint64(0); off < 0x1000; off += 4 {
		b.set(off, 0xFFFF_FFFF, secure)
	}
	reset[Lock], reset[IntMask] = 1, 3
	for off := uint64(0); off < 0x1000; off += 4 {
		b.expect(off, reset[off])
	}
	b.d.Touch(1, 2, true)
	b.d.Reset()
	if b.irq.level {
		t.Error("an interrupt after reset")
	}
	for off := uint64(8); off < 0x1000; off += 4 {
		b.expect(off, 0)
	}
	for _, size := range []int{1, 2, 8} {
		if r := b.d.Write(IntMask, size, 0, secure); r != bus.SLVERR {
			t.Errorf("write of %d bytes: %v", size, r)
		}
	}
	if _, r := b.d.Read(ID, 8, secure); r != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", r)
	}
	if v, r := b.d.Read(ID+1, 1, normal); v != 0x4E || r != bus.OKAY {
		t.Errorf("read of a byte: %#x, %v", v, r)
	}
}

// TestEvents reads events as a driver does: while there are any, look at the oldest and pop it.
func TestEvents(t *testing.T) {
	b := newBoard(t)
	b.set(IntMask, Arrived, normal)
	b.clock.Advance(5_000_000_123)
	b.d.Touch(640, 360, true)
	if !b.irq.level {
		t.Error("no interrupt")
	}
	b.clock.Advance(6_000_000_000)
	b.d.Key(116, false)
	b.set(IntRaw, Arrived, normal)
	if b.irq.level {
		t.Error("the interrupt stays")
	}
	for _, want := range [][]uint32{{2, 1 | 1<<8, 640 | 360<<16, 5_000_000_123 & 0xFFFF_FFFF, 1}, {1, 2 | 1<<16, 116, 6_000_000_000 & 0xFFFF_FFFF, 1}, {0, 0, 0, 0, 0}} {
		for i, off := range []uint64{Status, Type, Value, TimeLo, TimeHi} {
			if got := b.get(off, normal); got != want[i] {
				t.Errorf("register %#x = %#x, want %#x", off, got, want[i])
			}
		}
		b.set(Pop, 1, normal)
	}
	for i := range Depth + 3 {
		b.d.Key(uint16(i+1), true)
	}
	b.expect(Status, Depth)
	b.expect(Dropped, 3)
	b.expect(IntRaw, Arrived|Overrun)
	b.expect(Value, 1) // the newest ones were lost
	b.set(Flush, 1, normal)
	b.expect(Status, 0)
	b.d.Key(9, true)
	b.expect(Type, 2|1<<8|(2+Depth+3)<<16)
}

// TestLock: who reaches what, with the lock and without it.
func TestLock(t *testing.T) {
	b := newBoard(t)
	b.d.Touch(1, 1, true)
	if r := b.d.Write(Lock, 4, 1, normal); r != bus.SLVERR {
		t.Errorf("the normal world writes the lock: %v", r)
	}
	b.expect(Lock, 0)
	b.set(IntMask, 3, normal)
	b.set(Lock, Secure, secure)
	// The event for the normal world is gone, and its interrupt.
	if b.irq.level {
		t.Error("the interrupt stays")
	}
	for _, off := range []uint64{Status, IntRaw, IntMask, Type, Dropped} {
		b.expect(off, 0)
	}
	b.set(IntMask, 3, secure)
	b.d.Touch(1234, 567, true)
	for off := uint64(0); off < 0x1000; off += 4 {
		for _, size := range []int{1, 2, 4} {
			v, r := b.d.Read(off, size, normal)
			if open := off <= Lock; open != (r == bus.OKAY) || !open && v != 0 {
				t.Errorf("register %#x: %#x, %v", off, v, r)
			}
		}
		if off > Version {
			if r := b.d.Write(off, 4, 0xFFFF_FFFF, normal); r != bus.SLVERR {
				t.Errorf("write of register %#x: %v", off, r)
			}
		}
	}
	if v := b.get(Lock, normal); v != Secure {
		t.Errorf("the normal world reads the lock as %d", v)
	}
	b.expect(Status, 1)
	b.expect(Value, 1234|567<<16)
	b.expect(IntMask, 3)
	if !b.irq.level {
		t.Error("no interrupt")
	}
	b.set(Lock, Secure, secure) // no change
	b.expect(Status, 1)
	b.set(Lock, 0, secure)
	if v := b.get(Value, normal); v != 0 || b.get(Status, normal) != 0 || b.irq.level {
		t.Errorf("the normal world reads %#x after the lock", v)
	}
}

// TestScript plays events at their times, after each reset.
func TestScript(t *testing.T) {
	b := newBoard(t, Event{At: 100, X: 3, Y: 4, Pressed: true}, Event{At: 100, Key: 30, Pressed: true}, Event{At: 2000, X: 3, Y: 4})
	for range 2 {
		for _, c := range []struct {
			now  uint64
			want uint32
		}{{99, 0}, {100, 2}, {1999, 2}, {2000, 3}, {9000, 3}} {
			b.clock.Advance(c.now)
			b.clock.Expire()
			b.expect(Status, c.want)
		}
		b.expect(Value, 3|4<<16)
		if b.clock.Next() != vtime.Never {
			t.Error("the script goes on")
		}
		b.clock.Reset()
		b.d.Reset()
	}
}

// TestAgainstModel compares the FIFO with a slice, for random operations of both worlds and the host.
func TestAgainstModel(t *testing.T) {
	type event struct{ kind, value uint32 }
	r := rand.New(rand.NewPCG(1, 12))
	b := newBoard(t)
	var fifo []event
	var dropped, number uint32
	locked := false
	for range 100_000 {
		a := secure
		if r.IntN(2) == 0 {
			a = normal
		}
		allowed := a.Secure || !locked
		switch r.IntN(8) {
		case 0, 1, 2:
			x, y, down := uint16(r.Uint32()), uint16(r.Uint32()), r.IntN(2) == 0
			b.d.Touch(x, y, down)
			kind := 1 | number&0xFFFF<<16
			if down {
				kind |= 1 << 8
			}
			number++
			if len(fifo) < 64 {
				fifo = append(fifo, event{kind, uint32(x) | uint32(y)<<16})
			} else {
				dropped++
			}
		case 3, 4:
			if resp := b.d.Write(Pop, 4, 0, a); (resp == bus.OKAY) != allowed {
				t.Fatal(resp)
			}
			if allowed && len(fifo) > 0 {
				fifo = fifo[1:]
			}
		case 5:
			if r.IntN(50) == 0 && b.d.Write(Flush, 4, 0, a) == bus.OKAY {
				fifo = nil
			}
		case 6:
			if r.IntN(100) == 0 {
				on := r.IntN(2)
				b.d.Write(Lock, 4, uint64(on), a)
				if a.Secure && (on == 1) != locked {
					locked, fifo, dropped, number = on == 1, nil, 0, 0
				}
			}
		case 7:
			want := map[uint64]uint32{Status: uint32(len(fifo)), Dropped: dropped}
			if len(fifo) > 0 {
				want[Type], want[Value] = fifo[0].kind, fifo[0].value
			}
			for off, w := range want {
				if v, resp := b.d.Read(off, 4, a); allowed && (resp != bus.OKAY || uint32(v) != w) || !allowed && (resp != bus.SLVERR || v != 0) {
					t.Fatalf("register %#x: %#x, %v; want %#x, allowed %v", off, v, resp, w, allowed)
				}
			}
		}
	}
}
