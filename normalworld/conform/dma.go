package conform

import "encoding/binary"

// Registers and fields of the PL080 (DDI 0196, 3.2 and 3.4).
const (
	dmaTCClear       = 0x008
	dmaErrClear      = 0x010
	dmaRawTC         = 0x014
	dmaRawError      = 0x018
	dmaEnabled       = 0x01C
	dmaConfiguration = 0x030
	dmaSource        = 0x100 // of channel 0
	dmaDestination   = 0x104
	dmaItem          = 0x108
	dmaControl       = 0x10C
	dmaChannel       = 0x110

	dmaWords     = 2<<18 | 2<<21   // 32-bit transfers on both sides
	dmaIncrement = 1<<26 | 1<<27   // both addresses
	dmaInterrupt = uint32(1) << 31 // terminal count
	dmaEnable    = 1
)

// dmaLong is virtual time, in ns, in which any transfer of a case is over.
const dmaLong = 1_000_000_000

func (t *T) dmaWrite(off uint64, v uint32) {
	t.write(t.DMA+off, binary.LittleEndian.AppendUint32(nil, v))
}

func (t *T) dmaRead(off uint64) uint32 { return le32(t.read(t.DMA+off, 4)) }

// copyItem is one item of a transfer: size bytes, a multiple of 4, at most 16 KiB.
type copyItem struct{ src, dst, size uint64 }

// dmaStart starts a transfer on channel 0. Items behind the first are placed into memory at list.
func (t *T) dmaStart(list uint64, items ...copyItem) {
	control := func(i int) uint32 {
		c := uint32(items[i].size/4) | dmaWords | dmaIncrement
		if i == len(items)-1 {
			c |= dmaInterrupt
		}
		return c
	}
	next := func(i int) uint32 {
		if i == len(items)-1 {
			return 0
		}
		return uint32(list) + uint32(i)*16
	}
	var b []byte
	for i := 1; i < len(items); i++ {
		for _, w := range []uint32{uint32(items[i].src), uint32(items[i].dst), next(i), control(i)} {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
	}
	if len(b) > 0 {
		t.write(list, b)
	}
	t.note("PL080: %d bytes from %#x to %#x", items[0].size, items[0].src, items[0].dst)
	t.dmaWrite(dmaConfiguration, dmaEnable)
	t.dmaWrite(dmaTCClear, 0xFF)
	t.dmaWrite(dmaErrClear, 0xFF)
	t.dmaWrite(dmaSource, uint32(items[0].src))
	t.dmaWrite(dmaDestination, uint32(items[0].dst))
	t.dmaWrite(dmaItem, next(0))
	t.dmaWrite(dmaControl, control(0))
	t.dmaWrite(dmaChannel, dmaEnable)
}

// dmaBusy reports whether channel 0 is still enabled.
func (t *T) dmaBusy() bool { return t.dmaRead(dmaEnabled)&1 != 0 }

// dmaFinish lets the transfer end and gives whether it ended well.
func (t *T) dmaFinish() (ok bool) {
	t.target.Advance(dmaLong)
	if t.dmaBusy() {
		t.failf("the PL080 ends its transfer", "a transfer is still under way after a second")
	}
	tc, failed := t.dmaRead(dmaRawTC)&1, t.dmaRead(dmaRawError)&1
	t.note("PL080: terminal count %d, error %d", tc, failed)
	return tc == 1 && failed == 0
}

// transfers copies by DMA and gives whether the bus let it.
func (t *T) transfers(src, dst, size uint64) bool {
	t.dmaStart(t.side, copyItem{src, dst, size})
	return t.dmaFinish()
}

// dmaOutside skips the case unless the PL080 is a master with access to memory but not to pools.
func (t *T) dmaOutside() {
	pool := t.Pools[poolUse]
	if (pool.Read|pool.Write)>>t.DMAID&1 != 0 {
		t.skip("the PL080 may access pools")
	}
	if t.Normal.Read>>t.DMAID&1 == 0 || t.Normal.Write>>t.DMAID&1 == 0 {
		t.skip("the PL080 has no access to memory")
	}
}
