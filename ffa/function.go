package ffa

// Registers is x0-x17 of an SMCCC 1.2 call. It is an alias, so that a named array type of another
// package converts without a copy: (*ffa.Registers)(&regs).
type Registers = [18]uint64

// Function is an FF-A function identifier (DEN0077A, "FF-A function identifiers").
type Function uint32

// Bits of a function identifier (SMC Calling Convention, DEN0028).
const (
	smc64Bit Function = 1 << 30
	// sveHint says that the caller has no live SVE state; it is not part of the identifier.
	sveHint Function = 1 << 16

	base32 Function = 0x8400_0000
	base64 Function = 0xC400_0000

	// FirstNumber and LastNumber bound the function numbers that belong to FF-A: an unknown function
	// between them is answered with FFA_ERROR and NOT_SUPPORTED instead of -1.
	FirstNumber = 0x60
	LastNumber  = 0x97
)

// Function identifiers. The suffix is the calling convention: 32 for SMC32, 64 for SMC64.
const (
	Error32                     Function = base32 + 0x60
	Success32                   Function = base32 + 0x61
	Success64                   Function = base64 + 0x61
	Interrupt32                 Function = base32 + 0x62
	Version32                   Function = base32 + 0x63
	Features32                  Function = base32 + 0x64
	RXRelease32                 Function = base32 + 0x65
	RXTXMap32                   Function = base32 + 0x66
	RXTXMap64                   Function = base64 + 0x66
	RXTXUnmap32                 Function = base32 + 0x67
	PartitionInfoGet32          Function = base32 + 0x68
	IDGet32                     Function = base32 + 0x69
	MsgPoll32                   Function = base32 + 0x6A
	MsgWait32                   Function = base32 + 0x6B
	Yield32                     Function = base32 + 0x6C
	Run32                       Function = base32 + 0x6D
	MsgSend32                   Function = base32 + 0x6E
	MsgSendDirectReq32          Function = base32 + 0x6F
	MsgSendDirectReq64          Function = base64 + 0x6F
	MsgSendDirectResp32         Function = base32 + 0x70
	MsgSendDirectResp64         Function = base64 + 0x70
	MemDonate32                 Function = base32 + 0x71
	MemDonate64                 Function = base64 + 0x71
	MemLend32                   Function = base32 + 0x72
	MemLend64                   Function = base64 + 0x72
	MemShare32                  Function = base32 + 0x73
	MemShare64                  Function = base64 + 0x73
	MemRetrieveReq32            Function = base32 + 0x74
	MemRetrieveReq64            Function = base64 + 0x74
	MemRetrieveResp32           Function = base32 + 0x75
	MemRelinquish32             Function = base32 + 0x76
	MemReclaim32                Function = base32 + 0x77
	MemOpPause32                Function = base32 + 0x78
	MemOpResume32               Function = base32 + 0x79
	MemFragRX32                 Function = base32 + 0x7A
	MemFragTX32                 Function = base32 + 0x7B
	NormalWorldResume32         Function = base32 + 0x7C
	NotificationBitmapCreate32  Function = base32 + 0x7D
	NotificationBitmapDestroy32 Function = base32 + 0x7E
	NotificationBind32          Function = base32 + 0x7F
	NotificationUnbind32        Function = base32 + 0x80
	NotificationSet32           Function = base32 + 0x81
	NotificationGet32           Function = base32 + 0x82
	NotificationInfoGet32       Function = base32 + 0x83
	NotificationInfoGet64       Function = base64 + 0x83
	RXAcquire32                 Function = base32 + 0x84
	SPMIDGet32                  Function = base32 + 0x85
	MsgSend2_32                 Function = base32 + 0x86
	SecondaryEPRegister32       Function = base32 + 0x87
	SecondaryEPRegister64       Function = base64 + 0x87
	MemPermGet32                Function = base32 + 0x88
	MemPermGet64                Function = base64 + 0x88
	MemPermSet32                Function = base32 + 0x89
	MemPermSet64                Function = base64 + 0x89
	ConsoleLog32                Function = base32 + 0x8A
	ConsoleLog64                Function = base64 + 0x8A
	PartitionInfoGetRegs64      Function = base64 + 0x8B
	EL3IntrHandle32             Function = base32 + 0x8C
	MsgSendDirectReq2_64        Function = base64 + 0x8D
	MsgSendDirectResp2_64       Function = base64 + 0x8E
	NSResInfoGet64              Function = base64 + 0x8F
	Abort32                     Function = base32 + 0x90
	Abort64                     Function = base64 + 0x90
	NotificationBind2_64        Function = base64 + 0x94
	NotificationUnbind2_64      Function = base64 + 0x95
	NotificationSet2_64         Function = base64 + 0x96
	NotificationGet2_64         Function = base64 + 0x97
)

