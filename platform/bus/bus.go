package bus

import (
	"errors"
	"fmt"
	"sort"
)

// PageSize is the unit, in bytes, in which access decisions are cached. It is the TZC-400's granularity (DDI 0504, 2.1).
const PageSize = 4096

const pageMask = PageSize - 1

// Page is the host view of one 4 KiB page of RAM.
type Page [PageSize]byte

// Response is the AXI response of a transaction (IHI 0022, A3.4.4).
type Response uint8

const (
	// OKAY says that the transaction completed. A denied one completes too when the controller's ACTION says so: reads then
	// return zeros and writes are dropped.
	OKAY Response = iota
	// SLVERR is an error from the device that was addressed.
	SLVERR
	// DECERR says that nothing answers at this address, or that the firewall refused with an error.
	DECERR
)

func (r Response) String() string {
	switch r {
	case OKAY:
		return "OKAY"
	case SLVERR:
		return "SLVERR"
	case DECERR:
		return "DECERR"
	}
	return fmt.Sprintf("Response(%d)", uint8(r))
}

// NSAIDs are non-secure access identities, 0 to 15, as the FVP assigns them where it has the master.
const (
	NSAIDDefault   = 0
	NSAIDPCI       = 1
	NSAIDHDLCD     = 2
	NSAIDCrypto    = 3
	NSAIDDecoder   = 4
	NSAIDTransform = 5
	NSAIDDMA       = 6
	NSAIDCLCD      = 7
	NSAIDVirtio    = 8
	NSAIDAP        = 9
	NSAIDCamera    = 10
	NSAIDEncoder   = 11
	NSAIDInput     = 12
	// NSAIDCryptoProtected is the crypto engine's second identity: it has access to protected memory that admits the engine, and to no
	// other. Arm's TZMP1 gives masters such identities for protected content. Those of decoder, transform, camera and encoder are of this
	// kind, too: with ordinary memory they are NSAIDDefault.
	NSAIDCryptoProtected = 13
)

// Attr is what a transaction carries beside its address and data.
type Attr struct {
	// Secure is the security state of the transaction: AxPROT[1] == 0.
	Secure bool
	// Privileged is AxPROT[0].
	Privileged bool
	// Instruction is AxPROT[2].
	Instruction bool
	// NSAID is the non-secure access identity, 0 to 15. Higher values are refused by the bus.
	NSAID uint8
	// ID is the AXI identity that a failure is reported with.
	ID uint16
}

// Verdict is a filter's decision on one transaction.
type Verdict uint8

const (
	// Allow lets the transaction through.
	Allow Verdict = iota
	// DenyOKAY completes it without effect: reads see zeros, writes are dropped.
	DenyOKAY
	// DenyDECERR does the same and answers DECERR.
	DenyDECERR
)

// Filter decides the transactions to the regions it stands before. The transactions that it is asked about never cross a
// 4 KiB page; addr is the transaction's first byte.
type Filter interface {
	// Check decides one transaction and records a denial in the filter's status registers.
	Check(addr uint64, write bool, a Attr) Verdict
	// Allows gives the decision that Check would give now, without any record of it. It must hold for the whole page
	// until the filter calls Bus.FilterChanged.
	Allows(addr uint64, write bool, a Attr) bool
}

// Device is a memory-mapped register block. Offsets are relative to the region's base; size is 1, 2, 4 or 8 and the
// offset is a multiple of it. A device is called from one goroutine.
type Device interface {
	Read(off uint64, size int, a Attr) (uint64, Response)
	Write(off uint64, size int, v uint64, a Attr) Response
}

// Region is one entry of the address map: RAM, a device, or a device with the array that it stands before.
type Region struct {
	Name string
	Base uint64
	Size uint64 // bytes, a multiple of PageSize
	RAM  *RAM
	Dev  Device
	// Array, where it is not nil, is what Dev lets masters read as RAM. RAM is then nil.
	Array *Array
	// SecureOnly makes the interconnect answer non-secure transactions with DECERR.
	SecureOnly bool
	// Filter, where it is not nil, decides each transaction to the region. The region must be RAM.
	Filter Filter
	// ReadOnly RAM drops writes with SLVERR.
	ReadOnly bool
}

func (r *Region) end() uint64 { return r.Base + r.Size - 1 }

// readsRAM says whether reads go to RAM now, and not to the device.
func (r *Region) readsRAM() bool { return r.Dev == nil || r.Array != nil && !r.Array.hidden }

// writesRAM says the same of writes.
func (r *Region) writesRAM() bool { return r.Dev == nil }

