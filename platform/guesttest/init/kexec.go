//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/u-root/u-root/pkg/dt"
	"golang.org/x/sys/unix"
)

// Where the next kernel's parts go: free memory of a guest with 512 MiB.
const (
	kexecKernel  = 0x4800_0000
	kexecTree    = 0x4c00_0000
	kexecInitrd  = 0x4d00_0000
	kexecProgram = 0x4f00_0000

	kexecArchAArch64 = 183 << 16 // Linux, include/uapi/linux/kexec.h

	page = 4096
)

// segment is a part of what kexec_load takes: data, and the place that it is copied to when the kernel starts the next one.
type segment struct {
	data []byte
	at   uint64
}

// kexec starts another kernel, with another initial RAM disk, in place of this one.
func kexec(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want a kernel and an initial RAM disk, got %d arguments", len(args))
	}
	kernel, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	initrd, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	f, err := os.Open("/sys/firmware/fdt")
	if err != nil {
		return err
	}
	defer f.Close()
	tree, err := dt.ReadFDT(f)
	if err != nil {
		return err
	}
	chosen, ok := tree.RootNode.LookupChildByName("chosen")
	if !ok {
		return fmt.Errorf("the device tree has no /chosen")
	}
	chosen.Update(dt.PropertyU64("linux,initrd-start", kexecInitrd))
	chosen.Update(dt.PropertyU64("linux,initrd-end", kexecInitrd+uint64(len(initrd))))
	var blob bytes.Buffer
	if _, err := tree.Write(&blob); err != nil {
		return err
	}
	// The kernel starts a program of ours with the MMU off; it has to fill the registers as the boot protocol wants them.
	var program []byte
	for _, w := range []uint32{
		0x580000d1, // LDR X17, the kernel
		0x580000e0, // LDR X0, the tree
		0xaa1f03e1, // MOV X1, XZR
		0xaa1f03e2, // MOV X2, XZR
		0xaa1f03e3, // MOV X3, XZR
		0xd61f0220, // BR X17
	} {
		program = binary.LittleEndian.AppendUint32(program, w)
	}
	program = binary.LittleEndian.AppendUint64(program, kexecKernel)
	program = binary.LittleEndian.AppendUint64(program, kexecTree)
	size := uint64(len(kernel))
	if len(kernel) >= 24 {
		size = max(size, binary.LittleEndian.Uint64(kernel[16:])) // with its zeros (Linux, booting.rst)
	}
	err = kexecLoad(kexecProgram, []segment{
		{append(kernel, make([]byte, size-uint64(len(kernel)))...), kexecKernel},
		{blob.Bytes(), kexecTree}, {initrd, kexecInitrd}, {program, kexecProgram},
	})
	if err != nil {
		return err
	}
	fmt.Println("next kernel loaded")
	return unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC)
}
