package tee

import (
	"encoding/binary"
	"fmt"

	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

// UseCase is what a protected memory pool is for and who may touch it.
type UseCase struct {
	ID     optee.UseCase
	Access memory.Access // of non-secure masters, while nothing is granted
	// Grantable is which masters clients may add to Access for parts of the memory, with the grant application. It never has the
	// processors.
	Grantable memory.Access
	// MinSize is the size of pool, in bytes, that clients are told to allocate; smaller ones are accepted.
	MinSize uint64
	// Align is what base and size of a pool must be multiples of, in bytes: a power of two, at least a page.
	Align uint64
	// PAWidth is the width of a physical address in bits, as masters of the use case have it.
	PAWidth uint32
	// Endpoints are whom the pool must be lent to over FF-A, with their permissions. None stands for the service's own
	// partition, which reads and writes.
	Endpoints []optee.ProtmemConfigEntry
	// Carveout is memory within the normal world's that is protected for the use case from reset on. Size 0 stands for none.
	Carveout memory.Range
}

func (s *Service) useCase(id uint64) *UseCase {
	for i := range s.cfg.UseCases {
		if u := &s.cfg.UseCases[i]; uint64(u.ID) == id {
			return u
		}
	}
	return nil
}

// carveout gives the carve-out that the SMC ABI reports for a use case. For clients that name none it is the one for video, or else
// the first. It is nil where there is none: a client that names its use case wants no memory that other masters reach.
func (s *Service) carveout(id uint64) (use *UseCase, pool *memory.Object) {
	rank := 0
	for i, o := range s.carveouts {
		u := &s.cfg.UseCases[i]
		r := 1
		switch {
		case o == nil:
			r = 0
		case uint64(u.ID) == id:
			r = 3
		case id >= uint64(optee.UseCaseSecureVideoPlay) && id <= uint64(optee.UseCaseSecureVideoRecord), s.useCase(id) != nil:
			r = 0
		case u.ID == optee.UseCaseSecureVideoPlay:
			r = 2
		}
		if r > rank {
			use, pool, rank = u, o, r
		}
	}
	return use, pool
}

// protmemConfig is GET_PROTMEM_CONFIG: value a is the use case, and on return a the pool size, b its alignment and c the width
// of an address. The memory reference takes the list of those that the pool is to be lent to. A list that does not fit is
// SHORT_BUFFER with its size; clients over FF-A rely on being told so first.
func (s *Service) protmemConfig(t *thread) optee.Result {
	a := &t.arg
	if len(a.Params) != 2 {
		return optee.ErrorBadParameters
	}
	id := a.Params[0].U[0]
	if res := s.copyIn(t, a.Params); res != optee.Success {
		return res
	}
	u := s.useCase(id)
	if !t.state.Params.Are(optee.AttrValueInOut, optee.AttrRMemOutput) || u == nil {
		return optee.ErrorBadParameters
	}
	var list []byte
	for _, e := range s.transport(t).endpoints(nil, u) {
		if s.cfg.RSTMEM {
			list = binary.LittleEndian.AppendUint16(list, e.Endpoint)
		} else {
			list = binary.LittleEndian.AppendUint32(list, e.Word())
		}
	}
	m := &t.state.Params[1].Mem
	res := optee.Success
	switch {
	case m.Size < uint64(len(list)):
		res = optee.ErrorShortBuffer
	case m.Protected() || m.WriteAt(list, 0) != nil:
		return optee.ErrorBadParameters
	}
	v := optee.Value{A: u.MinSize, B: u.Align, C: uint64(u.PAWidth)}
	if s.cfg.RSTMEM {
		v.C = a.Params[0].U[2]
	}
	a.Params[0].SetValue(v)
	a.Params[1].SetSize(uint64(len(list)))
	return res
}

// pool says whether a range may become a pool of use case id.
func (s *Service) pool(id uint64, r memory.Range) (*UseCase, error) {
	u := s.useCase(id)
	switch {
	case u == nil:
		return nil, fmt.Errorf("use case %#x does not exist", id)
	case !r.Pages() || r.Base%u.Align != 0 || r.Size%u.Align != 0:
		return nil, fmt.Errorf("%v is not aligned to %#x", r, u.Align)
	case u.PAWidth < 64 && (r.End()-1)>>u.PAWidth != 0:
		return nil, fmt.Errorf("%v is beyond %d address bits", r, u.PAWidth)
	}
	return u, nil
}
