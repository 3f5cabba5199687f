package conform

import (
	"encoding/binary"
	"fmt"

	"gatehouse/ffa"
)

// Offsets in a descriptor of version 1.2 with one receiver (DEN0140, memory transaction descriptor).
const (
	atAttributes      = 2
	atFlags           = 4
	atHandle          = 8
	atEMADSize        = 24
	atEMADCount       = 28
	atEMADOffset      = 32
	atReserved        = 36
	atEMAD            = 48
	atReceiver        = atEMAD
	atPermissions     = atEMAD + 2
	atEMADFlags       = atEMAD + 3
	atCompositeOffset = atEMAD + 4
	atEMADReserved    = atEMAD + 24
	atComposite       = 80
	atPageCount       = atComposite
	atRangeCount      = atComposite + 4
	atCompReserved    = atComposite + 8
	atRange           = 96
	atRangeReserved   = atRange + 12
)

// fault is one way in which a descriptor can be wrong.
type fault struct {
	name, why string
	// kinds are the calls that it is wrong for; none stands for both FFA_MEM_SHARE and FFA_MEM_LEND.
	kinds []ffa.TransactionKind
	codes []ffa.Error
	needs Need
	// prepare brings memory into the state that makes the descriptor wrong.
	prepare func(t *T)
	edit    func(t *T, d *ffa.MemoryTransaction)
	raw     func(b []byte) []byte
	section string // of DEN0140 instead of the call's
}

// put32 and put64 patch a field.
func put32(off int, v uint32) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[off:], v)
		return b
	}
}

func put64(off int, v uint64) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.LittleEndian.PutUint64(b[off:], v)
		return b
	}
}

func put8(off int, v byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b[off] = v
		return b
	}
}

// ranges replaces the ranges.
func ranges(list func(t *T) []ffa.Constituent) func(*T, *ffa.MemoryTransaction) {
	return func(t *T, d *ffa.MemoryTransaction) { d.Constituents = list(t) }
}

func oneRange(addr func(t *T) uint64, pages uint32) func(*T, *ffa.MemoryTransaction) {
	return ranges(func(t *T) []ffa.Constituent { return []ffa.Constituent{region(addr(t), pages)} })
}

var (
	onlyShare  = []ffa.TransactionKind{ffa.Share}
	onlyLend   = []ffa.TransactionKind{ffa.Lend}
	onlyDonate = []ffa.TransactionKind{ffa.Donate}
)

