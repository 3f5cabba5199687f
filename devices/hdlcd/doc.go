// Package hdlcd models the Arm HDLCD display controller (Arm DUI 0604, appendix B), as Linux's drivers/gpu/drm/arm programs it.
//
// What enters is register accesses and virtual time; what leaves is reads of the frame buffer on the controller's bus port, an
// interrupt, events, and the frames that the display shows: [HDLCD.Frame] gives the last one, and a [Sink] gets each.
//
// # Registers
//
//	0x000 VERSION        RO   0x1CDC0000
//	0x010 INT_RAWSTAT    W1S  bit 0 DMA_END, bit 1 BUS_ERROR, bit 2 VSYNC, bit 3 UNDERRUN
//	0x014 INT_CLEAR      WO   clears the bits of INT_RAWSTAT that are written as 1
//	0x018 INT_MASK       RW   a bit that is set lets the interrupt through
//	0x01C INT_STATUS     RO   INT_RAWSTAT & INT_MASK; the interrupt line is high while it is not 0
//	0x100 FB_BASE        RW   address, a multiple of 8
//	0x104 FB_LINE_LENGTH RW   bytes
//	0x108 FB_LINE_COUNT  RW   lines less 1, 12 bits
//	0x10C FB_LINE_PITCH  RW   bytes, signed
//	0x110 BUS_OPTIONS    RW   bits 11:8 MAX_OUTSTANDING, bits 4:0 burst lengths; 0x408 after reset
//	0x200 V_SYNC         RW   lines less 1, 12 bits; so 0x204 V_BACK_PORCH, 0x208 V_DATA, 0x20C V_FRONT_PORCH
//	0x210 H_SYNC         RW   pixels less 1, 12 bits; so 0x214 H_BACK_PORCH, 0x218 H_DATA, 0x21C H_FRONT_PORCH
//	0x220 POLARITIES     RW   5 bits, without effect
//	0x230 COMMAND        RW   bit 0 ENABLE
//	0x240 PIXEL_FORMAT   RW   bit 31 BIG_ENDIAN, bits 4:3 bytes of a pixel less 1
//	0x244 RED_SELECT     RW   bits 23:16 default colour, bits 11:8 size, bits 4:0 lowest bit; so 0x248 GREEN_SELECT, 0x24C BLUE_SELECT
//
// Those without a reset value are 0. Accesses follow the conventions of package devices.
//
// # Scan-out
//
// While COMMAND enables the controller it shows frames one after the other. A frame takes, in lines: vertical sync, back porch,
// data, front porch; a line takes the same four in pixels; each is its register plus 1. The pixel clock is not the controller's
// own: it is [HDLCD.PixelClock] hertz. A frame takes [MinFrame] at least, with a longer front porch if need be.
//
//   - At the begin of vertical sync all registers are taken over for the frame, and VSYNC is raised.
//   - The frame buffer is read, [Band] lines of the display at a time, when the first of those lines is due. What is read is a
//     stream of pixels: FB_LINE_LENGTH bytes at FB_BASE, then as many FB_LINE_PITCH (signed) behind, for FB_LINE_COUNT + 1 lines.
//     (The manual does not say that 1 is added; Linux writes the number of lines less 1.) Addresses have 32 bits and wrap.
//   - After the last line of data DMA_END is raised if the frame was read to its end, and the display has the frame.
//
// The colours of a pixel are cut out of its little-endian or big-endian word as the SELECT registers say; fewer than 8 bits are
// repeated until there are 8. A colour of size 0 is its default; sizes above 8 count as 8.
//
// # What goes wrong
//
// A read that is refused, or that no memory answers, raises BUS_ERROR. The controller reads no more of this frame, and tries again
// with the next one. A line of which a byte could not be read shows the default colour, and so does all of the frame below it:
// of a frame that the display may not read at all no pixel is shown. UNDERRUN is raised whenever the stream ends before the
// frame, as after a bus error, and where the frame buffer cannot be read in time. That is the case where MAX_OUTSTANDING is 0, or
// where the reads for a line take longer than the line, at [FetchTime] for each run of bytes and [Bandwidth] in each.
//
// A disabled controller stops at once. It shows nothing more, and the last whole frame stays what Frame gives until a reset.
//
// Read registers.go, then hdlcd.go (the register file), then scan.go.
package hdlcd
