package pl011

import (
	"bytes"
	"errors"
	"testing"

	"gatehouse/platform/bus"
)

type line struct{ level bool }

func (l *line) Set(level bool) { l.level = level }

// uart is a UART with what a driver and the outside see of it.
type uart struct {
	*PL011
	t   *testing.T
	out bytes.Buffer
	irq line
}

func newUART(t *testing.T) *uart {
	u := &uart{t: t}
	u.PL011 = New(&u.out)
	u.IRQ = &u.irq
	return u
}

func (u *uart) get(off uint64) uint32 {
	u.t.Helper()
	v, r := u.Read(off, 4, bus.Attr{})
	if r != bus.OKAY {
		u.t.Fatalf("read of %#x: %v", off, r)
	}
	return uint32(v)
}

func (u *uart) set(off uint64, v uint32) {
	u.t.Helper()
	if r := u.Write(off, 4, uint64(v), bus.Attr{}); r != bus.OKAY {
		u.t.Fatalf("write of %#x: %v", off, r)
	}
}

func (u *uart) expect(off uint64, want uint32) {
	u.t.Helper()
	if got := u.get(off); got != want {
		u.t.Errorf("register %#x = %#x, want %#x", off, got, want)
	}
}

func (u *uart) receive(s string, want int) {
	u.t.Helper()
	if n := u.Receive([]byte(s)); n != want {
		u.t.Errorf("%d of %d characters were taken, want %d", n, len(s), want)
	}
}

// TestResetValues has the values of DDI 0183, table 3-1.
func TestResetValues(t *testing.T) {
	u := newUART(t)
	check := func() {
		t.Helper()
		for off, want := range map[uint64]uint32{DR: 0, RSR: 0, FR: FlagTXFE | FlagRXFE, ILPR: 0, IBRD: 0, FBRD: 0, LCRH: 0,
			CR: 0x300, IFLS: 0x12, IMSC: 0, RIS: 0, MIS: 0, ICR: 0, DMACR: 0,
			0xFE0: 0x11, 0xFE4: 0x10, 0xFE8: 0x14, 0xFEC: 0, 0xFF0: 0x0D, 0xFF4: 0xF0, 0xFF8: 0x05, 0xFFC: 0xB1} {
			u.expect(off, want)
		}
	}
	check()
	u.set(CR, 0xFFFF)
	u.set(LCRH, 0xFF)
	u.set(IMSC, 0x7FF)
	for range 20 {
		u.set(DR, 'x')
	}
	if !u.irq.level {
		t.Error("no interrupt before reset")
	}
	u.Reset()
	check()
	if u.irq.level {
		t.Error("interrupt after reset")
	}
}

// TestPrintWithoutSetup is the shortest bare-metal program: it stores bytes to DR, in whatever width its compiler likes.
func TestPrintWithoutSetup(t *testing.T) {
	u := newUART(t)
	for i, c := range []byte("hello\n") {
		if u.get(FR)&(FlagTXFF|FlagBUSY) != 0 {
			t.Fatal("the transmitter is busy")
		}
		u.Write(DR, 1<<(i%3), uint64(c), bus.Attr{})
	}
	u.Write(DR, 4, 0xFFFF_FF41, bus.Attr{})
	if got := u.out.String(); got != "hello\nA" {
		t.Errorf("printed %q", got)
	}
}

func TestFields(t *testing.T) {
	u := newUART(t)
	for off, want := range map[uint64]uint32{ILPR: 0xFF, IBRD: 0xFFFF, FBRD: 0x3F, LCRH: 0xFF, CR: 0xFF87, IFLS: 0x3F,
		IMSC: 0x7FF, DMACR: 7, ICR: 0, PeriphID0: 0x11, 0x008: 0, 0x04C: 0} {
		u.set(off, 0xFFFF_FFFF)
		u.expect(off, want)
	}
}

func TestAccessSizes(t *testing.T) {
	u := newUART(t)
	u.set(IBRD, 0xABCD)
	for size, want := range map[int]uint64{1: 0xCD, 2: 0xABCD, 4: 0xABCD} {
		if v, r := u.Read(IBRD, size, bus.Attr{}); v != want || r != bus.OKAY {
			t.Errorf("read of %d bytes: %#x, %v", size, v, r)
		}
	}
	u.receive("x", 1)
	if v, r := u.Read(DR+1, 1, bus.Attr{}); v != 0 || r != bus.OKAY {
		t.Errorf("read beside a register: %#x, %v", v, r)
	}
	u.Write(DR+2, 2, 'n', bus.Attr{})
	if u.out.Len() != 0 || u.get(FR)&FlagRXFE != 0 {
		t.Error("accesses beside DR reach DR")
	}
	if _, r := u.Read(DR, 8, bus.Attr{}); r != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", r)
	}
	if r := u.Write(DR, 8, 'n', bus.Attr{}); r != bus.SLVERR {
		t.Errorf("write of 8 bytes: %v", r)
	}
}

