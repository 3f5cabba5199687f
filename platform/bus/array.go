package bus

// Array is memory that a device stands before, such as the cells of a flash memory. While it is shown, masters read and execute
// it as RAM; while it is hidden, their reads go to the device. Their writes always go to the device, which alone changes
// the cells, through the Array.
type Array struct {
	ram    *RAM
	hidden bool
	bus    *Bus   // nil until the array is mapped
	base   uint64 // of its region
}

// NewArray makes an array, shown, of the bytes of ram. The ram must not be mapped by itself.
func NewArray(ram *RAM) *Array { return &Array{ram: ram} }

// Size is the array's size in bytes.
func (a *Array) Size() uint64 { return a.ram.Size() }

// Show says whether masters read the cells (true) or the device (false) from now on.
func (a *Array) Show(on bool) {
	if a.hidden != on {
		return
	}
	a.hidden = !on
	if a.bus != nil {
		a.bus.FilterChanged()
	}
}

// Shown says whether masters read the cells.
func (a *Array) Shown() bool { return !a.hidden }

// Read copies the cells from off on, which must lie in the array with all of p.
func (a *Array) Read(off uint64, p []byte) { copy(p, a.ram.mem[off:off+uint64(len(p))]) }

// Write changes the cells from off on, which must lie in the array with all of p.
func (a *Array) Write(off uint64, p []byte) {
	copy(a.ram.mem[off:off+uint64(len(p))], p)
	for len(p) > 0 {
		n := min(len(p), PageSize-int(off&pageMask))
		if a.bus != nil && a.ram.isWatched(off) {
			a.bus.watchedWrite(a.base+off, n)
		}
		p = p[n:]
		off += uint64(n)
	}
}
