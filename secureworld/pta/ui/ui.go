// Package ui is the trusted user interface: an application that draws into protected memory, which only the display reads, and reads
// the input device, which it locks for the secure world. It is this platform's own; numbers and parameters stand in package optee
// (UICmd...).
//
// What is entered never leaves the application: a client hears that a dialogue has ended, and whether the PIN was the right one. The
// screen shows a phrase that only the secure world and the user know, so that a forged screen can be told from this one.
//
// Read ui.go, then screen.go (what is drawn) and font.go.
package ui

import (
	"crypto/subtle"

	"gatehouse/platform/bus"
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Config is what a board chooses.
type Config struct {
	// Port reaches the input device, which stands at Base; Base 0 stands for none.
	Port *bus.Port
	Base uint64
	// Phrase is what the genuine screen shows, at most MaxPhrase characters.
	Phrase string
	// PIN is what VERIFY compares with, up to MaxPIN digits.
	PIN string
}

// Limits.
const (
	MaxPhrase = 24
	MaxPIN    = 8
)

// Registers of the input device (devices/input).
const (
	inputID     = 0x000
	inputLock   = 0x008
	inputStatus = 0x00C
	inputType   = 0x020
	inputValue  = 0x024
	inputPop    = 0x030

	inputIdentity = 0x4749_4E50
	inputDepth    = 64
	typeTouch     = 1
	typeKey       = 2
	typePressed   = 1 << 8
)

// Codes of keys (Linux, input-event-codes.h).
const (
	codeEscape    = 1
	codeOne       = 2 // 1 to 9, and then 0
	codeZero      = 11
	codeBackspace = 14
	codeEnter     = 28
)

// TA is the application.
type TA struct {
	cfg   Config
	shown bool // a dialogue is on the screen
	frame frame
	pin   [MaxPIN]byte
	state uint32 // of the dialogue: optee.UIRunning ...
	tries int    // that are left
}

// New makes the application.
func New(cfg Config) *TA {
	cfg.Phrase = cfg.Phrase[:min(len(cfg.Phrase), MaxPhrase)]
	return &TA{cfg: cfg, tries: optee.UITries}
}

var _ tee.PseudoTA = (*TA)(nil)

// UUID is optee.UIUUID.
func (*TA) UUID() smc.UUID { return optee.UIUUID() }

// Properties: there is one screen.
func (*TA) Properties() tee.Properties { return tee.SecureDataPath | tee.SingleSession }

// Open lets one client in at a time.
func (*TA) Open(*tee.Call) optee.Result { return optee.Success }

// Close ends a dialogue.
func (x *TA) Close(uint32) { x.hide() }

func (x *TA) get(reg uint64) uint32 {
	v, _ := x.cfg.Port.Load(x.cfg.Base+reg, 4)
	return uint32(v)
}

// lock takes the input device for the secure world, or gives it back. The device forgets its events. It reports whether there is one.
func (x *TA) lock(v uint64) bool {
	if x.cfg.Base == 0 || x.get(inputID) != inputIdentity {
		return false
	}
	return x.cfg.Port.Store(x.cfg.Base+inputLock, 4, v) == bus.OKAY
}

// hide ends the dialogue. The frame is the client's to give back, and is scrubbed then.
func (x *TA) hide() {
	if x.shown && x.frame.pad {
		x.lock(0)
	}
	x.shown, x.frame, x.pin, x.state = false, frame{}, [MaxPIN]byte{}, optee.UIIdle
}

// Invoke knows the commands optee.UICmd....
func (x *TA) Invoke(c *tee.Call) optee.Result {
	p := &c.Params
	switch c.Command {
	case optee.UICmdShow:
		return x.show(p)
	case optee.UICmdPoll:
		return x.poll(p)
	case optee.UICmdVerify:
		return x.verify(p)
	case optee.UICmdHide:
		if !p.Are() {
			return optee.ErrorBadParameters
		}
		x.hide()
		return optee.Success
	}
	return optee.ErrorNotImplemented
}

// output reports whether a parameter is memory that the application may write.
func output(p *tee.Param) bool {
	return p.Type == optee.AttrRMemOutput || p.Type == optee.AttrRMemInOut
}

// screen judges the memory of a frame: protected, and for the trusted user interface, whose masters can read at most.
func (f *frame) screen(m *tee.Memref) optee.Result {
	switch {
	case m.UseCase() != optee.UseCaseTrustedUI && m.UseCase() != optee.UseCaseOnDemandUI:
		return optee.ErrorAccessDenied
	case m.Size < f.size():
		return optee.ErrorShortBuffer
	}
	return optee.Success
}

func (x *TA) show(p *tee.Params) optee.Result {
	if !output(&p[0]) || !p.Are(p[0].Type, optee.AttrValueInput, optee.AttrValueInput) || p[2].A > optee.UIPad {
		return optee.ErrorBadParameters
	}
	f := frame{width: p[1].A & 0xFFFF, height: p[1].A >> 16, stride: p[1].B, pad: p[2].A == optee.UIPad, back: p[2].B & 0xFF_FFFF, secret: x.cfg.Phrase}
	if !f.valid() {
		return optee.ErrorBadParameters
	}
	m := &p[0].Mem
	if res := f.screen(m); res != optee.Success {
		if res == optee.ErrorShortBuffer {
			m.Size = f.size()
		}
		return res
	}
	x.hide()
	if f.pad && !x.lock(1) {
		return optee.ErrorNotSupported
	}
	x.shown, x.frame = true, f
	if f.pad {
		x.state = optee.UIRunning
	}
	if x.frame.draw(m) != nil {
		x.hide()
		return optee.ErrorBadParameters
	}
	m.Size = f.size()
	return optee.Success
}

func (x *TA) poll(p *tee.Params) optee.Result {
	if !output(&p[0]) || !p.Are(p[0].Type, optee.AttrValueOutput) {
		return optee.ErrorBadParameters
	}
	m := &p[0].Mem
	switch {
	case !x.shown || !x.frame.pad:
		return optee.ErrorBadState
	}
	if res := x.frame.screen(m); res != optee.Success {
		return res
	}
	before := x.frame.entered
	for range min(x.get(inputStatus)&0xFF, inputDepth) {
		kind, value := x.get(inputType), x.get(inputValue)
		if x.cfg.Port.Store(x.cfg.Base+inputPop, 4, 1) != bus.OKAY {
			break
		}
		if x.state == optee.UIRunning && kind&typePressed != 0 {
			x.enter(kind&0xFF, value)
		}
	}
	if x.frame.entered != before && x.frame.draw(m) != nil {
		return optee.ErrorBadParameters
	}
	m.Size = x.frame.size()
	p[1].A, p[1].B = x.state, 0
	return optee.Success
}

// enter is one press.
func (x *TA) enter(kind, value uint32) {
	key, ok := -1, false
	switch {
	case kind == typeTouch:
		key, ok = x.frame.key(int(value&0xFFFF), int(value>>16))
	case kind != typeKey:
	case value >= codeOne && value < codeZero:
		key, ok = int(value-codeOne), true
	case value == codeZero:
		key, ok = keyZero, true
	case value == codeEnter:
		key, ok = keyEnter, true
	case value == codeBackspace:
		key, ok = keyClear, true
	case value == codeEscape:
		x.state = optee.UICancelled
	}
	switch {
	case !ok:
	case key == keyEnter:
		x.state = optee.UIEntered
	case key == keyClear:
		x.frame.entered, x.pin = 0, [MaxPIN]byte{}
	case x.frame.entered < MaxPIN:
		x.pin[x.frame.entered] = captions[key][0]
		x.frame.entered++
	}
}

func (x *TA) verify(p *tee.Params) optee.Result {
	switch {
	case !p.Are(optee.AttrValueOutput):
		return optee.ErrorBadParameters
	case x.state != optee.UIEntered:
		return optee.ErrorBadState
	case x.tries == 0:
		return optee.ErrorAccessDenied
	}
	right := subtle.ConstantTimeCompare(x.pin[:x.frame.entered], []byte(x.cfg.PIN)) == 1
	x.tries--
	if right {
		x.tries = optee.UITries
	}
	p[0].A, p[0].B = 0, uint32(x.tries)
	if right {
		p[0].A = 1
	}
	x.hide()
	return optee.Success
}
