package optee

// Service is w3 of a direct request to OP-TEE over FF-A (optee_ffa.h). Values with bit 31 are yielding calls.
type Service uint32

// Services.
const (
	FFAGetAPIVersion        Service = 0
	FFAGetOSVersion         Service = 1
	FFAExchangeCapabilities Service = 2
	FFAUnregisterSHM        Service = 3
	FFAEnableAsyncNotif     Service = 5
	FFAReleaseProtmem       Service = 8
	FFAYieldingCallWithArg  Service = 0x8000_0000
	FFAYieldingCallResume   Service = 0x8000_0001
)

// Yielding reports a yielding call.
func (s Service) Yielding() bool { return s>>31 != 0 }

func (s Service) String() string {
	switch s {
	case FFAGetAPIVersion:
		return "GET_API_VERSION"
	case FFAGetOSVersion:
		return "GET_OS_VERSION"
	case FFAExchangeCapabilities:
		return "EXCHANGE_CAPABILITIES"
	case FFAUnregisterSHM:
		return "UNREGISTER_SHM"
	case FFAEnableAsyncNotif:
		return "ENABLE_ASYNC_NOTIF"
	case FFAReleaseProtmem:
		return "RELEASE_PROTMEM"
	case FFAYieldingCallWithArg:
		return "YIELDING_CALL_WITH_ARG"
	case FFAYieldingCallResume:
		return "YIELDING_CALL_RESUME"
	}
	return hexString(uint64(s))
}

// API version that FFAGetAPIVersion answers in w3 and w4.
const (
	FFAVersionMajor = 1
	FFAVersionMinor = 0
)

// FFACapabilities is w5 of the reply to FFAExchangeCapabilities (optee_ffa.h, OPTEE_FFA_SEC_CAP_*).
type FFACapabilities uint32

// Capabilities over FF-A.
const (
	FFACapArgOffset  FFACapabilities = 1 << 0
	FFACapAsyncNotif FFACapabilities = 1 << 1
	FFACapRPMBProbe  FFACapabilities = 1 << 2
	FFACapProtmem    FFACapabilities = 1 << 3 // "RSTMEM" in the 2024 proposal
)

var ffaCapabilityNames = [...]string{"arg-offset", "async-notif", "rpmb-probe", "protmem"}

func (c FFACapabilities) String() string { return bitNames(uint64(c), ffaCapabilityNames[:]) }

// FFAMaxAsyncNotif bounds the bottom-half notification of FFAEnableAsyncNotif: ids are below it.
const FFAMaxAsyncNotif = 64

// YieldKind is w4 of the reply to a yielding call whose w3 is 0.
type YieldKind uint32

// Yield kinds (optee_ffa.h, OPTEE_FFA_YIELDING_CALL_RETURN_*).
const (
	YieldDone      YieldKind = 0
	YieldRPCCmd    YieldKind = 1
	YieldInterrupt YieldKind = 2
)

func (k YieldKind) String() string {
	switch k {
	case YieldDone:
		return "DONE"
	case YieldRPCCmd:
		return "RPC_CMD"
	case YieldInterrupt:
		return "INTERRUPT"
	}
	return hexString(uint64(k))
}

// Request is the payload w3-w7 of a direct request to OP-TEE.
type Request struct {
	Service Service
	Handle  uint64 // w4/w5: shared memory, for WITH_ARG, UNREGISTER_SHM and RELEASE_PROTMEM
	Offset  uint32 // w6: of the argument in the shared memory, for WITH_ARG
	Notif   uint32 // w4: for ENABLE_ASYNC_NOTIF
	Resume  uint32 // w7: resume information, for RESUME; untrusted
}

// ParseRequest reads the payload x3-x7 of a 32-bit direct request. High halves are ignored.
func ParseRequest(p *[5]uint64) Request {
	q := Request{Service: Service(p[0])}
	switch q.Service {
	case FFAUnregisterSHM, FFAReleaseProtmem, FFAYieldingCallWithArg:
		q.Handle = uint64(uint32(p[1])) | p[2]<<32
	case FFAEnableAsyncNotif:
		q.Notif = uint32(p[1])
	}
	if q.Service == FFAYieldingCallWithArg {
		q.Offset = uint32(p[3])
	}
	if q.Service == FFAYieldingCallResume {
		q.Resume = uint32(p[4])
	}
	return q
}

// Payload returns x3-x7 of the request.
func (q Request) Payload() [5]uint64 {
	p := [5]uint64{0: uint64(q.Service)}
	switch q.Service {
	case FFAUnregisterSHM, FFAReleaseProtmem, FFAYieldingCallWithArg:
		p[1], p[2] = uint64(uint32(q.Handle)), q.Handle>>32
	case FFAEnableAsyncNotif:
		p[1] = uint64(q.Notif)
	}
	if q.Service == FFAYieldingCallWithArg {
		p[3] = uint64(q.Offset)
	}
	if q.Service == FFAYieldingCallResume {
		p[4] = uint64(q.Resume)
	}
	return p
}

// YieldReply is the payload of the reply to a yielding call. Status is 0 or ErrorBusy (WITH_ARG only); any
// other value makes the driver fail the call. Resume is echoed by the driver when Kind is not YieldDone.
func YieldReply(status Result, kind YieldKind, resume uint32) [5]uint64 {
	return [5]uint64{uint64(status), uint64(kind), 0, 0, uint64(resume)}
}

// ProtmemConfigEntry is one word of the list that CmdGetProtmemConfig returns over FF-A: an endpoint that
// gets access to the lent memory, and its FF-A permissions.
type ProtmemConfigEntry struct {
	Endpoint    uint16
	Permissions uint8
}

// Word returns the entry as the list carries it.
func (e ProtmemConfigEntry) Word() uint32 { return uint32(e.Endpoint) | uint32(e.Permissions)<<16 }

// ParseProtmemConfigEntry is the inverse of Word; ok is false when reserved bits are set.
func ParseProtmemConfigEntry(w uint32) (e ProtmemConfigEntry, ok bool) {
	return ProtmemConfigEntry{uint16(w), uint8(w >> 16)}, w>>24 == 0
}
