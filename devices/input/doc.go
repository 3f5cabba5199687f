// Package input models the board's input source: touches and keys that the host gives, for a driver that reads them one by one.
//
// What enters is register accesses, events from the host ([Input.Touch], [Input.Key]) and a script of events with their times; what
// leaves is register contents and an interrupt. The device is no master: its identity on the bus, NSAID 12, sends no transaction.
//
// # Registers
//
//	0x000 ID         RO   "GINP"
//	0x004 VERSION    RO   0x00010000
//	0x008 LOCK       RW   bit 0 SECURE: only secure transactions reach the rest of the registers; reset value 0
//	0x00C STATUS     RO   bits 7:0 events in the FIFO, 0 to [Depth]
//	0x010 INT_RAW    W1C  bit 0 EVENT: an event has come; bit 1 OVERRUN: one was lost
//	0x014 INT_MASK   RW   a bit that is set lets the interrupt through
//	0x018 INT_STATUS RO   INT_RAW & INT_MASK; the interrupt line is high while it is not 0
//	0x020 TYPE       RO   of the oldest event: bits 7:0 0 none, 1 touch, 2 key; bit 8 pressed; bits 31:16 its number, from 0 on
//	0x024 VALUE      RO   touch: bits 15:0 x, bits 31:16 y; key: its code (Linux, input-event-codes.h)
//	0x028 TIME_LO    RO   when it came, in ns of virtual time
//	0x02C TIME_HI    RO
//	0x030 POP        WO   forgets the oldest event
//	0x034 DROPPED    RO   events that were lost since the lock was changed
//	0x038 FLUSH      WO   forgets all events
//
// Accesses follow the conventions of package devices. A device does not pass on an event that comes while the FIFO is full: it counts
// it and raises OVERRUN.
//
// # The lock
//
// LOCK can be written by secure transactions only; others are answered with SLVERR. ID, VERSION and LOCK can be read by everybody.
// While SECURE is set, non-secure accesses to anything else are answered with SLVERR, read zero and change nothing.
//
// A change of the lock empties the FIFO and clears DROPPED, INT_RAW, INT_MASK and the numbers: what was entered for one world is not
// there for the other. The interrupt line tells that there is an event, to whom the interrupt controller routes it; secure software
// that hides that too makes the interrupt its own.
//
// Read input.go.
package input
