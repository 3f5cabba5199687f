// Package engine is what the board's media engines have in common: the first part of their register block, the lists of memory
// that they work on, and the course of a job in virtual time. decoder, transform, encoder and camera build on it.
//
// What enters is register accesses and virtual time; what leaves is transactions on the engine's bus port, an interrupt and
// events. The register block is this board's own; all addresses are physical, all words little-endian, lengths in bytes.
//
// # Registers
//
//	0x000 ID            RO   which engine it is
//	0x004 VERSION       RO   0x00010000
//	0x008 CONTROL       WO   bit 0 START, bit 1 ABORT, bit 2 RESET; the highest one set counts
//	0x00C STATUS        RO   bit 0 BUSY, bits 15:8 RESULT of the last job
//	0x010 INT_RAW       W1C  bit 0 DONE, bit 1 ERROR, bit 2 ABORTED, bit 3 REFUSED, bits 7:4 the engine's own
//	0x014 INT_MASK      RW   a bit that is set lets the interrupt through
//	0x018 INT_STATUS    RO   INT_RAW & INT_MASK; the interrupt line is high while it is not 0
//	0x020 FAULT_ADDR_LO RO   the address of the access that failed
//	0x024 FAULT_ADDR_HI RO
//	0x028 FAULT_INFO    RO   bit 0 VALID, bit 1 WRITE, bit 2 LIST (an entry of a list was read), bit 3 PROTECTED, bits 5:4 the
//	                         AXI response (2 SLVERR, 3 DECERR), bits 15:8 the buffer, counted as the engine's documentation lists them
//	0x030 BYTES_READ    RO   by the last job, lists included
//	0x034 BYTES_WRITTEN RO   by the last job
//	0x038 JOBS          RO   jobs started since reset
//	0x03C ELAPSED       RO   ns of virtual time that the last job took, at most 2^32-1
//	0x040 to 0x07C      RO   results of the engine; 0 after START and after a job that failed
//	0x080 to 0x3FC      RW   the parameters of a job, 0 after reset
//
// Accesses follow the conventions of package devices. Any master may program an engine, secure or not; its own transactions are
// always non-secure.
//
// START takes a copy of the parameters: writes to them while a job runs concern the next one. A job with wrong parameters ends
// at once with ERROR. START while BUSY changes nothing but REFUSED. ABORT ends a job where it is, with ABORTED; without a job
// it does nothing. RESET gives the state after power-on.
//
// # Buffers
//
// A buffer is a run of bytes in memory, described by a block of eight registers:
//
//	+0x00 ADDR_LO   of the memory, or of the list
//	+0x04 ADDR_HI
//	+0x08 KIND      bits 7:0: 0 memory at ADDR, 1 a list of 8-byte entries, 2 a list of 16-byte entries. bit 8 PROTECTED picks the
//	                identity, see below
//	+0x0C OFFSET    bytes of the memory that come before the buffer
//	+0x10 STRIDE    bytes from one row of a picture to the next; 0 stands for rows without gaps
//	+0x14 LENGTH    the most bytes that the job may use from OFFSET on; 0 sets no limit
//
// A list makes one run of bytes of pieces of memory. Its entries are, from its lowest address on, which is a multiple of 8:
//
//	KIND 1  word 0 address, word 1 length in bits 29:0 and flags in bits 31:30
//	KIND 2  words 0 and 1 address, word 2 length, word 3 flags in bits 31:30
//
// Flag bit 31 is LAST: the list ends with this entry. Flag bit 30 is LINK: the entry is no piece; the list goes on at its address,
// and its length is ignored. LINK and LAST exclude each other. A list has at most [MaxEntries] entries, links included, which is
// what ends a loop. Pieces have at least one byte and end within the address space of 48 bits.
//
// A picture is described by a block of 32 registers: FORMAT, SIZE, six that are reserved, and a buffer for each plane:
//
//	+0x00 FORMAT  bits 7:0 1 NV12, 2 I420, 3 RGB565, 4 XRGB8888, 5 ARGB8888; bits 9:8 colour of NV12 and I420: 0 BT.601 limited
//	              range, 1 BT.709 limited, 2 BT.601 full, 3 BT.709 full
//	+0x04 SIZE    bits 15:0 width, bits 31:16 height, in pixels: 1 to [MaxSide] each, at most [MaxPixels] together
//	+0x20, +0x40, +0x60 planes
//
// OFFSET and STRIDE of a plane are multiples of the bytes of its sample (2 for the chroma of NV12).
//
// # Identities
//
// An engine has two identities, both non-secure:
//
//	ORDINARY   NSAID 0: only to memory that all masters have access to
//	PROTECTED  the engine's own NSAID, which has no access to ordinary memory: only to protected memory that admits the engine
//
// The bytes of a buffer are accessed with the one that its KIND picks. Lists are always read with ORDINARY: of protected memory that was
// read as a list, FAULT_ADDR would tell. Decisions about memory stay those of the address space controller: a buffer that is described
// with the wrong identity is a FAULT.
//
// What is PROTECTED comes out PROTECTED: a job with such an input and another output is refused with IDENTITY at START, before anything is
// read. So whoever programs an engine, and whatever addresses it names, the engine copies nothing from protected into ordinary memory.
// Ordinary inputs may become protected outputs. The only output that is excepted is one whose bytes follow from the job's parameters (the
// decoder's record).
//
// What the normal world does learn of a job on protected memory is how it ended and what this board's documentation says of its results:
// a RESULT such as CORRUPT says something about what was read, the length of an encoder's bitstream too. No register holds what was read.
//
// # A job
//
// A job has phases, in this order, each of which takes virtual time:
//
//  1. The lists are read, in the order of the buffers.
//  2. All input is read, in the same order, [Chunk] bytes at a moment.
//  3. The engine computes.
//  4. All output is written, likewise.
//
// The firewall decides on each access when it is made. An access that is refused, or for which no memory answers (an engine reaches
// memory only, no device), ends the job with ERROR and RESULT FAULT. It follows what is written:
//   - Nothing, where the lists or the input could not be read: output is computed from the job's whole input or not at all.
//   - Where a write fails or the job is aborted, the bytes before it, in the order of the buffers and from row to row. They are
//     what the whole job would have written there. Bytes between the rows are never written.
//   - Never anything of another job: an engine keeps no data from one job to the next.
//
// Where the firewall is set to answer denied accesses with OKAY, no master can see the denial: it reads zeros, and its writes
// are lost.
//
// The bytes of an output must not overlap another buffer of the job, nor each other; where the lists stand counts as well. All
// bytes from the first row to the end of the last one count, so that two pictures whose rows alternate in memory overlap.
//
// # Results
//
//	0 NONE         no job has ended since START or reset
//	1 OK
//	2 FAULT        an access failed; FAULT_ADDR and FAULT_INFO say which
//	3 PARAMETER    a register has a value that is not allowed
//	4 LIST         a list is malformed, has too many entries or a loop
//	5 OVERLAP      output overlaps
//	6 SHORT        a buffer is too short for what it must hold
//	7 CORRUPT      the bitstream is not what its format says
//	8 UNSUPPORTED  the bitstream has a feature that the engine lacks
//	9 MISMATCH     the picture in the bitstream is not of the size that the parameters say
//	10 ABORTED
//	12 IDENTITY    input is PROTECTED and output is not
//
// # Time
//
// A job takes [Latency], [EntryTime] for each entry of a list, a time for each chunk that follows from [Bandwidth], and what the
// engine takes to compute.
//
// Read registers.go, then engine.go (identities, register file and course of a job), buffer.go (lists) and picture.go.
package engine
