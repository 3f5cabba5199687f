// Package camera models a camera that shows a test pattern, and writes its frames to the buffers that a driver queues.
//
// What enters and leaves is as package engine says, which describes the first part of the register block, the pictures and the course
// of a job: each frame is one. The parameters and the camera's own registers are:
//
//	0x080 PERIOD     RW  ns from one frame to the next; less than [MinPeriod] counts as that
//	0x100 D          RW  picture (32 registers): NV12, I420, RGB565 or XRGB8888
//	0x3C0 STREAM     RW  bit 0 ON: frames are taken
//	0x3C4 QUEUE      WO  queues a buffer, described by D as it stands now, with the written value as its tag
//	0x3C8 QUEUED     RO  buffers in the queue, 0 to [Depth]
//	0x3CC COMPLETED  RO  frames that are done and were not popped, 0 to Depth; the next five tell of the oldest one, else they are 0
//	0x3D0 TAG        RO  the buffer
//	0x3D4 RESULT     RO  the result of the job
//	0x3D8 FRAME      RO  the number of the frame
//	0x3DC TIME_LO    RO  when it was taken, in ns of virtual time
//	0x3E0 TIME_HI    RO
//	0x3E4 POP        WO  forgets the oldest frame that is done
//	0x3E8 OVERRUNS   RO  frames that were lost since reset
//	0x3EC NEXT       RO  the number of the next frame
//
// Interrupts beside those of package engine: bit 4 OVERRUN.
//
// While STREAM is on, a frame is taken at once and then each PERIOD (which is looked at after each frame). Frames are numbered from 0
// on since reset. A frame goes to the buffer that was queued first. It is lost, and OVERRUNS counts it, while no buffer is queued, the
// frame before is not done yet, or COMPLETED is Depth. A QUEUE while the queue is full changes nothing and raises REFUSED. A buffer
// whose description is wrong, or that the camera may not write, is completed with that RESULT; the next frame goes to the next one.
//
// Clearing STREAM aborts the frame that is being written, and empties the queue and what is completed. START takes a single frame
// to D, without a completion, if the camera is not busy; it has the number NEXT and counts as a frame. RESET clears all of the
// above too.
//
// # The pattern
//
// The picture has eight bars of the width W/8 (the last one takes the rest), from the left: white, yellow, cyan, green, magenta,
// red, blue and black, in 75% colours (191 or 0), white in 100%. A white box of the height and width of H/4 moves over them:
// its left edge is at 8 x frame mod W, its upper edge at 3H/8, and it ends at the right edge of the picture. Above, in the first
// H/8 rows (at least one), 32 cells of the width W/32 show the number of the frame in binary, its highest bit to the left: white
// for 1, black for 0, and black to the right of them. Colours are converted as package devices/internal/pixel defines.
//
// Read camera.go.
package camera
