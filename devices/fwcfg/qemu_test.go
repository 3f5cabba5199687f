package fwcfg

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/devices/internal/qtest"
)

// TestAgainstQEMU gives QEMU's virt board the same kernel, command line and files, and makes the same accesses here and there.
func TestAgainstQEMU(t *testing.T) {
	kernel := filepath.Join(t.TempDir(), "kernel")
	data := pattern(5000)
	if err := os.WriteFile(kernel, data, 0o600); err != nil {
		t.Fatal(err)
	}
	bios := filepath.Join(t.TempDir(), "bios") // with firmware the kernel goes to fw_cfg
	if err := os.WriteFile(bios, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	q := qtest.Start(t, "-M", "virt", "-smp", "3", "-m", "64", "-bios", bios, "-kernel", kernel, "-append", "quiet",
		"-fw_cfg", "opt/org.test/z,string=zebra", "-fw_cfg", "opt/org.test/a,string=aardvark")
	b := newBoard(t)
	b.cfg.AddUint16(KeyCPUs, 3)
	b.cfg.AddUint32(KeyKernelSize, uint32(len(data)))
	b.cfg.Add(KeyKernelData, data)
	b.cfg.AddUint32(KeyCmdlineSize, 6)
	b.cfg.Add(KeyCmdlineData, []byte("quiet\x00"))
	// QEMU's own files come before these, with other contents; only what is in opt/ is compared.
	load := func(off uint64, size int) (got, want uint64) {
		got, _ = b.bus.Load(base+off, size, cpu)
		return got, q.Read(base+off, size)
	}
	choose := func(key uint16) {
		v := uint64(key>>8 | key<<8)
		q.Write(base+Selector, 2, v)
		b.bus.Store(base+Selector, 2, v, cpu)
	}
	choose(KeyFileDir)
	var dir []byte
	for range 4 + FileSlots*fileBytes {
		dir = append(dir, byte(q.Read(base+Data, 1)))
	}
	keys := map[string]uint16{}
	n := binary.BigEndian.Uint32(dir)
	for i := range n {
		e := dir[4+i*fileBytes:]
		name := string(e[8:64])
		for name[len(name)-1] == 0 {
			name = name[:len(name)-1]
		}
		size, key := binary.BigEndian.Uint32(e), binary.BigEndian.Uint16(e[4:])
		keys[name] = key
		// The same files here, with contents that QEMU gives.
		q.Write(base+Selector, 2, uint64(key>>8|key<<8))
		var contents []byte
		for range size {
			contents = append(contents, byte(q.Read(base+Data, 1)))
			if len(contents) == 300 {
				contents = append(contents, make([]byte, size-300)...) // such as ACPI tables of 128 KiB
				break
			}
		}
		if err := b.cfg.AddFile(name, contents); err != nil {
			t.Fatal(err)
		}
	}
	for i := range dir {
		if d := b.cfg.items[KeyFileDir]; d[i] != dir[i] {
			t.Fatalf("byte %d of the directory is %#x, QEMU %#x", i, d[i], dir[i])
		}
	}
	all := []uint16{KeySignature, KeyID, KeyCPUs, KeyMaxCPUs, KeyKernelSize, KeyKernelData, KeyCmdlineSize, KeyCmdlineData,
		KeyFileDir, keys["opt/org.test/z"], keys["opt/org.test/a"], 0x07, KeyWrite | KeyCPUs, KeyArch | KeyCPUs, 0xFFFF}
	choose(KeySignature)
	r := rand.New(rand.NewPCG(2, 4))
	const lo, window = ramBase, 0x1000
	for addr := uint64(lo); addr < lo+window; addr += 8 {
		q.Write(addr, 8, 0) // QEMU's device tree was here
	}
	for range 250 {
		key := all[r.IntN(len(all))]
		switch r.IntN(3) {
		case 0:
			choose(key)
		case 1:
			for range r.IntN(12) {
				size := 1 << r.IntN(4)
				off := []uint64{Data, Data, DMA, DMA + uint64(size)&7}[r.IntN(4)] &^ uint64(size-1)
				if got, want := load(off, size); got != want {
					t.Fatalf("%d bytes at %#x = %#x, QEMU %#x", size, off, got, want)
				}
			}
		case 2:
			control := uint64(r.IntN(32)) | uint64(key)<<16
			length := uint64(r.IntN(600))
			to := uint64(lo + 0x100 + r.IntN(0x400))
			if r.IntN(8) == 0 {
				to = 0x7_0000_0000 // nothing there
			}
			d := binary.BigEndian.AppendUint64(nil, control<<32|length)
			d = binary.BigEndian.AppendUint64(d, to)
			for i := range uint64(2) {
				v := binary.LittleEndian.Uint64(d[8*i:])
				q.Write(lo+8*i, 8, v)
				b.bus.Store(lo+8*i, 8, v, secure)
			}
			q.Write(base+DMA+4, 4, uint64(lo>>24)) // big-endian 0x4000_0000
			b.bus.Store(base+DMA+4, 4, uint64(lo>>24), cpu)
			// QEMU writes to nowhere without an error; this device says so.
			got, _ := b.bus.Load(lo, 4, secure)
			want := q.Read(lo, 4)
			if to < 0x7_0000_0000 && got != want {
				t.Fatalf("control %#x, length %d: result %#x, QEMU %#x", control, length, got, want)
			}
			for addr := uint64(lo + 8); addr < lo+window; addr += 8 {
				got, _ := b.bus.Load(addr, 8, secure)
				if want := q.Read(addr, 8); got != want {
					t.Fatalf("memory at %#x = %#x, QEMU %#x", addr, got, want)
				}
			}
		}
		if got, want := load(Data, 1); got != want {
			t.Fatalf("next byte %#x, QEMU %#x", got, want)
		}
	}
}
