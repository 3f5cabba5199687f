package pl031

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"gatehouse/devices/internal/qtest"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

type line struct{ level bool }

func (l *line) Set(level bool) { l.level = level }

// 2025-01-01 00:00:00 UTC
var epoch = uint32(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Unix())

type rtc struct {
	*PL031
	t     *testing.T
	clock vtime.Clock
	irq   line
}

func newRTC(t *testing.T) *rtc {
	r := &rtc{t: t}
	r.PL031 = New(&r.clock, epoch)
	r.IRQ = &r.irq
	return r
}

func (r *rtc) get(off uint64) uint32 {
	r.t.Helper()
	v, resp := r.Read(off, 4, bus.Attr{})
	if resp != bus.OKAY {
		r.t.Fatalf("read of %#x: %v", off, resp)
	}
	return uint32(v)
}

func (r *rtc) set(off uint64, v uint32) {
	r.t.Helper()
	if resp := r.Write(off, 4, uint64(v), bus.Attr{}); resp != bus.OKAY {
		r.t.Fatalf("write of %#x: %v", off, resp)
	}
}

func (r *rtc) expect(off uint64, want uint32) {
	r.t.Helper()
	if got := r.get(off); got != want {
		r.t.Errorf("register %#x = %#x, want %#x", off, got, want)
	}
}

// until moves time as an idle machine does: from timer to timer.
func (r *rtc) until(ns uint64) {
	for next := r.clock.Next(); next <= ns; next = r.clock.Next() {
		r.clock.Advance(next)
		r.clock.Expire()
	}
	r.clock.Advance(ns)
}

func TestResetValues(t *testing.T) {
	r := newRTC(t)
	check := func() {
		t.Helper()
		for off, want := range map[uint64]uint32{DR: epoch, MR: 0, LR: 0, CR: 1, IMSC: 0, RIS: 0, MIS: 0, ICR: 0, 0x20: 0,
			0xFE0: 0x31, 0xFE4: 0x10, 0xFE8: 0x14, 0xFEC: 0, 0xFF0: 0x0D, 0xFF4: 0xF0, 0xFF8: 0x05, 0xFFC: 0xB1} {
			r.expect(off, want)
		}
	}
	check()
	r.set(LR, 77)
	r.set(MR, 77)
	r.set(IMSC, 1)
	if !r.irq.level {
		t.Error("no interrupt before reset")
	}
	r.clock.Advance(5e9)
	r.clock.Reset()
	r.Reset()
	check()
	if r.irq.level || r.clock.Next() != vtime.Never {
		t.Error("interrupt or timer after reset")
	}
}

func TestCounting(t *testing.T) {
	r := newRTC(t)
	r.until(999_999_999)
	r.expect(DR, epoch)
	r.until(1_000_000_000)
	r.expect(DR, epoch+1)
	// Linux's pl031_set_time writes LR, and reads the time back from DR.
	r.until(3_500_000_000)
	r.set(LR, 1_000_000_000)
	r.expect(LR, 1_000_000_000)
	r.expect(DR, 1_000_000_000)
	r.until(10_000_000_000)
	r.expect(DR, 1_000_000_007)
	r.set(DR, 5) // read-only
	r.set(CR, 0)
	r.until(11_000_000_000)
	r.expect(DR, 1_000_000_008)
	r.expect(CR, 1)
	r.set(LR, 0xFFFF_FFFF)
	r.until(12_000_000_000)
	r.expect(DR, 0)
}

// TestAlarm follows Linux's rtc-pl031: set_alarm writes MR and unmasks, the handler reads MIS and writes ICR.
func TestAlarm(t *testing.T) {
	r := newRTC(t)
	r.until(2_300_000_000)
	r.set(MR, epoch+10)
	r.set(IMSC, 1)
	if got := r.clock.Next(); got != 10_000_000_000 {
		t.Fatalf("the alarm is due at %d", got)
	}
	r.until(9_999_999_999)
	r.expect(RIS, 0)
	if r.irq.level {
		t.Fatal("early")
	}
	r.until(10_000_000_000)
	if !r.irq.level {
		t.Fatal("no interrupt")
	}
	r.expect(MIS, 1)
	if r.clock.Next() != vtime.Never {
		t.Error("a pending alarm keeps a timer")
	}
	r.set(ICR, 0)
	r.expect(MIS, 1) // DDI 0224, 3.3.8: bit 0 clears
	r.set(ICR, 1)
	r.expect(RIS, 0)
	r.expect(MIS, 0)
	if r.irq.level {
		t.Error("the interrupt stays")
	}
	r.set(IMSC, 0)
	if r.clock.Next() != vtime.Never {
		t.Error("a masked alarm keeps a timer")
	}
}

