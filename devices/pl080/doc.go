// Package pl080 models the PrimeCell DMA Controller PL080 (Arm DDI 0196): eight channels, linked lists, two AHB masters.
//
// What enters is register accesses, software requests and virtual time; what leaves is transactions on the bus port that the board
// gave it, the combined interrupt DMACINTR, and events. A transfer is spread over virtual time step by step: a step moves at most
// [Chunk] bytes, within one page at the source and one at the destination, and the bus decides on it when it moves. Memory that is
// taken from the controller in the middle of a transfer is therefore lost to the rest of that transfer and not to what came
// before. Steps of the channels take turns on the bus, the lowest channel number first.
//
// Where the manual leaves a result unpredictable:
//   - Address bits below the width of the transfer are ignored.
//   - A reserved width stops the channel with an error.
//   - A transfer size of 0 with the DMAC as flow controller moves nothing and is complete.
//   - Where the bytes of an item are no multiple of the destination width, the last ones are written one by one.
//   - A transfer reads at most the 16 bytes of the channel's FIFO before it writes them, which shows where source and
//     destination overlap.
//   - Clearing the enable bit of the controller stops all channels where they are; setting it lets them go on.
//
// A big-endian master swaps the bytes of each unit of the width that it transfers. No peripheral is wired to the request
// inputs: the peripheral flows run on the software request registers. Protection and lock bits hold what is written; the
// port's attributes are fixed. The integration test registers are not there.
//
// Read registers.go first, then pl080.go (the register file), then transfer.go (the channels).
package pl080