const (
	has32 = 1 << iota
	has64
)

// functionTable is indexed by function number - FirstNumber. It is never written.
var functionTable = [LastNumber - FirstNumber + 1]struct {
	name  string
	forms uint8
	since Version
}{
	0x60 - FirstNumber: {"FFA_ERROR", has32, Version1_0},
	0x61 - FirstNumber: {"FFA_SUCCESS", has32 | has64, Version1_0},
	0x62 - FirstNumber: {"FFA_INTERRUPT", has32, Version1_0},
	0x63 - FirstNumber: {"FFA_VERSION", has32, Version1_0},
	0x64 - FirstNumber: {"FFA_FEATURES", has32, Version1_0},
	0x65 - FirstNumber: {"FFA_RX_RELEASE", has32, Version1_0},
	0x66 - FirstNumber: {"FFA_RXTX_MAP", has32 | has64, Version1_0},
	0x67 - FirstNumber: {"FFA_RXTX_UNMAP", has32, Version1_0},
	0x68 - FirstNumber: {"FFA_PARTITION_INFO_GET", has32, Version1_0},
	0x69 - FirstNumber: {"FFA_ID_GET", has32, Version1_0},
	0x6A - FirstNumber: {"FFA_MSG_POLL", has32, Version1_0},
	0x6B - FirstNumber: {"FFA_MSG_WAIT", has32, Version1_0},
	0x6C - FirstNumber: {"FFA_YIELD", has32, Version1_0},
	0x6D - FirstNumber: {"FFA_RUN", has32, Version1_0},
	0x6E - FirstNumber: {"FFA_MSG_SEND", has32, Version1_0},
	0x6F - FirstNumber: {"FFA_MSG_SEND_DIRECT_REQ", has32 | has64, Version1_0},
	0x70 - FirstNumber: {"FFA_MSG_SEND_DIRECT_RESP", has32 | has64, Version1_0},
	0x71 - FirstNumber: {"FFA_MEM_DONATE", has32 | has64, Version1_0},
	0x72 - FirstNumber: {"FFA_MEM_LEND", has32 | has64, Version1_0},
	0x73 - FirstNumber: {"FFA_MEM_SHARE", has32 | has64, Version1_0},
	0x74 - FirstNumber: {"FFA_MEM_RETRIEVE_REQ", has32 | has64, Version1_0},
	0x75 - FirstNumber: {"FFA_MEM_RETRIEVE_RESP", has32, Version1_0},
	0x76 - FirstNumber: {"FFA_MEM_RELINQUISH", has32, Version1_0},
	0x77 - FirstNumber: {"FFA_MEM_RECLAIM", has32, Version1_0},
	0x78 - FirstNumber: {"FFA_MEM_OP_PAUSE", has32, Version1_0},
	0x79 - FirstNumber: {"FFA_MEM_OP_RESUME", has32, Version1_0},
	0x7A - FirstNumber: {"FFA_MEM_FRAG_RX", has32, Version1_0},
	0x7B - FirstNumber: {"FFA_MEM_FRAG_TX", has32, Version1_0},
	0x7C - FirstNumber: {"FFA_NORMAL_WORLD_RESUME", has32, Version1_0},
	0x7D - FirstNumber: {"FFA_NOTIFICATION_BITMAP_CREATE", has32, Version1_1},
	0x7E - FirstNumber: {"FFA_NOTIFICATION_BITMAP_DESTROY", has32, Version1_1},
	0x7F - FirstNumber: {"FFA_NOTIFICATION_BIND", has32, Version1_1},
	0x80 - FirstNumber: {"FFA_NOTIFICATION_UNBIND", has32, Version1_1},
	0x81 - FirstNumber: {"FFA_NOTIFICATION_SET", has32, Version1_1},
	0x82 - FirstNumber: {"FFA_NOTIFICATION_GET", has32, Version1_1},
	0x83 - FirstNumber: {"FFA_NOTIFICATION_INFO_GET", has32 | has64, Version1_1},
	0x84 - FirstNumber: {"FFA_RX_ACQUIRE", has32, Version1_1},
	0x85 - FirstNumber: {"FFA_SPM_ID_GET", has32, Version1_1},
	0x86 - FirstNumber: {"FFA_MSG_SEND2", has32, Version1_1},
	0x87 - FirstNumber: {"FFA_SECONDARY_EP_REGISTER", has32 | has64, Version1_1},
	0x88 - FirstNumber: {"FFA_MEM_PERM_GET", has32 | has64, Version1_1},
	0x89 - FirstNumber: {"FFA_MEM_PERM_SET", has32 | has64, Version1_1},
	0x8A - FirstNumber: {"FFA_CONSOLE_LOG", has32 | has64, Version1_2},
	0x8B - FirstNumber: {"FFA_PARTITION_INFO_GET_REGS", has64, Version1_2},
	0x8C - FirstNumber: {"FFA_EL3_INTR_HANDLE", has32, Version1_2},
	0x8D - FirstNumber: {"FFA_MSG_SEND_DIRECT_REQ2", has64, Version1_2},
	0x8E - FirstNumber: {"FFA_MSG_SEND_DIRECT_RESP2", has64, Version1_2},
	0x8F - FirstNumber: {"FFA_NS_RES_INFO_GET", has64, Version1_3},
	0x90 - FirstNumber: {"FFA_ABORT", has32 | has64, Version1_3},
	0x94 - FirstNumber: {"FFA_NOTIFICATION_BIND2", has64, Version1_3},
	0x95 - FirstNumber: {"FFA_NOTIFICATION_UNBIND2", has64, Version1_3},
	0x96 - FirstNumber: {"FFA_NOTIFICATION_SET2", has64, Version1_3},
	0x97 - FirstNumber: {"FFA_NOTIFICATION_GET2", has64, Version1_3},
}

