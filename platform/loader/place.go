package loader

// What QEMU 7.2's virt board does with -kernel (facts of hw/arm/boot.c and hw/arm/virt.c):
//
//	file                    goes to                             entered with        initrd        device tree
//	ELF                     p_paddr of each PT_LOAD             all registers 0     not loaded    start of RAM, if it fits
//	                                                                                              below the lowest segment
//	arm64 Image, also       RAM + text_offset; + 2 MiB more     x0 = device tree    see below     see below
//	under gzip              if that is below RAM + 4 KiB
//	Image without a size,   RAM + 0x80000                       x0 = device tree    see below     see below
//	raw code
//
// The initrd goes to RAM + min(RAM size / 2, 128 MiB), or to the first page behind the kernel where that is higher. The
// device tree follows it on the next multiple of 2 MiB, since some kernels map only the 2 MiB block that holds it. For ELF
// the tree is left out without a word where it does not fit: QEMU 7.2 hands over a tree of 1 MiB, so that an ELF at
// RAM + 0x80000 gets none from it. Where an ELF occupies the start of RAM, QEMU writes the tree to address 0, which is flash
// and not passed to anybody; here there is then no tree.
const (
	initrdOffset = 128 << 20
	dtbAlign     = 2 << 20
	pageSize     = 4096
)

// Placement says where the initrd and the device tree go. A range of size 0 is not to be loaded.
type Placement struct {
	Initrd Range
	DTB    Range
}

// Place finds the addresses for an initrd and a device tree of the given sizes in bytes. A size of 0 says that there is none.
func (img *Image) Place(ram Range, initrdSize, dtbSize uint64) (Placement, error) {
	var p Placement
	if !img.Linux {
		if low := img.Segments[0].Addr; dtbSize > 0 && low >= ram.Base && dtbSize <= low-ram.Base {
			p.DTB = Range{ram.Base, dtbSize}
		}
		return p, nil
	}
	start := ram.Base + min(ram.Size/2, initrdOffset)
	for _, s := range img.Segments {
		start = max(start, s.Addr+s.MemSize)
	}
	start, ok := alignUp(start, pageSize)
	if initrdSize > 0 {
		if !ok || !ram.Contains(start, initrdSize) {
			return p, img.errorf("initrd of %#x bytes: does not fit at %#x into RAM %v", initrdSize, start, ram)
		}
		p.Initrd = Range{start, initrdSize}
	}
	if dtbSize > 0 {
		at, fits := alignUp(start+initrdSize, dtbAlign)
		if !ok || !fits || !ram.Contains(at, dtbSize) {
			return p, img.errorf("device tree of %#x bytes: does not fit behind kernel and initrd at %#x into RAM %v", dtbSize, at, ram)
		}
		p.DTB = Range{at, dtbSize}
	}
	return p, nil
}

// alignUp rounds v up to a multiple of n, a power of two. It is false where that wraps.
func alignUp(v, n uint64) (uint64, bool) {
	r := (v + n - 1) &^ (n - 1)
	return r, r >= v
}
