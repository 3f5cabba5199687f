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
	// MaxVMs bounds the VMs that a hypervisor tells of.
	MaxVMs int
	// SlicePages is how many pages of 4 KiB are zeroed before a sender that allows time slicing is asked to go on; 0 stands
	// for no limit.
	SlicePages uint64
	// SRI is the non-secure SGI, 8 to 15, that is the schedule receiver interrupt: the lower ones are the normal world's own.
	SRI uint32
}

// Host is what the SPMC needs from the board.
type Host interface {
	NumCPUs() int
	CPUState(cpu int) firmware.CPUState
	RaiseSGI(cpu int, intid uint32)
}

// caller says who makes the call at hand. The zero value stands for no call.
type caller struct {
	calling bool
	cpu     int
	// hypervisor is set for a caller at EL2, which may speak for VMs. An operating system at EL1 is alone.
	hypervisor bool
}

// SPMC answers the FF-A calls of the normal world. It is a value without state elsewhere, apart from the partitions' own.
type SPMC struct {
	cfg    Config
	host   Host
	space  *memory.Space
	log    trace.Log
	caller caller

	// version is what the normal world's calls follow: 0 until FFA_VERSION has been called with success.
	version ffa.Version
	locked  bool // another call has been made since
	vms     []vm // the first is the caller at the non-secure physical instance

	partitions []partition
	records    []ffa.PartitionInfo // one for each UUID, in configuration order
	slots      []transaction
	sequence   uint64 // of the handle allocated last
	pending    int    // transactions whose descriptor has not arrived completely
	delayed    bool   // the schedule receiver interrupt is to be raised when the call at hand ends
	vcpu       uint16 // the execution context that runs, in the partition that was entered last

	asm        ffa.Assembler // scratch of calls that come in one fragment
	descriptor ffa.MemoryTransaction
	ranges     []memory.Range
	fragment   []byte
	response   []byte
}

// New makes an SPMC without partitions.
func New(cfg Config, host Host, space *memory.Space, log trace.Log) *SPMC {
	s := &SPMC{cfg: cfg, host: host, space: space, log: log, slots: make([]transaction, cfg.MaxTransactions), vms: make([]vm, 1+cfg.MaxVMs)}
	s.vms[0].known = true
	return s
}

// Add makes a partition known. Identifiers must be those of secure endpoints, unique, and not the SPMC's.
func (s *SPMC) Add(info Info, p Partition) error {
	switch {
	case !info.ID.Secure() || info.ID == s.cfg.ID || info.ID == ffa.SPMD:
		return fmt.Errorf("partition %v: not an identifier for a secure partition", info.ID)
	case s.find(info.ID) != nil:
		return fmt.Errorf("partition %v: two partitions with this identifier", info.ID)
	case len(info.Services) == 0:
		return fmt.Errorf("partition %v: no UUID", info.ID)
	case info.Contexts == 0:
		return fmt.Errorf("partition %v: no execution context", info.ID)
	}
	if info.Version == 0 {
		info.Version = version
	}
	if _, err := ffa.Negotiate(version, info.Version); err != nil || info.Version > version {
		return fmt.Errorf("partition %v: FF-A version %v", info.ID, info.Version)
	}
	for _, u := range info.Services {
		if u.UUID.IsNil() {
			return fmt.Errorf("partition %v: the nil UUID", info.ID)
		}
		s.records = append(s.records, ffa.PartitionInfo{
			ID: info.ID, ExecutionContexts: info.Contexts, Properties: info.Properties&^Messaging | u.Properties&Messaging,
			UUID: u.UUID, Version: info.Version,
		})
	}
	s.partitions = append(s.partitions, partition{Info: info, Partition: p, contexts: make([]context, info.Contexts)})
	if info.Properties&ffa.PropNotifications != 0 {
		s.partitions[len(s.partitions)-1].notifications.enable(int(info.Contexts))
	}
	p.Start(Services{s, info.ID})
	return nil
}

