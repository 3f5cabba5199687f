// Package transform models the board's picture engine: it scales, crops, rotates, converts colours, blends and fills.
//
// What enters and leaves is as package engine says, which describes the register block, the pictures and the course of a job. The
// engine's parameters are:
//
//	0x080 MODE       bit 0 A          there is a picture A in the foreground
//	                 bit 1 B          there is a picture B in the background, else FILL is there
//	                 bit 2 BILINEAR   how A is scaled, else the nearest pixel counts
//	                 bits 5:4 ROTATE  A is turned clockwise by 0, 90, 180 or 270 degrees
//	                 bit 6 PIXEL_ALPHA   the alpha of A's pixels counts; A is ARGB8888
//	                 bit 7 GLOBAL_ALPHA  ALPHA counts
//	0x084 ALPHA      bits 7:0 of what A's opacity is multiplied with, 255 being 1
//	0x088 FILL       bits 23:0 the colour of the background, as in XRGB8888
//	0x090 CROP_POS   bits 15:0 x, bits 31:16 y: where the part of A begins that is used
//	0x094 CROP_SIZE  bits 15:0 width, bits 31:16 height of that part; 0 stands for the whole picture
//	0x098 DEST_POS   where A goes in D, before the same fields
//	0x09C DEST_SIZE  the size that it gets there; 0 stands for the whole picture
//	0x100 A          picture (32 registers), any format
//	0x180 B          picture, any format but ARGB8888, of the size of D
//	0x200 D          picture that is written, any format but ARGB8888
//
// Buffers count from 0: the planes of A, of B, of D, as far as they take part. Reserved bits must be 0; a position without its
// picture, or a part that is not within its picture, is wrong.
//
// # What a pixel of D becomes
//
// All numbers are integers, and / rounds down.
//
//  1. The part of A is cut out and turned. W x H is its size then, w x h that of the place where it goes. A chroma sample holds
//     for all its pixels.
//  2. Pixel (x, y) of the place takes, without BILINEAR, pixel ((2x+1)W/(2w), (2y+1)H/(2h)). With BILINEAR it takes
//     u = (2x+1)W*256/(2w) - 128, at least 0 and at most 256(W-1), v likewise, and mixes the pixels (u/256, v/256) and their
//     neighbours to the right and below (at the edge: themselves) in each component, alpha too, with the fractions
//     f = u mod 256 and g = v mod 256:
//     (p00(256-f)(256-g) + p10 f(256-g) + p01(256-f)g + p11 fg + 32768) / 65536.
//  3. It is converted to the colours of D, as package devices/internal/pixel defines for each of the matrices; equal colour models
//     convert nothing. So is the background.
//  4. It is blended over the background with opacity a: 255, or ALPHA, or the alpha of the pixel, or
//     (2 ALPHA alpha + 255) / 510. Each component is (2(foreground a + background(255-a)) + 255) / 510.
//  5. It is stored. A chroma sample is (the sum of its four pixels + 2) / 4, where pixels beyond the edge count as their
//     neighbours inside. RGB565 gets the highest bits. The unused byte of XRGB8888 is 255.
//
// Every pixel of D is written. Without A and B the job fills D.
//
// Read transform.go.
package transform
