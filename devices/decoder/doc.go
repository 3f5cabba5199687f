// Package decoder models the board's stateless video decoder: baseline JPEG (ITU-T T.81) and VP8 key frames (RFC 6386).
//
// What enters and leaves is as package engine says, which describes the register block, the buffers, the pictures and the course of
// a job. A job decodes one frame. The engine's parameters are:
//
//	0x080 CODEC      1 JPEG, 2 VP8
//	0x084 MODE       bit 0 PROBE: only the headers are looked at, there is no picture D
//	                 bit 1 META: the record M is written
//	0x100 S          buffer: the bitstream of one frame, at most engine.MaxStream bytes. JPEG: from SOI on, what follows EOI is
//	                 ignored. VP8: the frame as containers hold it, from the frame tag on
//	0x120 M          buffer: room for the record, at least 64 bytes
//	0x180 D          picture that is written: NV12, I420, RGB565 or XRGB8888, of the size that the headers say
//
// Buffers count from 0: S, the planes of D, M, as far as they take part. Results:
//
//	0x040 SIZE       bits 15:0 width, bits 31:16 height
//	0x044 SAMPLING   0x400 (no colour), 0x420, 0x422, 0x440, 0x444, 0x411, 0x410
//	0x048 USED       bytes of the bitstream up to its end: JPEG EOI included, VP8 all
//	0x04C HEADERS    bytes of headers: JPEG up to the first scan's data, VP8 frame tag, start code and size
//
// # The record
//
// M takes 16 words: 0 the magic number "GMET", 1 CODEC, 2 to 5 the results above, 6 a sum over what the coefficients are quantised
// with (JPEG: the 64 entries of the first table; VP8: 0), 7 JPEG the restart interval, VP8 the version of the frame's tag, 8 the
// number of scans (VP8: 1), 9 to 15 zero. It is written after the picture.
//
// A driver of a stateless decoder reads such a record with the CPU. M may therefore be ordinary memory while S and D are PROTECTED.
// Then it must not say what was read: whoever puts the bitstream together of pieces could make any bytes of protected memory a header.
// With S in protected memory, words 3 to 8 are 0, as are the results from SAMPLING on, and with PROBE SIZE is 0 too: what is left are numbers
// that the job's parameters had.
//
// # Pictures
//
// JPEG has the colours of BT.601 in full range (JFIF 1.02), VP8 those of BT.601 in limited range (RFC 6386, 9.2). They are converted
// to the colours of D as package devices/internal/pixel defines. A chroma sample holds for all its pixels; D gets the mean of its 2x2
// pixels, so that a 4:2:0 bitstream reaches NV12 and I420 of the same colours sample by sample. No colour is 128.
//
// # What is refused
//
//   - UNSUPPORTED: JPEG that is not baseline with 8 bits and 1 or 3 components in YCbCr, or has more than [MaxScans] scans; VP8
//     frames that are not key frames or of a version above 3; pictures beyond the limits of package engine.
//   - CORRUPT: headers and data that are wrong, or end too early.
//   - MISMATCH: D has another size than the bitstream.
//
// In all these cases nothing is written.
//
// Read decoder.go, then stream.go (the headers) and frame.go.
package decoder