// Call answers one FF-A call. Registers that the reply does not define keep their values.
func (s *SPMC) Call(c firmware.Call, r *ffa.Registers) {
	s.caller = caller{calling: true, cpu: c.CPU, hypervisor: c.EL == 2}
	if s.log.On(event.FFA) {
		Traced(s.log, c.CPU, r, s.call)
	} else {
		s.call(r)
	}
	if s.delayed {
		s.schedule(false)
	}
	s.caller, s.vcpu = caller{}, 0
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
func fail(r *ffa.Registers, err error) { put(r, ffa.ErrorReply(CodeOf(err))) }

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
	if s.version == 0 {
		fail(r, ffa.NotSupported)
		return
	}
	s.locked = true
	if !s.implements(f) {
		fail(r, ffa.NotSupported)
		return
	}
	success := ffa.SuccessReply()
	switch f {
	case ffa.IDGet32:
		put(r, ffa.IDGetReply(ffa.NonSecurePhysical))
	case ffa.SPMIDGet32:
		put(r, ffa.IDGetReply(s.cfg.ID))
	case ffa.Features32:
		reply, err := s.features(r)
		result(r, reply, err)
	case ffa.RXTXMap32, ffa.RXTXMap64:
		result(r, success, s.mapBuffers(r))
	case ffa.RXTXUnmap32:
		result(r, success, s.unmapBuffers(r))
	case ffa.RXRelease32:
		result(r, success, s.releaseRX(r))
	case ffa.RXAcquire32:
		result(r, success, s.acquireRX(r))
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
	case ffa.MsgSend2_32:
		result(r, success, s.sendMessage(r))
	case ffa.Run32:
		s.run(r)
	case ffa.NotificationBitmapCreate32:
		result(r, success, s.createBitmap(r))
	case ffa.NotificationBitmapDestroy32:
		result(r, success, s.destroyBitmap(r))
	case ffa.NotificationBind32, ffa.NotificationUnbind32:
		result(r, success, s.bindNotifications(r))
	case ffa.NotificationSet32:
		result(r, success, s.setNotifications(r))
	case ffa.NotificationGet32:
		reply, err := s.getNotifications(r)
		result(r, reply, err)
	case ffa.NotificationInfoGet32, ffa.NotificationInfoGet64:
		reply, err := s.notificationInfo(f.SMC64())
		result(r, reply, err)
	case ffa.MemShare32, ffa.MemShare64, ffa.MemLend32, ffa.MemLend64, ffa.MemDonate32, ffa.MemDonate64:
		reply, err := s.send(r)
		result(r, reply, err)
	case ffa.MemFragTX32:
		reply, err := s.sendFragment(r)
		result(r, reply, err)
	case ffa.MemOpResume32:
		reply, err := s.resume(r)
		result(r, reply, err)
	case ffa.MemRetrieveReq32, ffa.MemRetrieveReq64:
		reply, err := s.retrieveRequest(r)
		result(r, reply, err)
	case ffa.MemFragRX32:
		reply, err := s.nextFragment(r)
		result(r, reply, err)
	case ffa.MemRelinquish32:
		result(r, success, s.relinquishRequest())
	case ffa.MemReclaim32:
		result(r, success, s.reclaim(r))
	default:
		panic("BUG: spmc: a function that is implemented has no code: " + f.String())
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
	case s.locked:
		r[0] = ffa.VersionReply(s.version)[0]
	default:
		s.version = agreed
		r[0] = ffa.VersionReply(version)[0]
	}
}

