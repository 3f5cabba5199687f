package spmc

import (
	"errors"
	"fmt"

	"gatehouse/ffa"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/trace"
)

// version is the FF-A version of this SPMC.
const version = ffa.Version1_2

// Config is what the board chooses about its SPMC.
type Config struct {
	// ID is what FFA_SPM_ID_GET answers.
	ID ffa.EndpointID
	// MaxTransactions bounds the memory transactions that are alive at one time, 1 to 65535.
	MaxTransactions int
	// MaxDescriptor bounds the memory transaction descriptor of one transaction, in bytes.
	MaxDescriptor uint32
	// SRI is the non-secure SGI, 8 to 15, that is the schedule receiver interrupt: the lower ones are the normal world's own.
	SRI uint32
}

// Host is what the SPMC needs from the board.
type Host interface {
	NumCPUs() int
	CPUState(cpu int) firmware.CPUState
	RaiseSGI(cpu int, intid uint32)
}

// Info is what discovery says of a partition.
type Info struct {
	ID ffa.EndpointID
	// UUIDs are the protocols that it speaks, one record each; at least one.
	UUIDs      []ffa.UUID
	Contexts   uint16
	Properties ffa.PartitionProperties
}

// vm is the normal world's endpoint (DEN0077A, chapter 6: the NS physical instance).
type vm struct {
	version ffa.Version // 0 until FFA_VERSION has been called with success
	locked  bool        // another call has been made since
	rxtx    *memory.Object
	tx, rx  memory.Range
	rxFull  bool // the normal world owns RX until it releases it

	notifications notifications
}

// SPMC answers the FF-A calls of the normal world. It is a value without state elsewhere, apart from the partitions' own.
type SPMC struct {
	cfg        Config
	host       Host
	space      *memory.Space
	log        trace.Log
	vm         vm
	partitions []partition
	records    []ffa.PartitionInfo // one for each UUID, in configuration order
	slots      []transaction
	sequence   uint64 // of the handle allocated last
	pending    int    // transactions whose descriptor has not arrived completely
	delayed    bool   // the schedule receiver interrupt is to be raised when the call at hand ends

	calling bool // a call is at hand, of processor cpu
	cpu     int

	asm        ffa.Assembler // scratch of calls that come in one fragment
	descriptor ffa.MemoryTransaction
	ranges     []memory.Range
	fragment   []byte
}

// New makes an SPMC without partitions.
func New(cfg Config, host Host, space *memory.Space, log trace.Log) *SPMC {
	return &SPMC{cfg: cfg, host: host, space: space, log: log, slots: make([]transaction, cfg.MaxTransactions)}
}

// Add makes a partition known. Identifiers must be those of secure endpoints, unique, and not the SPMC's.
func (s *SPMC) Add(info Info, p Partition) error {
	switch {
	case !info.ID.Secure() || info.ID == s.cfg.ID || info.ID == ffa.SPMD:
		return fmt.Errorf("partition %v: not an identifier for a secure partition", info.ID)
	case s.find(info.ID) != nil:
		return fmt.Errorf("partition %v: two partitions with this identifier", info.ID)
	case len(info.UUIDs) == 0:
		return fmt.Errorf("partition %v: no UUID", info.ID)
	}
	for _, u := range info.UUIDs {
		if u.IsNil() {
			return fmt.Errorf("partition %v: the nil UUID", info.ID)
		}
		s.records = append(s.records, ffa.PartitionInfo{
			ID: info.ID, ExecutionContexts: info.Contexts, Properties: info.Properties, UUID: u, Version: version,
		})
	}
	s.partitions = append(s.partitions, partition{Info: info, Partition: p})
	if info.Properties&ffa.PropNotifications != 0 {
		s.partitions[len(s.partitions)-1].notifications.enable(int(info.Contexts))
	}
	p.Start(Services{s, info.ID})
	return nil
}

// Call answers one FF-A call of processor cpu. Registers that the reply does not define keep their values.
func (s *SPMC) Call(cpu int, r *ffa.Registers) {
	s.calling, s.cpu = true, cpu
	s.answer(cpu, r)
	if s.delayed {
		s.schedule(false)
	}
	s.calling, s.cpu = false, 0
}

func (s *SPMC) answer(cpu int, r *ffa.Registers) {
	if !s.log.On(event.FFA) {
		s.call(r)
		return
	}
	Traced(s.log, cpu, r, s.call)
}

// Traced lets call answer a call of processor cpu, and tells of it.
func Traced(log trace.Log, cpu int, r *ffa.Registers, call func(*ffa.Registers)) {
	f := ffa.FunctionOf(r)
	name, fields := ffa.Describe(r)
	log.Enter(event.FFA, cpu, name)
	call(r)
	reply, results := ffa.DescribeReply(f, r)
	log.Leave(event.FFA, cpu, name, trace.Reply(trace.Call(nil, fields), reply, results)...)
}

// put writes the eight registers that every FF-A reply defines.
func put(r *ffa.Registers, reply ffa.Registers) { copy(r[:8], reply[:8]) }

// fail writes FFA_ERROR.
func fail(r *ffa.Registers, err error) { put(r, ffa.ErrorReply(code(err))) }

// result writes reply, or FFA_ERROR where err is set.
func result(r *ffa.Registers, reply ffa.Registers, err error) {
	if err != nil {
		fail(r, err)
		return
	}
	put(r, reply)
}

