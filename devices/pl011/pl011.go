package pl011

import (
	"io"

	"gatehouse/devices"
	"gatehouse/platform/bus"
)

// PL011 is one UART.
type PL011 struct {
	// IRQ is UARTINTR. It may be nil.
	IRQ devices.Line

	out io.Writer
	buf [1]byte

	fifo    [FIFODepth]uint16 // characters with their error bits, as DR gives them
	first   int               // the oldest one
	count   int
	overrun bool // DR.OE: a character was lost since the last one that was stored

	rsr, ilpr, ibrd, fbrd, lcrh, cr, ifls, dmacr uint32
	modem                                        uint32 // the modem bits of FR
	imsc, ris                                    uint32
}

// New makes a UART that transmits to out, which may be nil. Errors of out are ignored: a guest cannot be told of them.
func New(out io.Writer) *PL011 {
	u := &PL011{out: out}
	u.Reset()
	return u
}

// Reset gives the state after a reset: FIFOs off, all interrupts masked, transmitter and receiver on but for UARTEN.
func (u *PL011) Reset() {
	u.empty()
	u.overrun = false
	u.rsr, u.ilpr, u.ibrd, u.fbrd, u.lcrh, u.dmacr = 0, 0, 0, 0, 0, 0
	u.cr, u.ifls = controlReset, levelsReset
	u.modem, u.imsc, u.ris = 0, 0, 0
	u.interrupt()
}

// Read gives a register. Reading DR takes a character out of the FIFO.
func (u *PL011) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	if size > 4 {
		return 0, bus.SLVERR
	}
	if off&3 != 0 {
		return 0, bus.OKAY
	}
	return uint64(u.read(off)) & (1<<(8*size) - 1), bus.OKAY
}

func (u *PL011) read(off uint64) uint32 {
	switch off {
	case DR:
		return u.pop()
	case RSR:
		return u.rsr
	case FR:
		return u.flags()
	case ILPR:
		return u.ilpr
	case IBRD:
		return u.ibrd
	case FBRD:
		return u.fbrd
	case LCRH:
		return u.lcrh
	case CR:
		return u.cr
	case IFLS:
		return u.ifls
	case IMSC:
		return u.imsc
	case RIS:
		return u.ris
	case MIS:
		return u.ris & u.imsc
	case DMACR:
		return u.dmacr
	}
	if off >= PeriphID0 && off < PeriphID0+32 {
		return uint32(id[(off-PeriphID0)/4])
	}
	return 0
}

// Write sets a register. Writing DR transmits.
func (u *PL011) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	if size > 4 {
		return bus.SLVERR
	}
	w := uint32(v & (1<<(8*size) - 1))
	switch off {
	case DR:
		u.transmit(byte(w))
	case RSR: // ECR: any value clears all errors
		u.rsr = 0
	case ILPR:
		u.ilpr = w & 0xFF
	case IBRD:
		u.ibrd = w & 0xFFFF
	case FBRD:
		u.fbrd = w & 0x3F
	case LCRH:
		u.setLine(w & 0xFF)
	case CR:
		u.setControl(w & controlMask)
	case IFLS:
		u.ifls = w & 0x3F
	case IMSC:
		u.imsc = w & intMask
	case ICR:
		u.ris &^= w
	case DMACR:
		u.dmacr = w & 7
	}
	u.interrupt()
	return bus.OKAY
}

func (u *PL011) interrupt() {
	if u.IRQ != nil {
		u.IRQ.Set(u.ris&u.imsc != 0)
	}
}

func (u *PL011) flags() uint32 {
	f := u.modem | FlagTXFE
	if u.count == 0 {
		f |= FlagRXFE
	}
	if u.count >= u.depth() {
		f |= FlagRXFF
	}
	return f
}

func (u *PL011) transmit(c byte) {
	if u.out != nil {
		u.buf[0] = c
		_, _ = u.out.Write(u.buf[:])
	}
	if u.loopback() {
		u.push(uint16(c))
		u.ris |= IntRT
	}
	u.ris |= IntTX
}

func (u *PL011) setLine(w uint32) {
	changed := u.lcrh ^ w
	u.lcrh = w
	if changed&LineFEN != 0 {
		u.empty()
	}
	if changed&w&LineBRK != 0 && u.loopback() {
		u.pushBreak()
	}
}

// setControl keeps CR and, in loopback, feeds the modem outputs back to the inputs (DDI 0183, 2.4.6 and 3.3.8): DTR to DSR, RTS
// to CTS, Out1 to DCD, Out2 to RI. The modem interrupts report changes of the inputs.
func (u *PL011) setControl(w uint32) {
	u.cr = w
	var modem uint32
	if u.loopback() {
		for _, l := range [...]struct{ out, in uint32 }{
			{ControlDTR, FlagDSR}, {ControlRTS, FlagCTS}, {ControlOut1, FlagDCD}, {ControlOut2, FlagRI},
		} {
			if w&l.out != 0 {
				modem |= l.in
			}
		}
	}
	changed := u.modem ^ modem
	u.modem = modem
	for _, l := range [...]struct{ in, irq uint32 }{
		{FlagDSR, IntDSR}, {FlagCTS, IntCTS}, {FlagDCD, IntDCD}, {FlagRI, IntRI},
	} {
		if changed&l.in != 0 {
			u.ris |= l.irq
		}
	}
}

func (u *PL011) loopback() bool { return u.cr&ControlLBE != 0 }

func (u *PL011) depth() int {
	if u.lcrh&LineFEN != 0 {
		return FIFODepth
	}
	return 1
}

func (u *PL011) empty() {
	u.first, u.count = 0, 0
	u.ris &^= IntRX | IntRT
}

// push stores a character, or loses it when there is no room (DDI 0183, 3.3.1, overrun).
func (u *PL011) push(c uint16) {
	if u.count >= u.depth() {
		u.overrun = true
		u.rsr |= DataOE >> 8
		u.ris |= IntOE
		return
	}
	u.overrun = false
	u.fifo[(u.first+u.count)%FIFODepth] = c
	u.count++
	u.ris |= IntRX
}

func (u *PL011) pushBreak() {
	u.push(DataBE)
	u.ris |= IntBE | IntRT
}

// pop gives the oldest character, or zero. RSR takes its error bits; its overrun bit stays until ECR is written.
func (u *PL011) pop() uint32 {
	if u.count == 0 {
		return 0
	}
	c := uint32(u.fifo[u.first])
	u.first = (u.first + 1) % FIFODepth
	u.count--
	if u.count == 0 {
		u.ris &^= IntRX | IntRT
	}
	if u.overrun {
		c |= DataOE
	}
	u.rsr = u.rsr&(DataOE>>8) | c>>8
	u.interrupt()
	return c
}

// CanReceive reports whether Receive would take a character now.
func (u *PL011) CanReceive() bool { return u.loopback() || u.count < u.depth() }

// Receive hands in characters from outside and gives the number that were taken. What does not fit is left to the caller, so
// that nothing from outside is lost. In loopback the input is disconnected: all characters are taken and dropped.
func (u *PL011) Receive(p []byte) (n int) {
	if u.loopback() {
		return len(p)
	}
	for n < len(p) && u.CanReceive() {
		u.push(uint16(p[n]))
		n++
	}
	if n > 0 {
		u.ris |= IntRT
		u.interrupt()
	}
	return n
}

// ReceiveBreak hands in a break condition (DDI 0183, 3.3.1): a zero character with the break error. It may overrun the FIFO.
func (u *PL011) ReceiveBreak() {
	if u.loopback() {
		return
	}
	u.pushBreak()
	u.interrupt()
}