func TestMaskedAlarm(t *testing.T) {
	r := newRTC(t)
	r.set(MR, epoch+2)
	r.until(1_999_999_999)
	r.expect(RIS, 0)
	r.until(5_000_000_000)
	r.expect(RIS, 1) // raw status, though no timer ran
	r.expect(MIS, 0)
	r.set(IMSC, 1)
	if !r.irq.level {
		t.Error("no interrupt after unmasking")
	}
	r.set(ICR, 1)
	// The match lies in the past: it comes again when the counter has wrapped.
	if got, want := r.clock.Next(), uint64(2+1<<32)*1_000_000_000; got != want {
		t.Errorf("next alarm at %d, want %d", got, want)
	}
	r.until(r.clock.Next())
	if !r.irq.level {
		t.Error("no interrupt after the wrap")
	}
	r.expect(DR, epoch+2)
}

func TestAlarmNow(t *testing.T) {
	r := newRTC(t)
	r.until(7_000_000_001)
	r.set(IMSC, 1)
	r.set(MR, epoch+7) // the counter stands at this value
	if !r.irq.level {
		t.Error("no interrupt")
	}
	r.set(ICR, 1)
	// Loading a new time moves the alarm.
	r.set(MR, 1000)
	r.set(LR, 990)
	if got := r.clock.Next(); got != 17_000_000_000 {
		t.Errorf("next alarm at %d", got)
	}
	r.set(LR, 1000)
	if !r.irq.level {
		t.Error("no interrupt when the match value is loaded")
	}
}

func TestAccessRules(t *testing.T) {
	r := newRTC(t)
	r.set(MR, 0x11223344)
	for _, c := range []struct {
		off  uint64
		size int
		want uint64
	}{{MR, 1, 0x44}, {MR + 1, 1, 0x33}, {MR + 2, 2, 0x1122}, {MR, 4, 0x11223344}} {
		if v, resp := r.Read(c.off, c.size, bus.Attr{}); v != c.want || resp != bus.OKAY {
			t.Errorf("read of %d bytes at %#x: %#x, %v", c.size, c.off, v, resp)
		}
	}
	for _, size := range []int{1, 2, 8} {
		if resp := r.Write(MR, size, 0, bus.Attr{}); resp != bus.SLVERR {
			t.Errorf("write of %d bytes: %v", size, resp)
		}
	}
	if _, resp := r.Read(DR, 8, bus.Attr{}); resp != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", resp)
	}
	r.expect(MR, 0x11223344)
}

// TestAgainstQEMU makes the same accesses here and there while time stands still.
func TestAgainstQEMU(t *testing.T) {
	const base = 0x0901_0000
	q := qtest.Start(t, "-M", "virt", "-rtc", "clock=vm,base=2025-01-01T00:00:00")
	r := newRTC(t)
	rnd := rand.New(rand.NewPCG(31, 224))
	for range 200 {
		off := uint64(rnd.IntN(9)) * 4
		v := rnd.Uint32()
		switch rnd.IntN(3) {
		case 0:
			v &= 1
		case 1:
			v = r.get(DR)
		}
		q.Write(base+off, 4, uint64(v))
		r.set(off, v)
		for off := uint64(0); off < 0x1000; off += 4 {
			if off == 0x20 {
				off = 0xFE0
			}
			if want := uint32(q.Read(base+off, 4)); r.get(off) != want {
				t.Fatalf("register %#x = %#x, QEMU %#x", off, r.get(off), want)
			}
		}
	}
}

// FuzzAlarm runs a program of accesses and pauses and compares the raw interrupt with a clock that looks at every second.
func FuzzAlarm(f *testing.F) {
	f.Add([]byte{1, 5, 0, 0, 4, 1, 0, 0, 0x80, 10, 0, 0})
	f.Add([]byte{2, 5, 0, 0, 1, 7, 0, 0, 0x80, 3, 0, 0, 7, 1, 0, 0})
	f.Fuzz(func(t *testing.T, prog []byte) {
		r := newRTC(t)
		count, match, raw, mask := epoch, uint32(0), false, false
		var now uint64
		for ; len(prog) >= 4; prog = prog[4:] {
			v := uint32(int32(binary.LittleEndian.Uint32(prog)) >> 8) // small and negative numbers
			if prog[0]&0x80 != 0 {
				for range v & 0xFF {
					now += second
					if count++; count == match {
						raw = true
					}
				}
				r.until(now)
			} else {
				off := uint64(prog[0]) * 4
				r.set(off, v)
				switch off {
				case MR:
					match = v
					raw = raw || count == match
				case LR:
					count = v
					raw = raw || count == match
				case IMSC:
					mask = v&1 != 0
				case ICR:
					raw = raw && v&1 == 0
				}
			}
			if r.irq.level != (raw && mask) || r.get(DR) != count || r.get(RIS) != bit(raw) || r.get(MIS) != bit(raw && mask) {
				t.Fatalf("line %v, DR %#x, RIS %d, want raw %v, masked %v, count %#x", r.irq.level, r.get(DR), r.get(RIS), raw, mask, count)
			}
		}
	})
}
