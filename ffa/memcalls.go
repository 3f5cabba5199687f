package ffa

// MemSend is FFA_MEM_SHARE, FFA_MEM_LEND, FFA_MEM_DONATE and FFA_MEM_RETRIEVE_REQ: the same registers
// (DEN0140).
type MemSend struct {
	Function Function
	Total    uint32 // bytes of the whole descriptor
	Fragment uint32 // bytes in this call
	Buffer   uint64 // address of the buffer that holds it; 0 for TX
	Pages    uint32 // 4 KiB pages of Buffer; 0 for TX
}

// ParseMemSend reads a memory send or retrieve request. It refuses a fragment longer than the descriptor
// or empty, a buffer without pages or pages without a buffer, a fragment longer than its buffer, and
// registers w5-w7 that are not zero.
func ParseMemSend(r *Registers) (MemSend, error) {
	c := MemSend{FunctionOf(r), word(r, 1), word(r, 2), arg(r, 3), word(r, 4)}
	err := expect(r, MemShare32, MemShare64, MemLend32, MemLend64, MemDonate32, MemDonate64,
		MemRetrieveReq32, MemRetrieveReq64)
	if err != nil {
		return c, err
	}
	for i, name := range [...]string{"w5", "w6", "w7"} {
		if v := arg(r, 5+i); v != 0 {
			return c, invalid(name, v, RuleMustBeZero)
		}
	}
	switch {
	case c.Fragment > c.Total:
		return c, invalid("fragment length", uint64(c.Fragment), RuleLength)
	case c.Fragment == 0:
		return c, invalid("fragment length", 0, RuleCountZero)
	case c.Buffer == 0 && c.Pages != 0:
		return c, invalid("page count", uint64(c.Pages), RuleNoBufferAddress)
	case c.Buffer != 0 && c.Pages == 0:
		return c, invalid("page count", 0, RuleCountZero)
	case c.Buffer%PageSize != 0:
		return c, invalid("buffer address", c.Buffer, RuleMisaligned)
	case c.Buffer+uint64(c.Pages)*PageSize < c.Buffer:
		return c, invalid("buffer address", c.Buffer, RuleWraps)
	case c.Buffer != 0 && uint64(c.Fragment) > uint64(c.Pages)*PageSize:
		return c, invalid("fragment length", uint64(c.Fragment), RuleTooLong)
	}
	return c, nil
}

// Registers returns the call.
func (c MemSend) Registers() Registers {
	return Registers{uint64(c.Function), uint64(c.Total), uint64(c.Fragment), c.Buffer, uint64(c.Pages)}
}

// MemRetrieveResp is FFA_MEM_RETRIEVE_RESP; the descriptor is in the RX buffer of the receiver.
type MemRetrieveResp struct {
	Total    uint32
	Fragment uint32
}

// ParseMemRetrieveResp reads FFA_MEM_RETRIEVE_RESP.
func ParseMemRetrieveResp(r *Registers) (MemRetrieveResp, error) {
	c := MemRetrieveResp{word(r, 1), word(r, 2)}
	if err := expect(r, MemRetrieveResp32); err != nil {
		return c, err
	}
	if c.Fragment > c.Total {
		return c, invalid("fragment length", uint64(c.Fragment), RuleLength)
	}
	return c, nil
}

// Registers returns the reply.
func (c MemRetrieveResp) Registers() Registers {
	return Registers{uint64(MemRetrieveResp32), uint64(c.Total), uint64(c.Fragment)}
}

// MemFragRX is FFA_MEM_FRAG_RX: the receiver of a descriptor wants the fragment at Offset.
type MemFragRX struct {
	Handle Handle
	Offset uint32     // of the next byte wanted
	Sender EndpointID // w4[31:16]
}

// ParseMemFragRX reads FFA_MEM_FRAG_RX.
func ParseMemFragRX(r *Registers) (MemFragRX, error) {
	return MemFragRX{Handle(pair(r, 1)), word(r, 3), EndpointID(high16(r[4]))}, expect(r, MemFragRX32)
}

// Registers returns the call.
func (c MemFragRX) Registers() Registers {
	r := Registers{0: uint64(MemFragRX32), 3: uint64(c.Offset), 4: uint64(c.Sender) << 16}
	putPair(&r, 1, uint64(c.Handle))
	return r
}

// MemFragTX is FFA_MEM_FRAG_TX: the next fragment is in the TX buffer of the caller.
type MemFragTX struct {
	Handle Handle
	Length uint32
	Sender EndpointID // w4[31:16]; Linux leaves it zero
}

// ParseMemFragTX reads FFA_MEM_FRAG_TX.
func ParseMemFragTX(r *Registers) (MemFragTX, error) {
	c := MemFragTX{Handle(pair(r, 1)), word(r, 3), EndpointID(high16(r[4]))}
	if err := expect(r, MemFragTX32); err != nil {
		return c, err
	}
	if c.Length == 0 {
		return c, invalid("fragment length", 0, RuleCountZero)
	}
	return c, nil
}

// Registers returns the call.
func (c MemFragTX) Registers() Registers {
	r := Registers{0: uint64(MemFragTX32), 3: uint64(c.Length), 4: uint64(c.Sender) << 16}
	putPair(&r, 1, uint64(c.Handle))
	return r
}

// MemReclaim is FFA_MEM_RECLAIM. The flags are FlagZero and FlagTimeSlice.
type MemReclaim struct {
	Handle Handle
	Flags  MemoryFlags
}

// ParseMemReclaim reads FFA_MEM_RECLAIM. It refuses unknown flags and registers w4-w7 that are not zero.
func ParseMemReclaim(r *Registers) (MemReclaim, error) {
	c := MemReclaim{Handle(pair(r, 1)), MemoryFlags(word(r, 3))}
	if err := expect(r, MemReclaim32); err != nil {
		return c, err
	}
	if c.Flags&^(FlagZero|FlagTimeSlice) != 0 {
		return c, invalid("flags", uint64(c.Flags), RuleMustBeZero)
	}
	for i, name := range [...]string{"w4", "w5", "w6", "w7"} {
		if v := word(r, 4+i); v != 0 {
			return c, invalid(name, uint64(v), RuleMustBeZero)
		}
	}
	return c, nil
}

// Registers returns the call.
func (c MemReclaim) Registers() Registers {
	r := Registers{0: uint64(MemReclaim32), 3: uint64(c.Flags)}
	putPair(&r, 1, uint64(c.Handle))
	return r
}

// MemOp is FFA_MEM_OP_PAUSE or, with Resume, FFA_MEM_OP_RESUME.
type MemOp struct {
	Resume bool
	Handle Handle
}

// ParseMemOp reads FFA_MEM_OP_PAUSE and FFA_MEM_OP_RESUME.
func ParseMemOp(r *Registers) (MemOp, error) {
	return MemOp{FunctionOf(r) == MemOpResume32, Handle(pair(r, 1))}, expect(r, MemOpPause32, MemOpResume32)
}

// Registers returns the call.
func (c MemOp) Registers() Registers {
	r := Registers{0: uint64(MemOpPause32)}
	if c.Resume {
		r[0] = uint64(MemOpResume32)
	}
	putPair(&r, 1, uint64(c.Handle))
	return r
}
