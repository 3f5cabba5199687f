package pl061

import "gatehouse/platform/vtime"

// PressTime is how long, in ns, a key stays down: QEMU's gpio-key holds its line for 100 ms.
const PressTime = 100_000_000

// Key is a push button between a pin and the supply: the pin is high while the key is down.
type Key struct {
	gpio  *PL061
	pin   int
	clock *vtime.Clock
	timer *vtime.Timer
}

// NewKey connects a key to a pin, 0 to 7.
func NewKey(gpio *PL061, pin int, clock *vtime.Clock) *Key {
	k := &Key{gpio: gpio, pin: pin, clock: clock}
	k.timer = clock.NewTimer("gpio-key", k)
	return k
}

// Press holds the key down for PressTime from now on.
func (k *Key) Press() {
	k.gpio.SetInput(k.pin, true)
	k.timer.Set(k.clock.Now() + PressTime)
}

// Expire is called by the timer: the key is let go.
func (k *Key) Expire(*vtime.Timer, uint64) { k.gpio.SetInput(k.pin, false) }

// Reset lets the key go.
func (k *Key) Reset() {
	k.timer.Stop()
	k.gpio.SetInput(k.pin, false)
}