// Observer learns of changes that make cached decisions or cached contents of memory stale.
type Observer interface {
	// FilterChanged says that any access decision may have changed.
	FilterChanged()
	// PageWatched says that direct pointers for writing that page must be dropped: later writes to it must go through the
	// bus, which reports them.
	PageWatched(page *Page)
	// WatchedWrite says that n bytes at pa, within one watched page, were written.
	WatchedWrite(pa uint64, n int)
}

// Bus is an address map. The zero value is an empty one.
type Bus struct {
	regions   []Region // by base
	last      int      // index of the region that answered last
	observers []Observer
}

// ErrMap wraps all errors of Map.
var ErrMap = errors.New("address map")

// Map adds a region. Regions must not overlap; bases and sizes are multiples of PageSize.
func (b *Bus) Map(r Region) error {
	switch {
	case r.Size == 0 || r.Size&pageMask != 0 || r.Base&pageMask != 0:
		return fmt.Errorf("%w: %s: base %#x and size %#x must be multiples of %#x", ErrMap, r.Name, r.Base, r.Size, PageSize)
	case r.end() < r.Base:
		return fmt.Errorf("%w: %s: base %#x and size %#x wrap", ErrMap, r.Name, r.Base, r.Size)
	case (r.RAM == nil) == (r.Dev == nil):
		return fmt.Errorf("%w: %s: want either RAM or a device", ErrMap, r.Name)
	case r.Array != nil && (r.Dev == nil || r.Array.bus != nil || r.Array.Size() != r.Size):
		return fmt.Errorf("%w: %s: an array is as large as its region, is in one only, and has a device before it", ErrMap, r.Name)
	case r.RAM != nil && r.RAM.Size() != r.Size:
		return fmt.Errorf("%w: %s: RAM of %#x bytes in a region of %#x", ErrMap, r.Name, r.RAM.Size(), r.Size)
	case r.Filter != nil && r.RAM == nil:
		return fmt.Errorf("%w: %s: a filter stands before RAM only", ErrMap, r.Name)
	}
	i := sort.Search(len(b.regions), func(i int) bool { return b.regions[i].Base > r.Base })
	if i > 0 && b.regions[i-1].end() >= r.Base {
		return fmt.Errorf("%w: %s at %#x overlaps %s", ErrMap, r.Name, r.Base, b.regions[i-1].Name)
	}
	if i < len(b.regions) && b.regions[i].Base <= r.end() {
		return fmt.Errorf("%w: %s at %#x overlaps %s", ErrMap, r.Name, r.Base, b.regions[i].Name)
	}
	if r.Array != nil {
		r.RAM = r.Array.ram
		r.Array.bus, r.Array.base = b, r.Base
	}
	b.regions = append(b.regions, Region{})
	copy(b.regions[i+1:], b.regions[i:])
	b.regions[i] = r
	return nil
}

// Observe registers an observer for the life of the bus.
func (b *Bus) Observe(o Observer) { b.observers = append(b.observers, o) }

// FilterChanged is called by a filter after each change of its decisions.
func (b *Bus) FilterChanged() {
	for _, o := range b.observers {
		o.FilterChanged()
	}
}

// find returns the region that holds addr, or nil.
func (b *Bus) find(addr uint64) *Region {
	if b.last < len(b.regions) {
		if r := &b.regions[b.last]; addr-r.Base < r.Size {
			return r
		}
	}
	lo, hi := 0, len(b.regions)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if b.regions[m].Base > addr {
			hi = m
		} else {
			lo = m + 1
		}
	}
	if lo == 0 {
		return nil
	}
	r := &b.regions[lo-1]
	if addr-r.Base >= r.Size {
		return nil
	}
	b.last = lo - 1
	return r
}

// IsRAM reports whether addr is read as RAM now, whoever may access it. The address map is no secret.
func (b *Bus) IsRAM(addr uint64) bool {
	r := b.find(addr)
	return r != nil && r.readsRAM()
}

// Lookup gives name, base and size of the region that holds addr.
func (b *Bus) Lookup(addr uint64) (name string, base, size uint64, ok bool) {
	r := b.find(addr)
	if r == nil {
		return "", 0, 0, false
	}
	return r.Name, r.Base, r.Size, true
}

// gate gives the verdict on a transaction to r that does not cross a page.
func (r *Region) gate(addr uint64, write bool, a Attr) Verdict {
	if r.SecureOnly && !a.Secure || a.NSAID > 15 {
		return DenyDECERR
	}
	if r.Filter != nil {
		return r.Filter.Check(addr, write, a)
	}
	return Allow
}

