package optee

import (
	"strconv"

	"gatehouse/smc"
)

// OP-TEE SMC ABI (optee_smc.h). Owner 50 is the trusted OS, owner 63 the discovery calls of whatever trusted
// OS there is.
const (
	CallsCount    smc.Function = 0xBF00_FF00
	CallsUID      smc.Function = 0xBF00_FF01
	CallsRevision smc.Function = 0xBF00_FF03
	LoadImage     smc.Function = 0xBF00_0002

	// Fast calls.
	GetOSUUID            smc.Function = 0xB200_0000
	GetOSRevision        smc.Function = 0xB200_0001
	GetSHMConfig         smc.Function = 0xB200_0007
	L2CCMutex            smc.Function = 0xB200_0008
	ExchangeCapabilities smc.Function = 0xB200_0009
	DisableSHMCache      smc.Function = 0xB200_000A
	EnableSHMCache       smc.Function = 0xB200_000B
	BootSecondary        smc.Function = 0xB200_000C
	VMCreated            smc.Function = 0xB200_000D
	VMDestroyed          smc.Function = 0xB200_000E
	GetThreadCount       smc.Function = 0xB200_000F
	EnableAsyncNotif     smc.Function = 0xB200_0010
	GetAsyncNotifValue   smc.Function = 0xB200_0011
	GetProtmemConfig     smc.Function = 0xB200_0014
	// GetDynSDPConfig existed in the 2024 proposal only; the merged series uses CmdGetProtmemConfig.
	GetDynSDPConfig smc.Function = 0xB200_0015

	// Yielding calls.
	ReturnFromRPC   smc.Function = 0x3200_0003
	CallWithArg     smc.Function = 0x3200_0004
	CallWithRPCArg  smc.Function = 0x3200_0012
	CallWithRegdArg smc.Function = 0x3200_0013
)

// IsCall reports whether f belongs to the trusted OS (owners 50 to 63), known or not.
func IsCall(f smc.Function) bool {
	o := f.Owner()
	return o >= smc.OwnerTrustedOSFirst && o <= smc.OwnerTrustedOSLast && !f.SMC64()
}

// CallName returns the name of an OP-TEE SMC without the SVE hint, or "".
func CallName(f smc.Function) string {
	switch f.WithoutHint() {
	case CallsCount:
		return "OPTEE_CALLS_COUNT"
	case CallsUID:
		return "OPTEE_CALLS_UID"
	case CallsRevision:
		return "OPTEE_CALLS_REVISION"
	case LoadImage:
		return "OPTEE_LOAD_IMAGE"
	case GetOSUUID:
		return "OPTEE_GET_OS_UUID"
	case GetOSRevision:
		return "OPTEE_GET_OS_REVISION"
	case GetSHMConfig:
		return "OPTEE_GET_SHM_CONFIG"
	case L2CCMutex:
		return "OPTEE_L2CC_MUTEX"
	case ExchangeCapabilities:
		return "OPTEE_EXCHANGE_CAPABILITIES"
	case DisableSHMCache:
		return "OPTEE_DISABLE_SHM_CACHE"
	case EnableSHMCache:
		return "OPTEE_ENABLE_SHM_CACHE"
	case BootSecondary:
		return "OPTEE_BOOT_SECONDARY"
	case VMCreated:
		return "OPTEE_VM_CREATED"
	case VMDestroyed:
		return "OPTEE_VM_DESTROYED"
	case GetThreadCount:
		return "OPTEE_GET_THREAD_COUNT"
	case EnableAsyncNotif:
		return "OPTEE_ENABLE_ASYNC_NOTIF"
	case GetAsyncNotifValue:
		return "OPTEE_GET_ASYNC_NOTIF_VALUE"
	case GetProtmemConfig:
		return "OPTEE_GET_PROTMEM_CONFIG"
	case GetDynSDPConfig:
		return "OPTEE_GET_DYN_SDP_CONFIG"
	case ReturnFromRPC:
		return "OPTEE_RETURN_FROM_RPC"
	case CallWithArg:
		return "OPTEE_CALL_WITH_ARG"
	case CallWithRPCArg:
		return "OPTEE_CALL_WITH_RPC_ARG"
	case CallWithRegdArg:
		return "OPTEE_CALL_WITH_REGD_ARG"
	}
	return ""
}

// UUIDs of the interface. UUIDFromSMCWords gives their octets.
var (
	callsUID     = smc.UUIDFromSMCWords([4]uint32{0x384fb3e0, 0xe7f811e3, 0xaf630002, 0xa5d5c51b})
	loadImageUID = smc.UUIDFromSMCWords([4]uint32{0xa3fbeab1, 0x1246315d, 0xc7c406b9, 0xc03cbea4})
	osUUID       = smc.UUIDFromSMCWords([4]uint32{0x486178e0, 0xe7f811e3, 0xbc5e0002, 0xa5d5c51b})
)

// CallsUUID is what CallsUID returns: 384fb3e0-e7f8-11e3-af63-0002a5d5c51b.
func CallsUUID() smc.UUID { return callsUID }

// LoadImageUUID is what CallsUID returns while the trusted OS still has to be loaded.
func LoadImageUUID() smc.UUID { return loadImageUID }

// OSUUID is what GetOSUUID returns, and the UUID of the OP-TEE partition in FF-A:
// 486178e0-e7f8-11e3-bc5e-0002a5d5c51b.
func OSUUID() smc.UUID { return osUUID }

