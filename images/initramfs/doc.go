// Package initramfs makes initial RAM file systems for Linux guests: cpio archives in the newc format
// (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
//
// What enters is the program that becomes /init, or the path of a Go package to build it from, and other files; what leaves is the
// archive, to be given to -initrd. The archive has the directories that an init program mounts file systems on, and /dev/console,
// without which the kernel gives it no standard output. The same files make the same bytes.
//
// Read initramfs.go; the guest programs of this repository are under images/guest.
package initramfs