// TestTransmitInterrupt follows the interrupt-driven transmitter of Linux's amba-pl011: it unmasks TX, writes, and continues in
// the handler, until it has nothing left and masks TX.
func TestTransmitInterrupt(t *testing.T) {
	u := newUART(t)
	u.set(IMSC, IntTX)
	if u.irq.level {
		t.Fatal("interrupt before the first character")
	}
	text := "interrupts"
	u.set(DR, uint32(text[0]))
	for i := 1; i < len(text); i++ {
		if !u.irq.level || u.get(MIS) != IntTX {
			t.Fatalf("no interrupt after character %d", i)
		}
		u.set(ICR, IntTX)
		if u.irq.level {
			t.Fatal("the interrupt cannot be cleared")
		}
		u.set(DR, uint32(text[i]))
	}
	u.set(IMSC, 0)
	u.expect(RIS, IntTX)
	u.expect(MIS, 0)
	if u.irq.level || u.out.String() != text {
		t.Errorf("interrupt %v, printed %q", u.irq.level, u.out.String())
	}
}

// TestReceiveInterrupt follows Linux's amba-pl011: FIFOs on, RX and RT unmasked, the handler reads until RXFE.
func TestReceiveInterrupt(t *testing.T) {
	for _, mask := range []uint32{IntRX | IntRT, IntRX, IntRT} {
		u := newUART(t)
		u.set(LCRH, 0x70)
		u.set(CR, ControlUARTEN|ControlTXE|ControlRXE)
		u.set(IMSC, mask)
		u.receive("abc", 3)
		var got []byte
		if !u.irq.level {
			t.Fatalf("mask %#x: no interrupt", mask)
		}
		for u.get(FR)&FlagRXFE == 0 {
			got = append(got, byte(u.get(DR)))
		}
		if string(got) != "abc" {
			t.Errorf("received %q", got)
		}
		// Reading everything ends both interrupts without a write of ICR.
		u.expect(RIS, 0)
		if u.irq.level {
			t.Errorf("mask %#x: interrupt with an empty FIFO", mask)
		}
		// A driver that clears first and is interrupted again by the next character.
		u.receive("d", 1)
		u.set(ICR, 0x7FF)
		u.expect(RIS, 0)
		u.receive("e", 1)
		if !u.irq.level {
			t.Errorf("mask %#x: no interrupt for a character behind another", mask)
		}
	}
}

func TestReceiveFIFO(t *testing.T) {
	u := newUART(t)
	if !u.CanReceive() {
		t.Fatal("no room in an empty UART")
	}
	u.receive("12", 1) // character mode
	u.expect(FR, FlagTXFE|FlagRXFF)
	u.receive("2", 0)
	u.set(LCRH, LineFEN) // empties
	u.expect(FR, FlagTXFE|FlagRXFE)
	u.expect(RIS, 0)
	u.receive("0123456789abcdefXYZ", 16)
	if u.CanReceive() {
		t.Error("room in a full FIFO")
	}
	u.expect(FR, FlagTXFE|FlagRXFF)
	for i := range 3 {
		u.expect(DR, uint32('0'+i))
	}
	u.expect(FR, FlagTXFE)
	u.receive("ghijk", 3) // around the end of the ring
	for _, c := range "3456789abcdefghi" {
		u.expect(DR, uint32(c))
	}
	u.expect(FR, FlagTXFE|FlagRXFE)
	u.expect(DR, 0) // empty
	u.expect(RSR, 0)
}

func TestBreak(t *testing.T) {
	u := newUART(t)
	u.set(LCRH, LineFEN)
	u.set(IMSC, IntBE)
	u.receive("a", 1)
	u.ReceiveBreak()
	u.receive("b", 1)
	if !u.irq.level {
		t.Error("no interrupt")
	}
	u.expect(DR, 'a')
	u.expect(RSR, 0)
	u.expect(DR, DataBE)
	u.expect(RSR, DataBE>>8)
	u.expect(DR, 'b')
	u.expect(RSR, 0) // the state of the last character read
	u.set(ICR, IntBE)
	if u.irq.level {
		t.Error("the interrupt stays")
	}
}