// faults are descriptors that are refused. Hafnium, OP-TEE and TF-A agree on the code where only one stands here.
func faults() []fault {
	inv, den := ffa.InvalidParameters, ffa.Denied
	invalid, either := []ffa.Error{inv}, []ffa.Error{inv, den}
	receiver := func(id func(t *T) ffa.EndpointID) func(*T, *ffa.MemoryTransaction) {
		return func(t *T, d *ffa.MemoryTransaction) { d.Receivers[0].Receiver = id(t) }
	}
	attributes := func(a ffa.MemoryAttributes) func(*T, *ffa.MemoryTransaction) {
		return func(_ *T, d *ffa.MemoryTransaction) { d.Attributes = a }
	}
	permissions := func(p ffa.Permissions) func(*T, *ffa.MemoryTransaction) {
		return func(_ *T, d *ffa.MemoryTransaction) { d.Receivers[0].Permissions = p }
	}
	flags := func(f ffa.MemoryFlags) func(*T, *ffa.MemoryTransaction) {
		return func(_ *T, d *ffa.MemoryTransaction) { d.Flags = f }
	}
	at := func(off uint64) func(t *T) uint64 { return func(t *T) uint64 { return t.buf + off } }
	const (
		header    = "Memory transaction descriptor"
		emad      = "Endpoint memory access descriptor"
		composite = "Composite memory region descriptor"
		permText  = "Memory access permissions descriptor"
		attrText  = "Memory region attributes descriptor"
		flagText  = "Flags usage"
		states    = "Memory region state machine"
	)
	return []fault{
		// Who sends to whom.
		{name: "spoofed-secure-sender", why: "The sender is the caller: a secure identifier is a lie.", codes: []ffa.Error{den}, section: header,
			edit: func(t *T, d *ffa.MemoryTransaction) { d.Sender = t.freeID() }},
		{name: "spoofed-vm-sender", why: "The sender is the caller, and there is no hypervisor that forwards for a VM.", codes: either, section: header,
			edit: func(_ *T, d *ffa.MemoryTransaction) { d.Sender = 3 }},
		{name: "spoofed-spmc-sender", why: "The sender is the caller, not the SPMC.", codes: either, section: header,
			edit: func(_ *T, d *ffa.MemoryTransaction) { d.Sender = ffa.SPMC }},
		{name: "sender-is-receiver", why: "Nobody sends to itself.", codes: either, section: emad, edit: func(t *T, d *ffa.MemoryTransaction) { d.Sender = t.optee }},
		{name: "receiver-unknown", why: "No partition has this identifier.", codes: invalid, section: emad, edit: receiver((*T).freeID)},
		{name: "receiver-is-spmc", why: "The SPMC borrows no memory.", codes: either, section: emad, edit: receiver(func(*T) ffa.EndpointID { return ffa.SPMC })},
		{name: "receiver-is-sender", why: "Nobody sends to itself.", codes: either, section: emad, edit: receiver(func(*T) ffa.EndpointID { return ffa.NonSecurePhysical })},
		{name: "receiver-is-vm", why: "There is no such VM; memory that is lent goes to secure partitions only.", codes: either, section: emad,
			edit: receiver(func(*T) ffa.EndpointID { return 2 })},
		{name: "receiver-twice", why: "A receiver stands in the list once.", codes: invalid, section: emad,
			edit: func(_ *T, d *ffa.MemoryTransaction) {
				d.Receivers, d.Attributes = append(d.Receivers, d.Receivers[0]), ffa.NormalWriteBackInner
			}},
		{name: "no-receivers", why: "Memory is sent to somebody.", codes: invalid, section: header, edit: func(_ *T, d *ffa.MemoryTransaction) { d.Receivers = nil }},
		{name: "two-receivers", why: "A donation has one receiver.", kinds: onlyDonate, codes: []ffa.Error{inv, ffa.NotSupported}, section: "FFA_MEM_DONATE",
			edit: func(t *T, d *ffa.MemoryTransaction) {
				d.Receivers = append(d.Receivers, ffa.EMAD{Receiver: t.freeID()})
			}},

		// The header.
		{name: "handle-given", why: "The SPMC gives handles; the sender leaves zero.", codes: invalid, section: header, raw: put64(atHandle, 7)},
		{name: "reserved-word", why: "Reserved words of the header must be zero.", codes: invalid, section: header, raw: put32(atReserved, 1)},
		{name: "reserved-last-word", why: "Reserved words of the header must be zero.", codes: invalid, section: header, raw: put32(atReserved+8, 1<<31)},
		{name: "emad-size-zero", why: "An access descriptor has 16 or 32 bytes.", codes: invalid, section: header, raw: put32(atEMADSize, 0)},
		{name: "emad-size-odd", why: "An access descriptor has 16 or 32 bytes.", codes: invalid, section: header, raw: put32(atEMADSize, 24)},
		{name: "emad-size-huge", why: "An access descriptor has 16 or 32 bytes.", codes: invalid, section: header, raw: put32(atEMADSize, 0x8000_0000)},
		{name: "emad-count-too-large", why: "The access descriptors would reach into the ranges.", codes: invalid, section: header, raw: put32(atEMADCount, 2)},
		{name: "emad-count-huge", why: "The size of the access descriptors wraps.", codes: invalid, section: header, raw: put32(atEMADCount, 0xFFFF_FFFF)},
		{name: "emad-count-overflow", why: "Count times size is 0 modulo 2^32.", codes: invalid, section: header, raw: put32(atEMADCount, 0x0800_0000)},
		{name: "emad-offset-in-header", why: "The access descriptors stand behind the header.", codes: invalid, section: header, raw: put32(atEMADOffset, 16)},
		{name: "emad-offset-misaligned", why: "The access descriptors are aligned to 16 bytes.", codes: invalid, section: header, raw: put32(atEMADOffset, 52)},
		{name: "emad-offset-huge", why: "The offset lies outside the descriptor.", codes: invalid, section: header, raw: put32(atEMADOffset, 0xFFFF_FFF0)},
		{name: "unknown-flag", why: "Unknown flags must be zero.", codes: invalid, section: flagText, edit: flags(1 << 20)},
		{name: "retrieve-flag", why: "Flags of a retrieve request must be zero in a send.", codes: invalid, section: flagText, edit: flags(ffa.FlagZeroAfterRelinquish)},
		{name: "other-type-flag", why: "The type in the flags is another call's.", codes: invalid, section: flagText, edit: flags(ffa.TransactionTypeDonate)},
		{name: "zero-flag", why: "Shared memory cannot be cleared: the owner still uses it.", kinds: onlyShare, codes: invalid, section: flagText, edit: flags(ffa.FlagZero)},

		// Attributes.
		{name: "non-secure-attribute", why: "The NS bit is the SPMC's to set, in retrieve responses.", codes: invalid, section: attrText, raw: func(b []byte) []byte {
			b[atAttributes] |= 1 << 6
			return b
		}},
		{name: "reserved-attribute", why: "Reserved bits of the attributes must be zero.", codes: invalid, section: attrText, raw: func(b []byte) []byte {
			b[atAttributes+1] |= 1 << 1
			return b
		}},
		{name: "reserved-attribute-7", why: "Reserved bits of the attributes must be zero.", codes: invalid, section: attrText, raw: func(b []byte) []byte {
			b[atAttributes] |= 1 << 7
			return b
		}},
		{name: "reserved-memory-type", why: "Memory type 3 is reserved.", codes: either, section: attrText, edit: attributes(0x3F)},
		{name: "non-cacheable", why: "Shared memory is normal write-back inner shareable.", kinds: onlyShare, codes: either, section: attrText, edit: attributes(0x27)},
		{name: "outer-shareable", why: "Shared memory is normal write-back inner shareable.", kinds: onlyShare, codes: either, section: attrText, edit: attributes(0x2E)},
		{name: "device-memory", why: "Shared memory is normal write-back inner shareable.", kinds: onlyShare, codes: either, section: attrText, edit: attributes(0x10)},
		{name: "no-memory-type", why: "Shared memory is normal write-back inner shareable, and the sender says so.", kinds: onlyShare, codes: either, section: attrText, edit: attributes(0)},
		{name: "memory-type-given", why: "A single borrower chooses the attributes when it retrieves.", kinds: onlyLend, codes: invalid, section: attrText, edit: attributes(0x2F)},

		// Permissions.
		{name: "no-permissions", why: "The sender says what the receiver may do with the data.", codes: invalid, section: permText, edit: permissions(0)},
		{name: "reserved-permission", why: "Data access 3 is reserved.", codes: invalid, section: permText, edit: permissions(3)},
		{name: "read-only", why: "OP-TEE wants to read and write.", codes: either, section: permText, edit: permissions(ffa.DataRO)},
		{name: "executable", why: "The receiver, not the sender, chooses instruction access.", codes: invalid, section: permText, edit: permissions(ffa.DataRW | ffa.InstrX)},
		{name: "not-executable", why: "The receiver, not the sender, chooses instruction access.", codes: invalid, section: permText, edit: permissions(ffa.DataRW | ffa.InstrNX)},
		{name: "reserved-permission-bits", why: "Bits 7:4 of the permissions must be zero.", codes: invalid, section: permText, raw: put8(atPermissions, 0x12)},
		{name: "emad-flags", why: "Flags of an access descriptor are for retrieve requests.", codes: invalid, section: emad, raw: put8(atEMADFlags, 1)},
		{name: "emad-reserved", why: "The last word of an access descriptor is reserved.", codes: invalid, section: emad, raw: put64(atEMADReserved, 1)},

		// The composite descriptor.
		{name: "composite-missing", why: "A send says which memory.", codes: invalid, section: emad, raw: put32(atCompositeOffset, 0)},
		{name: "composite-in-emad", why: "The composite descriptor stands behind the access descriptors.", codes: invalid, section: emad, raw: put32(atCompositeOffset, 64)},
		{name: "composite-misaligned", why: "The composite descriptor is aligned.", codes: invalid, section: emad, raw: put32(atCompositeOffset, 84)},
		{name: "composite-huge", why: "The offset lies outside the descriptor, and wraps.", codes: invalid, section: emad, raw: put32(atCompositeOffset, 0xFFFF_FFF0)},
		{name: "composite-reserved", why: "Reserved words of the composite descriptor must be zero.", codes: invalid, section: composite, raw: put64(atCompReserved, 1)},
		{name: "page-count-too-large", why: "The page count is the sum of the ranges.", codes: invalid, section: composite, raw: put32(atPageCount, 3)},
		{name: "page-count-too-small", why: "The page count is the sum of the ranges.", codes: invalid, section: composite, raw: put32(atPageCount, 1)},
		{name: "page-count-zero", why: "The page count is the sum of the ranges.", codes: invalid, section: composite, raw: put32(atPageCount, 0)},
		{name: "range-count-zero", why: "There is at least one range.", codes: invalid, section: composite, raw: put32(atRangeCount, 0)},
		{name: "range-count-too-large", why: "The ranges end where the descriptor ends.", codes: invalid, section: composite, raw: put32(atRangeCount, 2)},
		{name: "range-count-huge", why: "The size of the ranges wraps.", codes: []ffa.Error{inv, ffa.NoMemory}, section: composite, raw: put32(atRangeCount, 0x1000_0001)},

		// The ranges.
		{name: "zero-pages", why: "A range has at least one page.", codes: invalid, section: composite, edit: oneRange(at(0), 0)},
		{name: "zero-pages-among-others", why: "Each range has at least one page.", codes: invalid, section: composite,
			edit: ranges(func(t *T) []ffa.Constituent { return []ffa.Constituent{region(t.buf, 2), region(t.buf+8*page, 0)} })},
		{name: "page-sum-overflow", why: "The sum of the pages is 2 modulo 2^32: it must not be added up in 32 bits.", codes: either, section: composite,
			edit: ranges(func(t *T) []ffa.Constituent {
				return []ffa.Constituent{region(t.buf, 1<<31), region(t.buf+8*page, 1<<31), region(t.buf, 2)}
			}),
			raw: put32(atPageCount, 2)},
		{name: "page-count-overflow", why: "The number of bytes is 0 modulo 2^32: it must not be computed in 32 bits.", codes: either, section: composite, edit: oneRange(at(0), 1<<20)},
		{name: "address-wraps", why: "The range wraps around the end of the address space.", codes: either, section: composite,
			edit: oneRange(func(*T) uint64 { return ^uint64(page - 1) }, 2)},
		{name: "address-wraps-onto-memory", why: "Address and size wrap in 64 bits and end within memory.", codes: either, section: composite,
			edit: oneRange(func(t *T) uint64 { return t.buf - 0xFFFF_FFFF*page }, 0xFFFF_FFFF)},
		{name: "address-misaligned", why: "A range begins at a page of 4 KiB.", codes: invalid, section: composite, edit: oneRange(at(0x800), 1)},
		{name: "address-odd", why: "A range begins at a page of 4 KiB.", codes: invalid, section: composite, edit: oneRange(at(1), 1)},
		{name: "range-reserved", why: "Reserved words of a range must be zero.", codes: invalid, section: composite, raw: put32(atRangeReserved, 1)},
		{name: "ranges-overlap", why: "Ranges of a descriptor must not overlap.", codes: invalid, section: composite,
			edit: ranges(func(t *T) []ffa.Constituent { return []ffa.Constituent{region(t.buf, 4), region(t.buf+3*page, 1)} })},
		{name: "ranges-repeated", why: "Ranges of a descriptor must not overlap.", codes: invalid, section: composite,
			edit: ranges(func(t *T) []ffa.Constituent {
				return []ffa.Constituent{region(t.buf, 1), region(t.buf+page, 1), region(t.buf, 1)}
			})},

		// Memory that the sender does not have.
		{name: "device", why: "A device is no memory.", codes: either, section: states, edit: oneRange(func(t *T) uint64 { return t.Device }, 1)},
		{name: "frame", why: "The registers of the firewall are no memory.", needs: NeedFrame, codes: either, section: states, edit: oneRange(func(t *T) uint64 { return t.Frame }, 1)},
		{name: "address-zero", why: "The normal world has no memory there.", codes: either, section: states, edit: oneRange(func(*T) uint64 { return 0 }, 1)},
		{name: "beyond-memory", why: "Nothing is there.", codes: either, section: states, edit: oneRange(func(t *T) uint64 { return t.End }, 1)},
		{name: "across-end", why: "The last page is not there.", codes: either, section: states, edit: oneRange(func(t *T) uint64 { return t.End - page }, 2)},
		{name: "wild-address", why: "Nothing is there.", codes: either, section: states, edit: oneRange(func(*T) uint64 { return 0x7FFF_FFFF_FFFF_F000 }, 1)},
		{name: "sixteen-terabytes", why: "The normal world has no such memory.", codes: either, section: states, edit: oneRange(at(0), 0xFFFF_FFFF)},
		{name: "secure-memory", why: "Secure memory is not the normal world's to give.", needs: NeedSecureRAM, codes: either, section: states,
			edit: oneRange(func(t *T) uint64 { return t.SecureRAM.Base }, 1)},
		{name: "carve-out", why: "The carve-out is not the normal world's to give.", codes: either, section: states, edit: func(t *T, d *ffa.MemoryTransaction) {
			if t.Carveout.Size == 0 {
				t.skip("the target has no carve-out")
			}
			d.Constituents = []ffa.Constituent{region(t.Carveout.Base, 2)}
		}},
		{name: "already-shared", why: "A page that is shared is not exclusive.", codes: either, section: states,
			prepare: func(t *T) { t.share(t.side, 1) }, edit: oneRange(func(t *T) uint64 { return t.side - page }, 2)},
		{name: "already-lent", why: "A page that is lent is not the owner's to use.", codes: either, section: states,
			prepare: func(t *T) { t.lend(t.side, 1) }, edit: oneRange(func(t *T) uint64 { return t.side }, 2)},
		{name: "already-shared-second-range", why: "Each page of each range must be exclusive.", codes: either, section: states,
			prepare: func(t *T) { t.share(t.side, 1) },
			edit:    ranges(func(t *T) []ffa.Constituent { return []ffa.Constituent{region(t.buf, 2), region(t.side, 1)} })},
		{name: "tx", why: "TX is shared with the SPMC while it is mapped.", codes: either, section: states, edit: oneRange(func(t *T) uint64 { return t.tx }, 1)},
		{name: "rx", why: "RX is shared with the SPMC while it is mapped.", codes: either, section: states, edit: oneRange(func(t *T) uint64 { return t.rx }, 1)},
		{name: "argument-page", why: "A page with messages to OP-TEE is shared.", codes: either, section: states,
			prepare: func(t *T) { t.open() }, edit: oneRange(func(t *T) uint64 { return t.arg }, 1)},
		{name: "registered-buffer", why: "A page that is registered over OP-TEE's SMC ABI must not become protected under its user.", kinds: onlyLend, needs: NeedSMC, codes: either, section: states,
			prepare: func(t *T) {
				t.abi = overSMC
				t.shareBuffer(t.side, 1)
				t.abi = overFFA
			}, edit: oneRange(func(t *T) uint64 { return t.side }, 1)},
		{name: "pool-of-other-abi", why: "A page that was lent over OP-TEE's SMC ABI is not the normal world's.", needs: NeedSMC, codes: either, section: states,
			prepare: func(t *T) {
				t.abi = overSMC
				t.protect(t.side, 16*page, useCase)
				t.abi = overFFA
			}, edit: oneRange(func(t *T) uint64 { return t.side }, 1)},
	}
}

