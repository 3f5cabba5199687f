// Package guesttest holds no code, only tests: sessions with guests that others wrote, unmodified, through the gatehouse program's
// command line and serial port.
//
// What enters is U-Boot and the kernel of a Debian release, the kernel beside this repository, and an initial RAM disk made by
// u-root; what leaves is verdicts about the whole machine. Files that no Debian package installs are fetched by the scripts under
// images/scripts into the directory that GATEHOUSE_ASSETS names, by default gatehouse in the user's cache directory (docs/images.md).
//
// Read session_test.go, then uboot_test.go, debian_test.go, uroot_test.go. The program under init is process 1 of the Debian kernel.
package guesttest
