// Package testsp is a secure partition for tests: on command it echoes messages, borrows memory and gives it back, reads and writes
// it, sets notifications, sends indirect messages, yields, and asks for more than it was offered. Conformance suites and
// bare-metal images drive it; nothing of it is meant for other clients.
//
// What enters is direct requests of the normal world; what leaves is responses, and what it asks the SPMC for. The partition is
// one state machine behind the interface of package spmc; it keeps no goroutines and no maps. Two instances stand in the
// configuration secureworld.TestConfig (manifests test-first.json and test-second.json of package manifest), found by UUID:
// 3e9a1b64-7c50-4d0e-9f41-5d2b8a6c1f01 has FF-A 1.2, an execution context for each processor, a second protocol
// (3e9a1b64-7c50-4d0e-9f41-5d2b8a6c1f11) that takes direct requests only, and hears of VMs; 3e9a1b64-7c50-4d0e-9f41-5d2b8a6c1f02
// has FF-A 1.1, one execution context, no FFA_MSG_SEND_DIRECT_REQ2, and borrows at most 4 regions of 1024 pages together.
//
// # Commands
//
// A request has the command in w3 and arguments in w4 to w7; the response has a status in w3, 0 or an FF-A error code as a 32-bit
// number, and results in w4 to w7. 64-bit numbers stand in two words, the lower one first, also in SMC64 requests. With
// FFA_MSG_SEND_DIRECT_REQ2 everything is one register higher (command and status in x4), and x9 to x17 come back as they are.
// Commands that are not listed, and reserved bits, are INVALID_PARAMETERS.
//
//	number            arguments                                      results
//	0 Echo            any w4-w7                                      the same
//	1 Identify                                                       w4 = identifier<<16 | execution context, w5 = 'GHTP' as a
//	                                                                 little-endian word, w6 = version of this table: 1
//	2 Retrieve        w4, w5 handle, w6 flags, w7 request            w4, w5 size in bytes, w6 permissions, w7 ranges
//	3 Relinquish      w4, w5 handle, w6 flags
//	4 Read            w4, w5 handle, w6 offset                       w4, w5 eight bytes from there
//	5 Write           w4, w5 handle, w6 offset, w7 value             (writes four bytes)
//	6 Fill            w4, w5 handle, w6 offset, w7 = length<<8 | byte; length 0: to the end
//	7 Check           the same                                       w4 = bytes that differ, w5 = offset of the first
//	8 Checksum        w4, w5 handle, w6 offset, w7 length, 0: to the end      w4 = CRC-32 (IEEE)
//	9 Compare         w4, w5 and w6, w7 two handles of equal size    w4 = bytes that differ, w5 = offset of the first
//	10 Bind           w4 = sender<<16 | flags, w5 0, w6, w7 bitmap   bit 0 for each vCPU, bit 1 unbind
//	11 Notify         w4 = vcpu<<16 | receiver, w5 flags, w6, w7 bitmap       flags of FFA_NOTIFICATION_SET
//	12 Get            w4 = vcpu, w5 flags                            flags of FFA_NOTIFICATION_GET, one of them; w4, w5 bitmap
//	13 Send           w4 = receiver, w5 length, w6 = first byte, w7 flags     bit 0: with its UUID, bit 1: delay the interrupt;
//	                                                                 the bytes count up
//	14 Message                                                       w4 = sender, w5 length, w6 = CRC-32, w7 = first four
//	                                                                 bytes; NO_DATA where the RX buffer is empty
//	15 Release                                                       releases the RX buffer
//	16 Suspend        w4 times FFA_YIELD, w5 times FFA_INTERRUPT, w6, w7 any  then w4, w5 = w6, w7 of the request
//	17 Fail           w4 = FF-A error code                           none: the request is answered with FFA_ERROR
//	18 Log            w4-w7 up to 16 characters, up to the first NUL
//	19 Policy         w4 error code, w5 = write<<16 | read           offers of memory are refused with the code, 0 for none; the
//	                                                                 masters of the masks, which are not the processors, keep
//	                                                                 access to what is lent
//	20 Seen           w4 = what: see below                           w4, w5 a number
//
// Retrieve asks as it is offered where w7 is 0. Else w7 holds in bits 3:0 the memory access permissions, in 31:16 the memory
// region attributes, and: bit 4 its own entry only, with the flag that allows that; bit 5 its own entry only, without; bit 6 another
// tag than the sender's; bit 7 another sender; bit 8 with a range of addresses; bit 9 another implementation defined value;
// bit 10 the entries of other borrowers with write permission. Memory that was donated keeps its handle in these commands
// after the handle is gone elsewhere; at most 8 donations are kept.
//
// FFA_RUN of a context that waits lets the partition look at what is pending: it takes its notifications and adds them to
// those of Seen; it takes the message out of its RX buffer and, where its first byte is 'E', sends it back. Seen gives in turn:
// 0 notifications from SPs, 1 from VMs, 2 of the framework (SPM, and the hypervisor in the upper word), 3 how often it was run,
// 4 messages taken, 5 status of the last one sent back, 6 VMs created, 7 VMs destroyed, 8 the VM told of last.
//
// Read partition.go. Its tests stand in package secureworld, before an SPMC and memory.
package testsp