// FunctionOf returns the function identifier in x0, without the SVE hint of SMCCC 1.3.
func FunctionOf(r *Registers) Function { return Function(uint32(r[0])) &^ sveHint }

// Number is the function number, bits 15:0.
func (f Function) Number() uint16 { return uint16(f) }

// SMC64 reports whether arguments are 64-bit registers.
func (f Function) SMC64() bool { return f&smc64Bit != 0 }

// SMC32Form and SMC64Form return the same function in the other calling convention. The result need
// not exist; see Known.
func (f Function) SMC32Form() Function { return f &^ smc64Bit }

// SMC64Form is documented at SMC32Form.
func (f Function) SMC64Form() Function { return f | smc64Bit }

// InRange reports whether f is a fast standard-service call whose number belongs to FF-A, known or not.
func (f Function) InRange() bool {
	n := f.Number()
	return f&^smc64Bit&^0xFFFF == base32 && n >= FirstNumber && n <= LastNumber
}

// Known reports whether the specification defines f in this calling convention.
func (f Function) Known() bool {
	if !f.InRange() {
		return false
	}
	form := uint8(has32)
	if f.SMC64() {
		form = has64
	}
	return functionTable[f.Number()-FirstNumber].forms&form != 0
}

// Since is the first FF-A version that has f, or 0 when f is not Known.
func (f Function) Since() Version {
	if !f.Known() {
		return 0
	}
	return functionTable[f.Number()-FirstNumber].since
}

// Name is the specification's name without calling convention, for example "FFA_MEM_LEND". It is
// empty when f is not Known.
func (f Function) Name() string {
	if !f.Known() {
		return ""
	}
	return functionTable[f.Number()-FirstNumber].name
}

// String is Name, followed by "_64" for the SMC64 form of a function that has two forms, or the number
// when f is not Known.
func (f Function) String() string {
	name := f.Name()
	switch {
	case name == "":
		return hexString(uint64(f))
	case f.SMC64() && functionTable[f.Number()-FirstNumber].forms == has32|has64:
		return name + "_64"
	}
	return name
}