// negative runs one refused descriptor: nothing has changed afterwards, and the same call with a good descriptor works.
func (f *fault) run(t *T, kind ffa.TransactionKind) {
	t.startFFA()
	victim := Range{t.buf, 16 * page}
	t.fill(around(victim).Base, around(victim).Size)
	if f.prepare != nil {
		f.prepare(t)
	}
	d := t.transaction(kind, region(t.buf, 2))
	if f.edit != nil {
		f.edit(t, d)
	}
	b := d.AppendTo(nil, t.version)
	if f.raw != nil {
		b = f.raw(b)
	}
	t.sendBytes(kind.String()+": "+f.name, failure(f.codes...), send64(kind), b)
	t.filled("memory after the refusal", victim.Base, victim.Size)
	if t.Firewall {
		t.normal("memory after the refusal", victim)
	}
	// The same pages, and all others of the victim, can still be sent.
	t.free("after the refusal", victim.Base, 16)
	if kind == ffa.Lend {
		t.reclaim(t.lend(victim.Base, 2))
	}
}

func negativeCases() []Case {
	var cases []Case
	for _, f := range faults() {
		kinds := f.kinds
		if kinds == nil {
			kinds = []ffa.TransactionKind{ffa.Share, ffa.Lend}
		}
		for _, kind := range kinds {
			c := Case{Name: fmt.Sprintf("%v-%s", kind, f.name), Rule: memRule(f.section), Needs: f.needs,
				Why: f.why + " The call is refused and changes nothing.", Run: func(t *T) { f.run(t, kind) }}
			if f.name == "carve-out" {
				c.Variant = StaticPool
			}
			cases = append(cases, c)
		}
	}
	for _, x := range []struct{ layout, agreed ffa.Version }{
		{ffa.Version1_0, ffa.Version1_1}, {ffa.Version1_0, ffa.Version1_2}, {ffa.Version1_1, ffa.Version1_0}, {ffa.Version1_2, ffa.Version1_0}, {ffa.Version1_2, ffa.Version1_1},
	} {
		cases = append(cases, Case{Name: fmt.Sprintf("layout-%v-at-%v", x.layout, x.agreed), Rule: memRule("Memory transaction descriptor"),
			Why: "The version that was agreed on selects the layout, not the call: another layout is refused.", Run: func(t *T) {
				t.startVersion(x.agreed)
				b := t.transaction(ffa.Share, region(t.buf, 2)).AppendTo(nil, x.layout)
				t.sendBytes("FFA_MEM_SHARE in another layout", failure(ffa.InvalidParameters), send64(ffa.Share), b)
				t.free("after the refusal", t.buf, 2)
			}})
	}
	cases = append(cases, sendRegisterCases()...)
	return append(cases, fragmentRefusals()...)
}

