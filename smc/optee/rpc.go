package optee

// RPCCommand is the cmd field of an RPC argument (optee_rpc_cmd.h): what OP-TEE asks of the normal world.
type RPCCommand uint32

// RPC commands.
const (
	RPCLoadTA         RPCCommand = 0
	RPCRPMB           RPCCommand = 1
	RPCFS             RPCCommand = 2
	RPCGetTime        RPCCommand = 3
	RPCNotification   RPCCommand = 4
	RPCSuspend        RPCCommand = 5
	RPCSHMAlloc       RPCCommand = 6
	RPCSHMFree        RPCCommand = 7
	RPCGprof          RPCCommand = 9
	RPCSocket         RPCCommand = 10
	RPCFtrace         RPCCommand = 11
	RPCPlugin         RPCCommand = 12
	RPCBenchReg       RPCCommand = 20
	RPCI2CTransfer    RPCCommand = 21
	RPCRPMBProbeReset RPCCommand = 22
	RPCRPMBProbeNext  RPCCommand = 23
	RPCRPMBFrames     RPCCommand = 24
)

func (c RPCCommand) String() string {
	switch c {
	case RPCLoadTA:
		return "LOAD_TA"
	case RPCRPMB:
		return "RPMB"
	case RPCFS:
		return "FS"
	case RPCGetTime:
		return "GET_TIME"
	case RPCNotification:
		return "NOTIFICATION"
	case RPCSuspend:
		return "SUSPEND"
	case RPCSHMAlloc:
		return "SHM_ALLOC"
	case RPCSHMFree:
		return "SHM_FREE"
	case RPCGprof:
		return "GPROF"
	case RPCSocket:
		return "SOCKET"
	case RPCFtrace:
		return "FTRACE"
	case RPCPlugin:
		return "SUPP_PLUGIN"
	case RPCBenchReg:
		return "BENCH_REG"
	case RPCI2CTransfer:
		return "I2C_TRANSFER"
	case RPCRPMBProbeReset:
		return "RPMB_PROBE_RESET"
	case RPCRPMBProbeNext:
		return "RPMB_PROBE_NEXT"
	case RPCRPMBFrames:
		return "RPMB_FRAMES"
	}
	return hexString(uint64(c))
}

// Value a of RPCNotification.
const (
	NotificationWait uint64 = 0
	NotificationSend uint64 = 1
)

// Value a of RPCSHMAlloc and RPCSHMFree.
const (
	SHMTypeApplication uint64 = 0 // memory that a supplicant can map
	SHMTypeKernel      uint64 = 1
	SHMTypeGlobal      uint64 = 2 // OP-TEE only; Linux refuses it
)