// Revision of the SMC ABI, a0 and a1 of CallsRevision.
const (
	RevisionMajor = 2
	RevisionMinor = 0
)

// ReturnCode is a0 of an OP-TEE SMC reply.
type ReturnCode uint32

// Return codes (optee_smc.h, OPTEE_SMC_RETURN_*).
const (
	ReturnOK              ReturnCode = 0
	ReturnEThreadLimit    ReturnCode = 1
	ReturnEBusy           ReturnCode = 2
	ReturnEResume         ReturnCode = 3
	ReturnEBadAddr        ReturnCode = 4
	ReturnEBadCmd         ReturnCode = 5
	ReturnENoMem          ReturnCode = 6
	ReturnENotAvail       ReturnCode = 7
	ReturnUnknownFunction ReturnCode = 0xFFFF_FFFF

	returnRPCPrefix ReturnCode = 0xFFFF_0000
)

var returnNames = [...]string{
	"OK", "ETHREAD_LIMIT", "EBUSY", "ERESUME", "EBADADDR", "EBADCMD", "ENOMEM", "ENOTAVAIL",
}

// ReturnRPC is the return code that asks the normal world for RPC function f.
func ReturnRPC(f RPCFunction) ReturnCode { return returnRPCPrefix | ReturnCode(f) }

// RPC returns the RPC function of a return code that asks for one.
func (c ReturnCode) RPC() (f RPCFunction, ok bool) {
	return RPCFunction(c), c&0xFFFF_0000 == returnRPCPrefix && c != ReturnUnknownFunction
}

// X0 is the code as x0 carries it; an unknown function is all ones in 64 bits.
func (c ReturnCode) X0() uint64 {
	if c == ReturnUnknownFunction {
		return smc.Unknown
	}
	return uint64(c)
}

func (c ReturnCode) String() string {
	if int64(c) < int64(len(returnNames)) {
		return returnNames[c]
	}
	if c == ReturnUnknownFunction {
		return "UNKNOWN_FUNCTION"
	}
	if f, ok := c.RPC(); ok {
		return "RPC_" + f.String()
	}
	return hexString(uint64(c))
}

// RPCFunction is the function of an RPC return of the SMC ABI.
type RPCFunction uint16

// RPC functions.
const (
	RPCAlloc       RPCFunction = 0 // a1 size; answered with PA in a1/a2, cookie in a4/a5
	RPCFree        RPCFunction = 2 // a1/a2 cookie
	RPCForeignIntr RPCFunction = 4
	RPCCmd         RPCFunction = 5 // a1/a2 cookie of the RPC argument
)

func (f RPCFunction) String() string {
	switch f {
	case RPCAlloc:
		return "ALLOC"
	case RPCFree:
		return "FREE"
	case RPCForeignIntr:
		return "FOREIGN_INTR"
	case RPCCmd:
		return "CMD"
	}
	return strconv.Itoa(int(f))
}

// Capabilities is a1 of the reply to ExchangeCapabilities (optee_smc.h, OPTEE_SMC_SEC_CAP_*).
type Capabilities uint32

// Secure-world capabilities.
const (
	CapReservedSHM     Capabilities = 1 << 0
	CapUnregisteredSHM Capabilities = 1 << 1
	CapDynamicSHM      Capabilities = 1 << 2
	CapVirtualization  Capabilities = 1 << 3
	CapMemrefNull      Capabilities = 1 << 4
	CapAsyncNotif      Capabilities = 1 << 5
	CapRPCArg          Capabilities = 1 << 6
	CapRPMBProbe       Capabilities = 1 << 7
	CapProtmem         Capabilities = 1 << 8 // "SDP" in the 2024 proposal
	CapDynamicProtmem  Capabilities = 1 << 9
)

var capabilityNames = [...]string{
	"reserved-shm", "unregistered-shm", "dynamic-shm", "virtualization", "memref-null", "async-notif", "rpc-arg",
	"rpmb-probe", "protmem", "dynamic-protmem",
}

func (c Capabilities) String() string { return bitNames(uint64(c), capabilityNames[:]) }

// NormalCapUniprocessor is the only capability that the normal world passes in a1 of ExchangeCapabilities.
const NormalCapUniprocessor uint32 = 1 << 0

// SHMCached is the settings word of GetSHMConfig.
const SHMCached = 1

// GetAsyncNotifValue reply, a2.
const (
	AsyncNotifValid   uint32 = 1 << 0
	AsyncNotifPending uint32 = 1 << 1
	// AsyncNotifBottomHalf is the value that asks for CmdDoBottomHalf.
	AsyncNotifBottomHalf uint32 = 0
)

// Pair joins the 32-bit halves that the SMC ABI passes in two registers, most significant first.
func Pair(hi, lo uint64) uint64 { return hi<<32 | uint64(uint32(lo)) }

// Split is the inverse of Pair.
func Split(v uint64) (hi, lo uint64) { return v >> 32, uint64(uint32(v)) }

func bitNames(v uint64, names []string) string {
	s := ""
	for i, name := range names {
		if v>>i&1 != 0 {
			if s != "" {
				s += "|"
			}
			s += name
			v &^= 1 << i
		}
	}
	if v != 0 || s == "" {
		if s != "" {
			s += "|"
		}
		s += hexString(v)
	}
	return s
}

func hexString(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }
