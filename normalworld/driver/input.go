package driver

import (
	"gatehouse/normalworld"
)

// The input source (package devices/input).
const (
	inputBase = 0x0b17_0000
	inputSPI  = 137
	inputID   = 0x4749_4e50 // "GINP"

	inID      = 0x000
	inLock    = 0x008
	inStatus  = 0x00c
	inIntRaw  = 0x010
	inIntMask = 0x014
	inType    = 0x020
	inValue   = 0x024
	inTime    = 0x028 // two words
	inPop     = 0x030
)

// InputEvent is a touch or a key.
type InputEvent struct {
	Key, Pressed bool
	X, Y         uint16 // of a touch
	Code         uint32 // of a key (Linux, input-event-codes.h)
	Number       uint16
	Time         uint64 // ns of virtual time
}

// InputHandler hears of events.
type InputHandler interface{ Input(e InputEvent) }

// Input drives the input source while the secure world does not hold it.
type Input struct {
	// Events is told of each event; nil for nobody.
	Events InputHandler

	k *normalworld.Kernel
}

// NewInput finds the source.
func NewInput(k *normalworld.Kernel) (*Input, error) {
	v, err := k.Load(inputBase+inID, 4)
	if err != nil {
		return nil, err
	}
	if v != inputID {
		return nil, normalworld.ENODEV
	}
	in := &Input{k: k}
	if err := in.Listen(); err != nil && !in.Locked() {
		return nil, err
	}
	return in, k.RequestIRQ(inputSPI+32, in)
}

// Locked reports whether the secure world holds the source.
func (in *Input) Locked() bool {
	v, err := in.k.Load(inputBase+inLock, 4)
	return err == nil && v&1 != 0
}

// Listen lets the interrupt through, which a change of the lock has cut off: an error while the secure world holds the source.
func (in *Input) Listen() error { return in.k.Store(inputBase+inIntMask, 4, 3) }

// Close gives the interrupt back.
func (in *Input) Close() error {
	in.k.FreeIRQ(inputSPI + 32)
	if in.Locked() {
		return nil
	}
	return in.k.Store(inputBase+inIntMask, 4, 0)
}

// Read takes the oldest event: EAGAIN where there is none, an error that wraps EFAULT while the secure world holds the source.
func (in *Input) Read() (InputEvent, error) {
	var words [4]uint64
	for i, off := range []uint64{inType, inValue, inTime, inTime + 4} {
		v, err := in.k.Load(inputBase+off, 4)
		if err != nil {
			return InputEvent{}, err
		}
		words[i] = v
	}
	if words[0]&0xff == 0 {
		return InputEvent{}, normalworld.EAGAIN
	}
	e := InputEvent{Key: words[0]&0xff == 2, Pressed: words[0]&0x100 != 0, Number: uint16(words[0] >> 16), Time: words[2] | words[3]<<32}
	if e.Key {
		e.Code = uint32(words[1])
	} else {
		e.X, e.Y = uint16(words[1]), uint16(words[1]>>16)
	}
	return e, in.k.Store(inputBase+inPop, 4, 1)
}

// Interrupt takes all events. See normalworld.InterruptHandler.
func (in *Input) Interrupt(uint32) {
	raw, err := in.k.Load(inputBase+inIntRaw, 4)
	if err != nil || in.k.Store(inputBase+inIntRaw, 4, raw) != nil {
		return
	}
	for {
		e, err := in.Read()
		if err != nil {
			return
		}
		if in.Events != nil {
			in.Events.Input(e)
		}
	}
}