func TestLoopback(t *testing.T) {
	u := newUART(t)
	u.set(LCRH, LineFEN)
	u.set(CR, ControlUARTEN|ControlTXE|ControlRXE|ControlLBE)
	u.set(ICR, 0x7FF)
	u.receive("outside", 7)
	u.ReceiveBreak()
	u.expect(FR, FlagTXFE|FlagRXFE)
	for i := range 18 {
		u.set(DR, uint32('a'+i))
	}
	u.expect(RIS, IntTX|IntRX|IntRT|IntOE)
	u.expect(RSR, DataOE>>8)
	// The characters before the loss are whole; the overrun shows with the next read and ends with the next character.
	u.expect(DR, DataOE|'a')
	u.set(DR, 'z')
	u.expect(DR, 'b')
	u.expect(RSR, DataOE>>8) // until it is cleared
	u.set(RSR, 0xFF)
	u.expect(RSR, 0)
	for i := range 14 {
		u.expect(DR, uint32('c'+i))
	}
	u.expect(DR, 'z')
	// A break is sent when BRK is set, once.
	u.set(LCRH, LineFEN|LineBRK)
	u.set(LCRH, LineFEN|LineBRK)
	u.expect(DR, DataBE)
	u.expect(FR, FlagTXFE|FlagRXFE)
	u.expect(RIS, IntTX|IntOE|IntBE)
}

func TestModemLoopback(t *testing.T) {
	for _, c := range []struct{ out, in, irq uint32 }{
		{ControlDTR, FlagDSR, IntDSR}, {ControlRTS, FlagCTS, IntCTS}, {ControlOut1, FlagDCD, IntDCD}, {ControlOut2, FlagRI, IntRI},
	} {
		u := newUART(t)
		u.set(CR, c.out)
		u.expect(FR, FlagTXFE|FlagRXFE)
		u.set(CR, ControlLBE|c.out)
		u.expect(FR, FlagTXFE|FlagRXFE|c.in)
		u.expect(RIS, c.irq)
		u.set(ICR, c.irq)
		u.set(CR, ControlLBE|c.out) // no change
		u.expect(RIS, 0)
		u.set(CR, ControlLBE)
		u.expect(FR, FlagTXFE|FlagRXFE)
		u.expect(RIS, c.irq)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestNoOutput(t *testing.T) {
	for _, u := range []*PL011{New(broken{}), New(nil)} {
		if r := u.Write(DR, 4, 'x', bus.Attr{}); r != bus.OKAY {
			t.Error(r)
		}
		if v, _ := u.Read(RIS, 4, bus.Attr{}); v != IntTX {
			t.Errorf("RIS %#x", v)
		}
	}
}

// FuzzRegisters runs a program of accesses and input and checks what always holds.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0x2C, 0x80, 0x10, 0x00, 0x41, 0x05, 0x00, 0x00})
	f.Add([]byte{0x30, 0x80, 0x80, 0x00, 0x00, 0x80, 'x', 0, 0x00, 0x80, 'y', 0, 0x00, 0x00, 0, 0})
	f.Fuzz(func(t *testing.T, prog []byte) {
		u := newUART(t)
		sent, taken, got, ops := 0, 0, 0, len(prog)/4
		for ; len(prog) >= 4; prog = prog[4:] {
			off, op, v := uint64(prog[0]), prog[1], uint64(prog[2])|uint64(prog[3])<<8
			size := 1 << (op & 3)
			off &^= uint64(size - 1)
			switch {
			case op&0x80 != 0:
				if off == DR && size <= 4 {
					sent++
				}
				u.Write(off, size, v, bus.Attr{})
			case op&0x40 != 0:
				taken += u.Receive(make([]byte, v&0x3F))
			case op&0x20 != 0:
				u.ReceiveBreak()
			default:
				if off == DR && size <= 4 && u.get(FR)&FlagRXFE == 0 {
					got++
				}
				u.Read(off, size, bus.Attr{})
			}
			fr := u.get(FR)
			if fr&(FlagRXFE|FlagRXFF) == FlagRXFE|FlagRXFF || u.CanReceive() != (fr&FlagRXFF == 0 || u.get(CR)&ControlLBE != 0) {
				t.Fatalf("FR %#x, can receive %v", fr, u.CanReceive())
			}
			if u.get(MIS) != u.get(RIS)&u.get(IMSC) || u.irq.level != (u.get(MIS) != 0) {
				t.Fatalf("RIS %#x, IMSC %#x, MIS %#x, line %v", u.get(RIS), u.get(IMSC), u.get(MIS), u.irq.level)
			}
			if fr&FlagRXFE != 0 && u.get(RIS)&(IntRX|IntRT) != 0 {
				t.Fatalf("receive interrupt with an empty FIFO: %#x", u.get(RIS))
			}
		}
		if u.out.Len() != sent {
			t.Errorf("%d characters written, %d left", sent, u.out.Len())
		}
		if got > taken+ops {
			t.Errorf("%d characters came in, and at most one an access, yet %d were read", taken, got)
		}
	})
}
