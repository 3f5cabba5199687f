// Package crypto models the board's crypto engine: AES in counter and cipher block chaining mode over scatter lists, with keys that
// only the secure world can load. AES is that of the standard library.
//
// What enters is register accesses and virtual time; what leaves is transactions on the engine's bus ports, an interrupt and events.
// The register block is this board's own. It begins like that of package engine, and its lists and buffers are those of that
// package: all addresses are physical, all words little-endian, lengths in bytes. Accesses follow the conventions of package
// devices.
//
// # Banks
//
// There are two register banks, each with a job of its own. The normal bank at 0x0000 is for everybody, the secure bank at 0x1000
// for secure transactions; others to it are answered with DECERR. The engine works at one step of one job at a time, and takes
// one of the secure bank first.
//
//	0x000 ID            RO   0x41455300
//	0x004 VERSION       RO   0x00010000
//	0x008 CONTROL       WO   bit 0 START, bit 1 ABORT, bit 2 RESET; the highest one set counts. They concern the bank
//	0x00C STATUS        RO   bit 0 BUSY, bit 1 LOCKED, bits 15:8 RESULT of the last job
//	0x010 INT_RAW       W1C  bit 0 DONE, bit 1 ERROR, bit 2 ABORTED, bit 3 REFUSED
//	0x014 INT_MASK      RW   a bit that is set lets the interrupt through
//	0x018 INT_STATUS    RO   INT_RAW & INT_MASK; the interrupt line is high while that of the normal bank is not 0. The secure
//	                         bank has no line
//	0x020 FAULT_ADDR_LO RO   the address of the access that failed
//	0x024 FAULT_ADDR_HI RO
//	0x028 FAULT_INFO    RO   bit 0 VALID, bit 1 WRITE, bit 2 LIST (an entry of a list was read), bits 5:4 the AXI response (2 SLVERR,
//	                         3 DECERR), bits 15:8 the buffer: 0 source, 1 destination
//	0x030 BYTES_READ    RO   of the source, by the last job
//	0x034 BYTES_WRITTEN RO   by the last job
//	0x038 JOBS          RO   jobs started since reset
//	0x03C ELAPSED       RO   ns of virtual time that the last job took, at most 2^32-1
//	0x080 MODE          RW   bit 0: 0 CTR, 1 CBC. bit 4 DECRYPT. bit 8 CONTINUE. bit 9 COUNTER64
//	0x084 SLOT          RW   key slot
//	0x088 LENGTH        RW   of the job: 1 to [MaxLength], with CBC whole blocks of 16
//	0x08C IDENTITY      RW   secure bank only: bits 1:0 of the source, 5:4 of the destination, 9:8 of the lists, see below
//	0x090 IV0 to IV3    RW   octets 4n to 4n+3 of the initial counter block or initialisation vector, the first in bits 7:0
//	0x0C0 SOURCE        RW   six registers: ADDR_LO, ADDR_HI, KIND, OFFSET, one that is reserved, LENGTH; package engine, Buffers
//	0x0E0 DESTINATION   RW   likewise
//	0x100 SLOT_ATTR     RO   [Slots] registers: KEY_ATTR of each slot, with bit 31 VALID; in the normal bank 0 for slots that it may
//	                         not use
//
// Only in the secure bank:
//
//	0x200 LOCK          RW   bit 0: the normal bank is locked
//	0x204 KEY_SLOT      RW   slot that KEY_COMMAND is about
//	0x208 KEY_ATTR      RW   what LOAD gives the slot, see below
//	0x20C KEY_COMMAND   WO   1 LOAD, 2 CLEAR, 3 CLEAR_ALL
//	0x210 KEY_STATUS    RO   of the last command: 0 done, 1 refused
//	0x220 KEY0 to KEY7  WO   octets 4n to 4n+3 of the key, the first in bits 7:0. LOAD takes and clears them
//
// Setting LOCK aborts the job of the normal bank; START there is REFUSED while it is set.
//
// # Key slots
//
// KEY_ATTR says what a slot's key may be used for. No register gives a key back.
//
//	bits 1:0  size: 0 128 bits, 1 192, 2 256
//	bit 4     NORMAL: the normal bank may use the slot. What follows confines its jobs, not those of the secure bank:
//	bit 5     ENCRYPT allowed
//	bit 6     DECRYPT allowed. In counter mode both are one operation, so that either bit allows both
//	bit 7     COUNTER mode allowed
//	bit 8     CHAINING mode allowed
//	bit 9     COPY allowed: entries of the source may have the flag COPY
//	bits 17:16 identity of reads of the source, see below
//	bits 21:20 identity of writes to the destination
//
// LOAD is refused for a slot that does not exist, for other bits, and for size 3. Loading or clearing a slot aborts a job that uses
// it.
//
// # Identities
//
// The engine has one secure and three non-secure identities:
//
//	0 NORMAL     NSAID 3, the engine's own: what the address space controller admits it to
//	1 PROTECTED  NSAID 13, which has no access to ordinary memory: only to protected memory that admits the engine
//	2 ORDINARY   NSAID 0: only to memory that all masters have access to
//	3 SECURE     secure transactions, for the secure bank only
//
// A slot whose key decrypts protected content has PROTECTED as the identity of the destination: a job of the normal world then writes
// nowhere where the normal world could read it, whatever addresses it names. Decisions about memory stay those of the controller.
// Lists of the normal bank are read with ORDINARY: of protected memory that was read as a list, FAULT_ADDR would tell.
//
// # A job
//
// START takes a copy of the parameters, reads the lists and then works in steps of at most [Chunk] bytes: a step reads, computes
// and writes, so that source and destination may be the same memory, and bytes that a step writes are not seen by it. Octets of the
// destination come in the order of those of the source. START while BUSY changes nothing but REFUSED. ABORT ends a job where it is.
// RESET gives the bank the state after power-on and leaves slots and LOCK as they are.
//
// An access that is refused, or for which no memory answers, ends the job with ERROR and result FAULT. Of the step at hand nothing
// is written where a read fails; where a write fails, the bytes before it stay. What was written is what the whole job would
// have written there: results of octets that were read with success. Where the firewall is set to answer denied accesses with
// OKAY no master can see the denial: it reads zeros, and its writes are lost.
//
// In counter mode the block counter is the last 8 octets with COUNTER64, as Common Encryption has it, or else all 16; it wraps
// without a carry. A list entry of the source with flag COPY (bit 29) is copied unchanged and uses up no key stream. With KIND 1 lengths
// have 29 bits, since the flag takes one.
//
// CONTINUE goes on with the counter or the last block of the bank's last job, instead of IV. It needs that this job succeeded, with
// the same key, mode and direction; anything else is a wrong parameter. The chain itself cannot be read: it may be a block of
// protected memory.
//
// # Results
//
//	0 NONE, 1 OK, 2 FAULT, 3 PARAMETER, 4 LIST, 6 SHORT (a list is shorter than LENGTH) and 10 ABORTED as in package engine
//	11 KEY  the slot is empty, or its attributes do not allow the job
//
// # Time
//
// A job takes [Latency], [EntryTime] for each entry of a list, and a time for each step that follows from [Bandwidth].
//
// Read registers.go, then crypto.go (banks and key slots), then job.go.
package crypto
