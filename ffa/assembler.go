package ffa

import "slices"

// Assembler collects the fragments of a memory transaction descriptor (FFA_MEM_FRAG_RX and
// FFA_MEM_FRAG_TX). It is a plain value: Total and Data are all of it.
//
// The first fragment must hold everything up to and including the composite memory region descriptor, so
// that the number of constituents is known before memory is spent on them; the constituents may continue in
// later fragments. Every fragment is a multiple of 16 bytes, so that it ends between constituents.
type Assembler struct {
	Total uint32 // bytes of the whole descriptor; 0 when nothing has been started
	Data  []byte // bytes received so far, len(Data) <= Total
}

// Start begins a descriptor of total bytes with its first fragment, of which it keeps a copy. limit is the
// largest total accepted; a longer one is NO_MEMORY. On an error the Assembler is left empty.
func (a *Assembler) Start(total uint32, first []byte, v Version, k TransactionKind, limit uint32) error {
	a.Reset()
	switch {
	case total > limit:
		return &FieldError{"total length", uint64(total), NoMemory, RuleTooLong}
	case total%ConstituentSize != 0:
		return invalid("total length", uint64(total), RuleMisaligned)
	case len(first)%ConstituentSize != 0:
		return invalid("fragment length", uint64(len(first)), RuleMisaligned)
	}
	if _, err := parseLayout(first, total, v, k); err != nil {
		return err
	}
	a.Total = total
	a.Data = append(a.Data, first...)
	return nil
}

// Add appends a copy of the next fragment. A fragment that is empty, not a multiple of 16 bytes or longer
// than what is missing is refused and leaves the Assembler as it was.
func (a *Assembler) Add(fragment []byte) error {
	switch {
	case a.Complete():
		return invalid("fragment length", uint64(len(fragment)), RuleComplete)
	case len(fragment) == 0:
		return invalid("fragment length", 0, RuleCountZero)
	case len(fragment)%ConstituentSize != 0:
		return invalid("fragment length", uint64(len(fragment)), RuleMisaligned)
	case uint64(len(fragment)) > uint64(a.Remaining()):
		return invalid("fragment length", uint64(len(fragment)), RuleTooLong)
	}
	a.Data = append(a.Data, fragment...)
	return nil
}

// Complete reports whether nothing is missing. An Assembler that was not started is complete.
func (a *Assembler) Complete() bool { return a.Remaining() == 0 }

// Offset is the offset of the next byte wanted: w3 of FFA_MEM_FRAG_RX.
func (a *Assembler) Offset() uint32 { return uint32(len(a.Data)) }

// Remaining is the number of bytes still missing.
func (a *Assembler) Remaining() uint32 { return a.Total - uint32(len(a.Data)) }

// Reset forgets everything and keeps the buffer for reuse.
func (a *Assembler) Reset() { a.Total, a.Data = 0, a.Data[:0] }

// NextFragment returns the piece of a whole descriptor that a sender puts into a buffer of size bytes at
// offset: as much as fits, ending between constituents. It is empty at the end of the descriptor.
func NextFragment(descriptor []byte, offset, size uint32) []byte {
	if uint64(offset) >= uint64(len(descriptor)) {
		return nil
	}
	rest := descriptor[offset:]
	n := min(uint64(size)&^(ConstituentSize-1), uint64(len(rest)))
	return slices.Clip(rest[:n])
}
