// Package loader reads kernel files as QEMU's virt board does, so that an image made for that board boots here unchanged.
//
// What enters is a file's bytes and the range of RAM; what leaves is an [Image]: the segments to copy into memory, the entry
// address, and whether the Linux boot protocol applies. [Image.Place] then says where the initrd and the device tree go. The
// package copies nothing into memory and keeps nothing: the board does both. Files are hostile: every offset, size and count is
// checked before use, and what a compressed file may inflate to is limited.
//
// Formats: ELF64 (System V gABI, chapters 4 and 5; ELF for the Arm 64-bit Architecture, IHI 0056), the arm64 Image (Linux,
// Documentation/arch/arm64/booting.rst), the same under gzip (RFC 1952) or in an EFI zboot wrapper, and raw code.
//
// What virt does is in QEMU's hw/arm/boot.c: the table of it stands in place.go. Read loader.go first, then elf.go,
// linux.go and place.go.
package loader