func (s *SPMC) call(r *ffa.Registers) {
	f := ffa.FunctionOf(r)
	if f == ffa.Version32 {
		s.exchangeVersion(r)
		return
	}
	if s.vm.version == 0 {
		fail(r, ffa.NotSupported)
		return
	}
	s.vm.locked = true
	if !s.implements(f) {
		fail(r, ffa.NotSupported)
		return
	}
	switch f {
	case ffa.IDGet32:
		put(r, ffa.IDGetReply(ffa.NonSecurePhysical))
	case ffa.SPMIDGet32:
		put(r, ffa.IDGetReply(s.cfg.ID))
	case ffa.Features32:
		s.features(r)
	case ffa.RXTXMap32, ffa.RXTXMap64:
		result(r, ffa.SuccessReply(), s.mapBuffers(r))
	case ffa.RXTXUnmap32:
		result(r, ffa.SuccessReply(), s.unmapBuffers(r))
	case ffa.RXRelease32:
		result(r, ffa.SuccessReply(), s.releaseRX(r))
	case ffa.PartitionInfoGet32:
		reply, err := s.partitionInfo(r)
		result(r, reply, err)
	case ffa.PartitionInfoGetRegs64:
		s.partitionInfoRegs(r)
	case ffa.MsgSendDirectReq32, ffa.MsgSendDirectReq64:
		reply, err := s.direct(r)
		result(r, reply, err)
	case ffa.MsgSendDirectReq2_64:
		s.direct2(r)
	case ffa.Run32:
		fail(r, s.run(r))
	case ffa.MemShare32, ffa.MemShare64, ffa.MemLend32, ffa.MemLend64, ffa.MemDonate32, ffa.MemDonate64:
		reply, err := s.send(r)
		result(r, reply, err)
	case ffa.MemFragTX32:
		reply, err := s.sendFragment(r)
		result(r, reply, err)
	case ffa.MemReclaim32:
		result(r, ffa.SuccessReply(), s.reclaim(r))
	default:
		fail(r, ffa.NotSupported)
	}
}

// exchangeVersion is FFA_VERSION (DEN0077A, 13.2). The version holds from the first other call until reset; asked again
// after that, the answer is the version that was agreed on.
func (s *SPMC) exchangeVersion(r *ffa.Registers) {
	c, err := ffa.ParseVersion(r)
	agreed, nerr := ffa.Negotiate(version, c.Asked)
	switch {
	case err != nil || nerr != nil:
		r[0] = ffa.VersionNotSupported()[0]
	case s.vm.locked:
		r[0] = ffa.VersionReply(s.vm.version)[0]
	default:
		s.vm.version = agreed
		r[0] = ffa.VersionReply(version)[0]
	}
}

// implements reports whether a caller of the version that was agreed on may call f. Functions that only secure endpoints may
// call are not among them.
func (s *SPMC) implements(f ffa.Function) bool {
	switch f {
	case ffa.Version32, ffa.Features32, ffa.RXRelease32, ffa.RXTXMap32, ffa.RXTXMap64, ffa.RXTXUnmap32,
		ffa.PartitionInfoGet32, ffa.PartitionInfoGetRegs64, ffa.IDGet32, ffa.SPMIDGet32, ffa.Run32,
		ffa.MsgSendDirectReq32, ffa.MsgSendDirectReq64, ffa.MsgSendDirectReq2_64,
		ffa.MemDonate32, ffa.MemDonate64, ffa.MemLend32, ffa.MemLend64, ffa.MemShare32, ffa.MemShare64,
		ffa.MemReclaim32, ffa.MemFragTX32:
		return f.Since() <= s.vm.version
	}
	return false
}

// features is FFA_FEATURES (DEN0077A, 13.3). Beside what a caller may call it reports what it may be answered with.
func (s *SPMC) features(r *ffa.Registers) {
	q, err := ffa.ParseFeatures(r)
	f, isFunction := q.Function()
	if err != nil || !isFunction {
		fail(r, ffa.NotSupported)
		return
	}
	switch f {
	case ffa.Error32, ffa.Success32, ffa.Success64, ffa.Interrupt32, ffa.MemFragRX32,
		ffa.MsgSendDirectResp32, ffa.MsgSendDirectResp64, ffa.MsgSendDirectResp2_64:
		if f.Since() > s.vm.version {
			fail(r, ffa.NotSupported)
			return
		}
	default:
		if !s.implements(f) {
			fail(r, ffa.NotSupported)
			return
		}
	}
	w2 := uint32(0)
	if f == ffa.RXTXMap32 || f == ffa.RXTXMap64 {
		w2 = ffa.RXTXMapProperties(ffa.BufferGranule4K, 0)
	}
	put(r, ffa.FeaturesReply(w2, 0))
}

// code is the FF-A code for an error of this package, of package ffa or of package memory.
func code(err error) ffa.Error {
	switch {
	case errors.Is(err, memory.ErrNotNormal), errors.Is(err, memory.ErrState):
		return ffa.Denied
	case errors.Is(err, memory.ErrOverlap), errors.Is(err, memory.ErrBounds):
		return ffa.InvalidParameters
	case errors.Is(err, memory.ErrNoRegion), errors.Is(err, memory.ErrTooMany):
		return ffa.NoMemory
	}
	return ffa.CodeOf(err)
}