// sendRegisterCases are sends whose registers do not fit each other or the descriptor.
func sendRegisterCases() []Case {
	inv := ffa.InvalidParameters
	var cases []Case
	for _, s := range []struct {
		name, why string
		codes     []ffa.Error
		// args are w1, w2 and the following for a descriptor of 112 bytes.
		args func(t *T) []uint64
	}{
		{"fragment-longer-than-total", "A fragment is not longer than the whole.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 128} }},
		{"no-fragment", "A fragment is not empty.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 0} }},
		{"no-length", "A descriptor is not empty.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{0, 0} }},
		{"header-cut", "The first fragment holds the header.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 32} }},
		{"emad-cut", "The first fragment holds the access descriptors.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 64} }},
		{"composite-cut", "The first fragment holds the composite descriptor.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 80} }},
		{"total-too-short", "The last range is not part of the descriptor.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{96, 96} }},
		{"total-too-long", "More is announced than the ranges need.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{128, 128} }},
		{"total-too-long-in-parts", "More is announced than the ranges need.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{128, 112} }},
		{"total-huge", "No secure world keeps 4 GiB of descriptor.", []ffa.Error{inv, ffa.NoMemory}, func(*T) []uint64 { return []uint64{0xFFFF_FFF0, 112} }},
		{"longer-than-tx", "The fragment stands in TX, which has one page; OP-TEE says DENIED.", []ffa.Error{inv, ffa.Denied}, func(*T) []uint64 { return []uint64{8192, 8192} }},
		{"odd-fragment", "A fragment ends between ranges.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 100} }},
		{"pages-without-buffer", "A page count belongs to a buffer address.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 112, 0, 1} }},
		{"buffer-without-pages", "A buffer has pages.", []ffa.Error{inv}, func(t *T) []uint64 { return []uint64{112, 112, t.side, 0} }},
		{"buffer-misaligned", "A buffer begins at a page.", []ffa.Error{inv}, func(t *T) []uint64 { return []uint64{112, 112, t.side + 8, 1} }},
		{"buffer-not-memory", "A buffer is memory of the caller.", []ffa.Error{inv, ffa.Denied, ffa.Aborted}, func(t *T) []uint64 { return []uint64{112, 112, t.Device, 1} }},
		{"w5", "w5 must be zero.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 112, 0, 0, 1} }},
		{"w6", "w6 must be zero.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 112, 0, 0, 0, 1} }},
		{"w7", "w7 must be zero.", []ffa.Error{inv}, func(*T) []uint64 { return []uint64{112, 112, 0, 0, 0, 0, 1} }},
	} {
		for _, kind := range []ffa.TransactionKind{ffa.Share, ffa.Lend} {
			cases = append(cases, Case{Name: fmt.Sprintf("%v-%s", kind, s.name), Rule: memRule(map[ffa.TransactionKind]string{ffa.Share: "FFA_MEM_SHARE", ffa.Lend: "FFA_MEM_LEND"}[kind]),
				Why: s.why + " The call is refused and changes nothing.", Run: withOPTEE(func(t *T) {
					t.fill(t.buf-page, 4*page)
					t.write(t.tx, t.bytes(kind, region(t.buf, 2)))
					for _, f := range []uint64{send64(kind), send32(kind)} {
						t.expect(kind.String()+": "+s.name, failure(s.codes...), append([]uint64{f}, s.args(t)...)...)
					}
					t.filled("memory after the refusal", t.buf-page, 4*page)
					t.free("after the refusal", t.buf, 2)
				})})
		}
	}
	return append(cases, Case{Name: "dynamic-buffer", Rule: ffaRule("FFA_FEATURES, properties of memory functions"),
		Why: "FFA_FEATURES says whether a descriptor may stand outside TX; where not, the call is refused.", Run: withOPTEE(func(t *T) {
			out := t.features("FFA_FEATURES(FFA_MEM_SHARE)", successWith(2, "properties"), uint64(ffa.MemShare64))
			b := t.bytes(ffa.Share, region(t.buf, 2))
			t.write(t.side, b)
			n := uint64(len(b))
			if uint32(out[2])&ffa.MemPropertyDynamicBuffer != 0 {
				t.reclaim(t.handleOf(t.expect("FFA_MEM_SHARE with a buffer", handleReply(), send64(ffa.Share), n, n, t.side, 1)))
				return
			}
			t.expect("FFA_MEM_SHARE with a buffer", failure(ffa.InvalidParameters, ffa.NotSupported), send64(ffa.Share), n, n, t.side, 1)
			t.free("after the refusal", t.buf, 2)
		})})
}

// fragmentRefusals are fragments that are refused; the transfer goes on afterwards.
func fragmentRefusals() []Case {
	rule := memRule("FFA_MEM_FRAG_TX")
	inv := ffa.InvalidParameters
	var cases []Case
	for _, f := range []struct {
		name, why string
		codes     []ffa.Error
		args      func(h ffa.Handle, rest int) []uint64
	}{
		{"other-handle", "No transaction has this handle.", []ffa.Error{inv}, func(h ffa.Handle, rest int) []uint64 { return fragTX(h+1, rest) }},
		{"handle-zero", "No transaction has this handle.", []ffa.Error{inv}, func(_ ffa.Handle, rest int) []uint64 { return fragTX(0, rest) }},
		{"handle-words-swapped", "w1 is the lower half of the handle.", []ffa.Error{inv}, func(h ffa.Handle, rest int) []uint64 {
			if h>>32|h<<32 == h {
				h++
			}
			return fragTX(h>>32|h<<32, rest)
		}},
		{"empty", "A fragment is not empty.", []ffa.Error{inv}, func(h ffa.Handle, _ int) []uint64 { return fragTX(h, 0) }},
		{"too-long", "A fragment is not longer than what is missing.", []ffa.Error{inv}, func(h ffa.Handle, rest int) []uint64 { return fragTX(h, rest+16) }},
		{"longer-than-tx", "The fragment stands in TX, which has one page.", []ffa.Error{inv, ffa.Denied}, func(h ffa.Handle, _ int) []uint64 { return fragTX(h, 2*page) }},
		{"huge", "The fragment stands in TX, which has one page.", []ffa.Error{inv, ffa.Denied}, func(h ffa.Handle, _ int) []uint64 { return fragTX(h, 0xFFFF_FFF0) }},
		{"odd", "A fragment ends between ranges.", []ffa.Error{inv}, func(h ffa.Handle, _ int) []uint64 { return fragTX(h, 40) }},
	} {
		cases = append(cases, Case{Name: "fragment-" + f.name, Rule: rule,
			Why: f.why + " The fragment is refused; what was shared is nothing, before and after.", Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 8)...)
				h := t.begin(ffa.Share, b, 112)
				t.write(t.tx, b[112:])
				t.expect("FFA_MEM_FRAG_TX", failure(f.codes...), f.args(h, len(b)-112)...)
				t.free("after the refusal", t.buf, 16)
				// The transfer may have been ended by the refusal; either way it is no transaction.
				t.gone("after the refusal", h)
			})})
	}
	return append(cases,
		Case{Name: "fragment-of-complete", Rule: rule,
			Why: "Nothing is missing of a transaction that is complete.",
			Run: withOPTEE(func(t *T) {
				h := t.share(t.buf, 1)
				t.expect("FFA_MEM_FRAG_TX to a complete transaction", failure(inv), fragTX(h, 16)...)
				t.reclaim(h)
			})},
		Case{Name: "fragment-unasked", Rule: rule, Why: "No transaction is under way.", Run: withOPTEE(func(t *T) {
			t.expect("FFA_MEM_FRAG_TX", failure(inv), fragTX(1, 16)...)
		})},
		Case{Name: "fragment-rx-by-caller", Rule: memRule("FFA_MEM_FRAG_RX"),
			Why: "The normal world receives no descriptor whose fragments it could ask for.",
			Run: withOPTEE(func(t *T) {
				h := t.share(t.buf, 1)
				t.expect("FFA_MEM_FRAG_RX", failure(inv, ffa.NotSupported, ffa.Denied), uint64(ffa.MemFragRX32), uint64(uint32(h)), uint64(h)>>32, 0)
				t.reclaim(h)
			})},
		Case{Name: "fragment-after-unmap", Rule: rule, Why: "Without TX there is no fragment.", Run: withOPTEE(func(t *T) {
			b := t.bytes(ffa.Share, scattered(t.buf, 8)...)
			h := t.begin(ffa.Share, b, 112)
			t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
			t.expect("FFA_MEM_FRAG_TX without TX", failure(inv, ffa.Denied), fragTX(h, len(b)-112)...)
		})},
	)
}