// Load reads size bytes (1, 2, 4 or 8) at addr, which must be a multiple of size. A refused or failed read gives zero.
func (b *Bus) Load(addr uint64, size int, a Attr) (uint64, Response) {
	r := b.find(addr)
	if r == nil {
		return 0, DECERR
	}
	switch r.gate(addr, false, a) {
	case DenyOKAY:
		return 0, OKAY
	case DenyDECERR:
		return 0, DECERR
	}
	if !r.readsRAM() {
		v, resp := r.Dev.Read(addr-r.Base, size, a)
		if resp != OKAY {
			return 0, resp
		}
		return v, OKAY
	}
	return r.RAM.load(addr-r.Base, size), OKAY
}

// Store writes the low size bytes (1, 2, 4 or 8) of v at addr, which must be a multiple of size.
func (b *Bus) Store(addr uint64, size int, v uint64, a Attr) Response {
	r := b.find(addr)
	if r == nil {
		return DECERR
	}
	switch r.gate(addr, true, a) {
	case DenyOKAY:
		return OKAY
	case DenyDECERR:
		return DECERR
	}
	if !r.writesRAM() {
		return r.Dev.Write(addr-r.Base, size, v, a)
	}
	if r.ReadOnly {
		return SLVERR
	}
	off := addr - r.Base
	r.RAM.store(off, size, v)
	if r.RAM.isWatched(off) {
		b.watchedWrite(addr, size)
	}
	return OKAY
}

// Read fills p from addr on. It is split where it crosses a page; the first response that is not OKAY ends it. The bytes of p
// that were refused are zero, as are those behind the first error. Device registers are read in the largest aligned
// units of up to 8 bytes.
func (b *Bus) Read(addr uint64, p []byte, a Attr) Response {
	for len(p) > 0 {
		n := min(len(p), PageSize-int(addr&pageMask))
		resp := b.readPage(addr, p[:n], a)
		if resp != OKAY {
			clear(p)
			return resp
		}
		p = p[n:]
		addr += uint64(n)
		if addr == 0 && len(p) > 0 {
			clear(p)
			return DECERR
		}
	}
	return OKAY
}

func (b *Bus) readPage(addr uint64, p []byte, a Attr) Response {
	r := b.find(addr)
	if r == nil {
		return DECERR
	}
	switch r.gate(addr, false, a) {
	case DenyOKAY:
		clear(p)
		return OKAY
	case DenyDECERR:
		return DECERR
	}
	if r.readsRAM() {
		copy(p, r.RAM.mem[addr-r.Base:])
		return OKAY
	}
	for i := 0; i < len(p); {
		n := unit(addr+uint64(i), len(p)-i)
		v, resp := r.Dev.Read(addr+uint64(i)-r.Base, n, a)
		if resp != OKAY {
			return resp
		}
		for k := range n {
			p[i+k] = byte(v >> (8 * k))
		}
		i += n
	}
	return OKAY
}

// Write stores p from addr on, split at pages; the first response that is not OKAY ends it.
func (b *Bus) Write(addr uint64, p []byte, a Attr) Response {
	for len(p) > 0 {
		n := min(len(p), PageSize-int(addr&pageMask))
		if resp := b.writePage(addr, p[:n], a); resp != OKAY {
			return resp
		}
		p = p[n:]
		addr += uint64(n)
		if addr == 0 && len(p) > 0 {
			return DECERR
		}
	}
	return OKAY
}

func (b *Bus) writePage(addr uint64, p []byte, a Attr) Response {
	r := b.find(addr)
	if r == nil {
		return DECERR
	}
	switch r.gate(addr, true, a) {
	case DenyOKAY:
		return OKAY
	case DenyDECERR:
		return DECERR
	}
	if r.writesRAM() {
		if r.ReadOnly {
			return SLVERR
		}
		off := addr - r.Base
		copy(r.RAM.mem[off:], p)
		if r.RAM.isWatched(off) {
			b.watchedWrite(addr, len(p))
		}
		return OKAY
	}
	for i := 0; i < len(p); {
		n := unit(addr+uint64(i), len(p)-i)
		var v uint64
		for k := range n {
			v |= uint64(p[i+k]) << (8 * k)
		}
		if resp := r.Dev.Write(addr+uint64(i)-r.Base, n, v, a); resp != OKAY {
			return resp
		}
		i += n
	}
	return OKAY
}

// unit is the largest power of two up to 8 that divides addr and is at most n.
func unit(addr uint64, n int) int {
	u := 8
	for addr&uint64(u-1) != 0 || u > n {
		u >>= 1
	}
	return u
}

