// Package usecase runs the use cases of protected memory on a normal world of package lab, the way user space would: buffers from
// dma-heaps, trusted applications through the TEE subsystem, V4L2-like and DRM-like devices, several buffers in flight.
//
//   - secure-video-playback: an encrypted clip -> decryption by a trusted application, or by the crypto engine with a wrapped key ->
//     decoder -> transform -> display. What the decoder says about each frame is normal memory for the processor.
//   - trusted-ui: a trusted application draws a PIN pad, only the display reads it, and the input device is the secure world's.
//   - secure-video-recording: camera -> transform -> encoder -> the crypto engine encrypts the bitstream into normal memory.
//   - crypto-keys: a key that a trusted application puts into protected memory is used by nobody else.
//
// What enters is a lab and [Options]; what leaves is a [Result]: what was shown, and, with a [Spy], who could touch each buffer at each
// stage, found by accesses of each master, beside who should have been able to: with the policy map that follows from what is
// mapped at that moment, with the others from the use case.
//
// Read usecase.go, then the file of a use case; clip.go has the format of clips.
package usecase
