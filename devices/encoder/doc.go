// Package encoder models the board's picture encoder: baseline JPEG (ITU-T T.81).
//
// What enters and leaves is as package engine says, which describes the register block, the buffers, the pictures and the course of
// a job. A job encodes one picture. The engine's parameters are:
//
//	0x080 QUALITY    1 to 100, as the IJG's library counts
//	0x100 A          picture (32 registers): NV12, I420, RGB565 or XRGB8888
//	0x180 S          buffer: room for the bitstream; at most engine.MaxStream bytes of it are used
//
// Buffers count from 0: the planes of A, S. Result:
//
//	0x040 LENGTH     bytes of the bitstream, also where A and S are PROTECTED: who stores an encrypted bitstream must know it
//
// The bitstream has three components with 4:2:0 sampling, in the colours of JFIF 1.02 (BT.601, full range). A's colours are converted
// to those as package devices/internal/pixel defines; chroma of RGB pictures is the mean of 2x2 pixels. A bitstream that does not fit
// into S is SHORT, and nothing of it is written.
//
// Read encoder.go.
package encoder
