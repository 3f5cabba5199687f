// Package bus is the one path to memory of a machine.
//
// What enters is a transaction: address, size, read or write, and the attributes of the master that issued it ([Attr]: security
// state, privilege, NSAID). What leaves is data and a [Response]. Memory regions may be marked as filtered: a [Filter] (the
// TZC-400 model) then decides each transaction, and nothing else does. The CPU, DMA masters, the image loader, the secure
// world and the Go normal world all come through here, each with its own attributes; a [Port] is a master's view of the bus
// with its attributes fixed.
//
// The model follows the AMBA AXI protocol (IHI 0022): AxPROT[1] is the security state, responses are OKAY, SLVERR and
// DECERR. NSAIDs are those of the TZC-400 (DDI 0504, section 2.2).
//
// Read bus.go first, then ram.go and array.go.
package bus