// Zero writes n zero bytes from addr on: what a scrubbing engine does. It obeys the same rules as Write.
func (b *Bus) Zero(addr, n uint64, a Attr) Response {
	var zeros Page
	for n > 0 {
		k := min(n, PageSize-addr&pageMask)
		r := b.find(addr)
		if r != nil && r.writesRAM() && !r.ReadOnly && r.gate(addr, true, a) == Allow {
			off := addr - r.Base
			clear(r.RAM.mem[off : off+k])
			if r.RAM.isWatched(off) {
				b.watchedWrite(addr, int(k))
			}
		} else if resp := b.writePage(addr, zeros[:k], a); resp != OKAY {
			return resp
		}
		addr += k
		n -= k
		if addr == 0 && n > 0 {
			return DECERR
		}
	}
	return OKAY
}

// Direct gives a master that caches translations (a CPU) the host page behind addr, for reading and for writing, as far as
// it may access the whole page now. Each pointer is nil where it may not, where no RAM answers, or where writes must be
// seen by the bus. The caller must drop both when its Observer is told to.
func (b *Bus) Direct(addr uint64, a Attr) (read, write *Page) {
	r := b.find(addr)
	if r == nil || !r.readsRAM() || r.SecureOnly && !a.Secure || a.NSAID > 15 {
		return nil, nil
	}
	off := (addr - r.Base) &^ pageMask
	p := (*Page)(r.RAM.mem[off:])
	if r.Filter == nil || r.Filter.Allows(addr&^pageMask, false, a) {
		read = p
	}
	if r.writesRAM() && !r.ReadOnly && !r.RAM.isWatched(off) && (r.Filter == nil || r.Filter.Allows(addr&^pageMask, true, a)) {
		write = p
	}
	return read, write
}

// Writable reports whether addr is RAM that a master with these attributes may write now. The question is no access: no failure
// register tells of it.
func (b *Bus) Writable(addr uint64, a Attr) bool {
	r := b.find(addr)
	return r != nil && r.readsRAM() && r.writesRAM() && !r.ReadOnly && !(r.SecureOnly && !a.Secure) && a.NSAID <= 15 &&
		(r.Filter == nil || r.Filter.Allows(addr&^pageMask, true, a))
}

// Watch makes the bus report every later write to the page that holds addr. It says whether the page is RAM.
func (b *Bus) Watch(addr uint64) bool {
	r := b.find(addr)
	if r == nil || r.RAM == nil {
		return false
	}
	off := addr - r.Base
	if r.RAM.isWatched(off) {
		return true
	}
	r.RAM.watch(off, true)
	for _, o := range b.observers {
		o.PageWatched((*Page)(r.RAM.mem[off&^pageMask:]))
	}
	return true
}

// Unwatch ends the reports for the page that holds addr.
func (b *Bus) Unwatch(addr uint64) {
	if r := b.find(addr); r != nil && r.RAM != nil {
		r.RAM.watch(addr-r.Base, false)
	}
}

func (b *Bus) watchedWrite(pa uint64, n int) {
	for _, o := range b.observers {
		o.WatchedWrite(pa, n)
	}
}

// Port is one master's view of the bus: the attributes of its transactions are fixed when it is made. It is what masters
// and the Go worlds are given; nobody but the board holds the Bus itself.
type Port struct {
	bus  *Bus
	attr Attr
}

// NewPort gives a master its port.
func NewPort(b *Bus, a Attr) *Port { return &Port{bus: b, attr: a} }

// Attr gives the attributes that the port's transactions carry.
func (p *Port) Attr() Attr { return p.attr }

// IsRAM is Bus.IsRAM.
func (p *Port) IsRAM(addr uint64) bool { return p.bus.IsRAM(addr) }

// Read is Bus.Read with the port's attributes.
func (p *Port) Read(addr uint64, data []byte) Response { return p.bus.Read(addr, data, p.attr) }

// Write is Bus.Write with the port's attributes.
func (p *Port) Write(addr uint64, data []byte) Response { return p.bus.Write(addr, data, p.attr) }

// Load is Bus.Load with the port's attributes. addr must be a multiple of size.
func (p *Port) Load(addr uint64, size int) (uint64, Response) { return p.bus.Load(addr, size, p.attr) }

// Store is Bus.Store with the port's attributes. addr must be a multiple of size.
func (p *Port) Store(addr uint64, size int, v uint64) Response {
	return p.bus.Store(addr, size, v, p.attr)
}

// Zero is Bus.Zero with the port's attributes.
func (p *Port) Zero(addr, n uint64) Response { return p.bus.Zero(addr, n, p.attr) }