// implements reports whether the caller at hand may call f at the version that was agreed on. Not among them are functions
// that only secure endpoints call (FFA_MSG_WAIT, FFA_YIELD, FFA_MEM_PERM_GET, FFA_SECONDARY_EP_REGISTER and so on), that only
// answer other calls, and FFA_CONSOLE_LOG, which crosses no world: a VM's hypervisor serves it.
func (s *SPMC) implements(f ffa.Function) bool {
	switch f {
	case ffa.Version32, ffa.Features32, ffa.RXRelease32, ffa.RXTXMap32, ffa.RXTXMap64, ffa.RXTXUnmap32,
		ffa.PartitionInfoGet32, ffa.PartitionInfoGetRegs64, ffa.IDGet32, ffa.SPMIDGet32, ffa.Run32,
		ffa.MsgSendDirectReq32, ffa.MsgSendDirectReq64, ffa.MsgSendDirectReq2_64, ffa.MsgSend2_32,
		ffa.NotificationBitmapCreate32, ffa.NotificationBitmapDestroy32, ffa.NotificationBind32, ffa.NotificationUnbind32,
		ffa.NotificationSet32, ffa.NotificationGet32, ffa.NotificationInfoGet32, ffa.NotificationInfoGet64,
		ffa.MemDonate32, ffa.MemDonate64, ffa.MemLend32, ffa.MemLend64, ffa.MemShare32, ffa.MemShare64,
		ffa.MemRetrieveReq32, ffa.MemRetrieveReq64, ffa.MemRelinquish32,
		ffa.MemReclaim32, ffa.MemFragTX32, ffa.MemFragRX32, ffa.MemOpResume32:
		return f.Since() <= s.version
	case ffa.RXAcquire32:
		return s.caller.hypervisor && f.Since() <= s.version
	}
	return false
}

// features is FFA_FEATURES (DEN0077A, 13.3). Beside what a caller may call it reports what it may be answered with.
func (s *SPMC) features(r *ffa.Registers) (ffa.Registers, error) {
	q, err := ffa.ParseFeatures(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	f, isFunction := q.Function()
	switch {
	case !isFunction:
		// The other two interrupts are signalled to partitions.
		if ffa.FeatureID(q.ID) != ffa.FeatureSRI || q.Properties != 0 || s.version < ffa.Version1_1 {
			return ffa.Registers{}, ffa.NotSupported
		}
		return ffa.FeaturesReply(s.cfg.SRI, 0), nil
	case f == ffa.MemRetrieveReq32 || f == ffa.MemRetrieveReq64:
		return s.retrieveFeatures(q.Properties)
	case q.Properties != 0:
		return ffa.Registers{}, ffa.NotSupported
	}
	switch f {
	case ffa.Error32, ffa.Success32, ffa.Success64, ffa.Interrupt32, ffa.MemRetrieveResp32, ffa.MemOpPause32,
		ffa.MsgSendDirectResp32, ffa.MsgSendDirectResp64, ffa.MsgSendDirectResp2_64:
		if f.Since() > s.version {
			return ffa.Registers{}, ffa.NotSupported
		}
	default:
		if !s.implements(f) {
			return ffa.Registers{}, ffa.NotSupported
		}
	}
	w2 := uint32(0)
	if f == ffa.RXTXMap32 || f == ffa.RXTXMap64 {
		w2 = ffa.RXTXMapProperties(ffa.BufferGranule4K, 0)
	}
	return ffa.FeaturesReply(w2, 0), nil
}

// retrieveFeatures answers about FFA_MEM_RETRIEVE_REQ. From version 1.1 on a caller must understand the NS bit; that a
// hypervisor may ask for descriptors is a property of version 1.2.
func (s *SPMC) retrieveFeatures(in uint32) (ffa.Registers, error) {
	ns := in & ffa.RetrieveInputNSBit
	if in&^ffa.RetrieveInputNSBit != 0 || s.version >= ffa.Version1_1 && ns == 0 {
		return ffa.Registers{}, ffa.NotSupported
	}
	var out uint32
	if ns != 0 {
		out |= ffa.RetrievePropertyNSBit
	}
	if s.version >= ffa.Version1_2 {
		out |= ffa.RetrievePropertyHypervisor
	}
	return ffa.FeaturesReply(out, 0), nil
}

// CodeOf is the FF-A code for an error of this package, of package ffa or of package memory, and 0 for none.
func CodeOf(err error) ffa.Error {
	if code, ok := err.(ffa.Error); ok {
		return code // without the allocation of errors.As
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, memory.ErrNotNormal), errors.Is(err, memory.ErrState):
		return ffa.Denied
	case errors.Is(err, memory.ErrOverlap), errors.Is(err, memory.ErrBounds):
		return ffa.InvalidParameters
	case errors.Is(err, memory.ErrNoRegion), errors.Is(err, memory.ErrTooMany):
		return ffa.NoMemory
	}
	return ffa.CodeOf(err)
}
