package virtio

import "gatehouse/platform/bus"

// Slots are the board's transports side by side, as one bus.Device of Size bytes.
type Slots [NumSlots]*Transport

// Reset resets every slot.
func (s *Slots) Reset() {
	for _, t := range s {
		t.Reset()
	}
}

// Read gives a register of the slot at off.
func (s *Slots) Read(off uint64, size int, a bus.Attr) (uint64, bus.Response) {
	if off >= Size {
		return 0, bus.DECERR
	}
	return s[off/SlotSize].Read(off%SlotSize, size, a)
}

// Write sets a register of the slot at off.
func (s *Slots) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	if off >= Size {
		return bus.DECERR
	}
	return s[off/SlotSize].Write(off%SlotSize, size, v, a)
}
