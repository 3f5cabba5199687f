package optee

import "gatehouse/smc"

// Device enumeration pseudo-TA (pta_device.h).
const (
	DeviceCmdGetDevices     uint32 = 0 // devices that need no tee-supplicant
	DeviceCmdGetDevicesSupp uint32 = 1
	DeviceCmdGetDevicesRPMB uint32 = 2
)

var deviceUUID = smc.UUID{
	0x70, 0x11, 0xa6, 0x88, 0xdd, 0xde, 0x40, 0x53, 0xa5, 0xa9, 0x7b, 0x3c, 0x4d, 0xdf, 0x13, 0xb8,
}

// DeviceUUID is the UUID of the device enumeration pseudo-TA: 7011a688-ddde-4053-a5a9-7b3c4ddf13b8.
func DeviceUUID() smc.UUID { return deviceUUID }

// Random number pseudo-TA (pta_rng.h).
const (
	// RNGCmdGetEntropy fills p0 (memory in and out). More than RNGPool bytes are NOT_SUPPORTED.
	RNGCmdGetEntropy uint32 = 0
	// RNGCmdGetInfo gives in p0 (value out) the bytes a second and the entropy of 1024 bits.
	RNGCmdGetInfo uint32 = 1

	RNGPool = 4096
)

var rngUUID = smc.UUID{
	0xab, 0x7a, 0x61, 0x7c, 0xb8, 0xe7, 0x4d, 0x8f, 0x83, 0x01, 0xd0, 0x9b, 0x61, 0x03, 0x6b, 0x64,
}

// RNGUUID is the UUID of the random number pseudo-TA: ab7a617c-b8e7-4d8f-8301-d09b61036b64.
func RNGUUID() smc.UUID { return rngUUID }

// Trusted application "SDP basic" of OP-TEE's test suite (ta_sdp_basic.h). Each command exists three times: done by the application,
// by another instance of it, and by the pseudo-TA for tests.
const (
	SDPCmdInject          uint32 = 0 // p0 normal memory in, p1 protected memory out
	SDPCmdTransform       uint32 = 1 // p0 protected memory in and out: every byte is negated
	SDPCmdDump            uint32 = 2 // p0 protected memory in, p1 normal memory out
	SDPCmdInvokeInject    uint32 = 3
	SDPCmdInvokeTransform uint32 = 4
	SDPCmdInvokeDump      uint32 = 5
	SDPCmdPTAInject       uint32 = 6
	SDPCmdPTATransform    uint32 = 7
	SDPCmdPTADump         uint32 = 8
)

var sdpUUID = smc.UUID{
	0x12, 0x34, 0x56, 0x78, 0x5b, 0x69, 0x11, 0xe4, 0x9d, 0xbb, 0x10, 0x1f, 0x74, 0xf0, 0x00, 0x99,
}

// SDPUUID is the UUID of "SDP basic": 12345678-5b69-11e4-9dbb-101f74f00099.
func SDPUUID() smc.UUID { return sdpUUID }

// Pseudo-TA for tests (pta_invoke_tests.h), as far as it is about parameters and protected memory.
const (
	InvokeTestsCmdTrace      uint32 = 0
	InvokeTestsCmdParams     uint32 = 1
	InvokeTestsCmdInject     uint32 = 3 // COPY_NSEC_TO_SEC
	InvokeTestsCmdTransform  uint32 = 4 // READ_MODIFY_SEC
	InvokeTestsCmdDump       uint32 = 5 // COPY_SEC_TO_NSEC
	InvokeTestsCmdMemrefNull uint32 = 10
)

var invokeTestsUUID = smc.UUID{
	0xd9, 0x6a, 0x5b, 0x40, 0xc3, 0xe5, 0x21, 0xe3, 0x87, 0x94, 0x10, 0x02, 0xa5, 0xd5, 0xc6, 0x1b,
}

// InvokeTestsUUID is the UUID of the pseudo-TA for tests: d96a5b40-c3e5-21e3-8794-1002a5d5c61b.
func InvokeTestsUUID() smc.UUID { return invokeTestsUUID }

// Decryption application of this platform: Common Encryption (ISO/IEC 23001-7) with scheme 'cenc', AES-128 in counter mode. It
// decrypts into protected memory only.
const (
	// DecryptCmdLoadKey: p0 (memory in) is a key of 16 octets; p1.a (value out) its number in this session. Nobody gets the
	// key back.
	DecryptCmdLoadKey uint32 = 0
	// DecryptCmdDecrypt: p0 (memory in) is the sample in normal memory, p1 (memory out) takes it in protected memory, p2 (memory
	// in) is its auxiliary information, see SampleInfo; p3 (value in): a is the number of the key, b the size of an IV, 8 or 16.
	DecryptCmdDecrypt uint32 = 1
	// DecryptCmdUnloadKey: p0.a (value in) is the number of a key.
	DecryptCmdUnloadKey uint32 = 2

	// DecryptCmdDecryptEngine is DecryptCmdDecrypt by the crypto engine: the call waits, in RPCs, while that works. NOT_SUPPORTED: there is
	// no engine, or the sample has too many parts for its lists. BUSY: other samples keep it busy. CANCEL: the call was cancelled.
	DecryptCmdDecryptEngine uint32 = 3

	// DecryptKeys is how many keys a session can have.
	DecryptKeys = 16
)

var decryptUUID = smc.UUID{
	0x68, 0xc3, 0xbd, 0x22, 0x44, 0x4e, 0x42, 0xc6, 0x81, 0x88, 0x2c, 0x64, 0x9a, 0x2d, 0x51, 0x89,
}

// DecryptUUID is the UUID of the decryption application: 68c3bd22-444e-42c6-8188-2c649a2d5189.
func DecryptUUID() smc.UUID { return decryptUUID }

// Probe application of this platform: it makes the secure world do what tests of a client want to see. Opening it with p0 (value in)
// sleeps p0.b milliseconds, where these are not 0, and then fails with result p0.a unless that is 0.
const (
	// ProbeCmdTime: p0 (value out) takes seconds and nanoseconds of RPC GET_TIME.
	ProbeCmdTime uint32 = 0
	// ProbeCmdSleep: RPC SUSPEND for p0.a (value in) milliseconds.
	ProbeCmdSleep uint32 = 1
	// ProbeCmdWait: RPC NOTIFICATION, wait for key p0.a (value in), p0.b milliseconds.
	ProbeCmdWait uint32 = 2
	// ProbeCmdWake: RPC NOTIFICATION, send key p0.a (value in).
	ProbeCmdWake uint32 = 3
	// ProbeCmdNotify: asynchronous notification p0.a (value in), p0.b microseconds later.
	ProbeCmdNotify uint32 = 4
	// ProbeCmdAllocate: RPC SHM_ALLOC of p0.b bytes of type p0.a (value in), p1.a (value in) times, up to four. Every buffer is
	// written, read back and summed up, in p2.a (value out). With p1.b = 0 it is freed at once by RPC SHM_FREE, else at the
	// end of the call.
	ProbeCmdAllocate uint32 = 5
	// ProbeCmdSupplicant: RPC command p0.a (value in) with p1 (value in and out) and, where p2 is memory, p2.
	ProbeCmdSupplicant uint32 = 6
	// ProbeCmdInterrupt: returns for foreign interrupts p0.a (value in) times, at most ProbeInterrupts.
	ProbeCmdInterrupt uint32 = 7
	// ProbeCmdPanic ends the application: its sessions are TARGET_DEAD.
	ProbeCmdPanic uint32 = 8
	// ProbeCmdResult returns result p0.a (value in).
	ProbeCmdResult uint32 = 9
	// ProbeCmdClient: p0 (value out) takes login and session, p1 (memory out) the client's UUID.
	ProbeCmdClient uint32 = 10
	// ProbeCmdCopy copies p0 (memory in) to p1 (memory out): SECURITY from protected to normal memory.
	ProbeCmdCopy uint32 = 11
	// ProbeCmdMemory: p0 is memory of any direction; p1 (value out): a is bit 0 protected, bit 1 NULL, and b the size.
	ProbeCmdMemory uint32 = 12
	// ProbeCmdCancelled: RPC SUSPEND for p0.a (value in) milliseconds; p1.a (value out) is 1 when the call was cancelled.
	ProbeCmdCancelled uint32 = 13
	// ProbeCmdBottomHalves: p0.a (value out) is how often the client has run the bottom half.
	ProbeCmdBottomHalves uint32 = 14

	ProbeInterrupts = 1000
)

var probeUUID = smc.UUID{
	0xea, 0x86, 0x46, 0xf5, 0x5d, 0xee, 0x4d, 0x80, 0xa1, 0xa0, 0x57, 0x52, 0x24, 0xb3, 0xac, 0xf2,
}

// ProbeUUID is the UUID of the probe application: ea8646f5-5dee-4d80-a1a0-575224b3acf2.
func ProbeUUID() smc.UUID { return probeUUID }

// Grant application of this platform: it lets masters reach parts of protected memory, beside those that the use case admits by
// itself. Everything about it is defined by this implementation. A grant belongs to the session that asked for it, and is counted:
// it ends when it has been revoked as often, when the session ends, and when the memory is given back.
const (
	// GrantCmdGrant: p0 (memory of any direction) is the part of protected memory, in whole pages; p1 (value in): a is the NSAID
	// of a master, b the directions (GrantDirection). BAD_PARAMETERS: p0 is not protected, not whole pages or empty; a master
	// or direction that does not exist. ACCESS_DENIED: the use case of the memory does not admit that. NO_RESOURCE: the address
	// space controller has no region for it. OUT_OF_MEMORY: too many grants. A command that fails changes nothing. A grant to the
	// crypto engine (NSAID 3) is one to its identity for protected memory (NSAID 13) as well.
	GrantCmdGrant uint32 = 0
	// GrantCmdRevoke: parameters as those of the grant. ITEM_NOT_FOUND: this session has no such grant in force.
	GrantCmdRevoke uint32 = 1
	// GrantCmdQuery: p0 (memory of any direction) is protected memory; p1 (value out) takes the masters that may read (a) and
	// write (b) all of it, p2 (value out) those that may do so with any byte of it: bit n stands for NSAID n.
	GrantCmdQuery uint32 = 2
	// GrantCmdCarveout: p0.a (value in) is a use case. p1 (value out) takes the address of its carve-out, p2 (value out) the size
	// in bytes, p3 (value out) the FF-A handle that memory references name it by, each with the most significant half in a.
	// Over the SMC ABI, where references name it by address, the handle is 0. ITEM_NOT_FOUND: it has none.
	GrantCmdCarveout uint32 = 3
)

// GrantDirection is a set of directions, seen from the master.
type GrantDirection uint32

// Directions.
const (
	GrantRead  GrantDirection = 1 << 0
	GrantWrite GrantDirection = 1 << 1
)

func (d GrantDirection) String() string { return bitNames(uint64(d), []string{"read", "write"}) }

var grantUUID = smc.UUID{
	0x2f, 0x8d, 0x5c, 0x1e, 0x9b, 0x47, 0x4a, 0x63, 0xb0, 0x5d, 0x7e, 0x31, 0xc4, 0xa8, 0x16, 0xf9,
}

// GrantUUID is the UUID of the grant application: 2f8d5c1e-9b47-4a63-b05d-7e31c4a816f9.
func GrantUUID() smc.UUID { return grantUUID }

// Key application of this platform: it loads keys into the slots of the crypto engine, which only the secure world can do. Everything
// about it is defined by this implementation. A slot belongs to the session that loaded its key; the key is gone when the
// session ends. A session needs no other call for its jobs: the normal world's driver programs them, and the engine confines them.
const (
	// KeysCmdLoad: p0 (memory in, normal) is a key of 16, 24 or 32 octets in the clear; p1.a (value in) its policy (KeysPolicy);
	// p2.a (value out) takes the number of the slot. ACCESS_DENIED: who knows this key could get protected memory out of the
	// engine with that policy, see KeysPolicy. BAD_PARAMETERS: size or policy. OUT_OF_MEMORY: no slot is free. NOT_SUPPORTED:
	// there is no engine.
	KeysCmdLoad uint32 = 0
	// KeysCmdLoadWrapped: p0 (memory in, normal) is what WrapKey makes of key and policy under the device key; p1.a (value out)
	// takes the number of the slot. SECURITY: it is not.
	KeysCmdLoadWrapped uint32 = 1
	// KeysCmdUnload: p0.a (value in) is the slot. ITEM_NOT_FOUND: it is not the session's.
	KeysCmdUnload uint32 = 2
	// KeysCmdQuery: p0 (value out): a is how many slots there are for clients, b how many of them are free.
	KeysCmdQuery uint32 = 3

	// KeysSlots is how many slots clients can have: the last one of the engine is the secure world's.
	KeysSlots = 15
)

// KeysPolicy says what jobs of the normal world may do with a key. Policies under which protected contents could reach ordinary
// memory in the clear are ACCESS_DENIED. Safe are:
//   - KeysDestinationProtected: what the engine writes stays protected, whatever it read. Keys for protected content have it.
//   - KeysSourceOrdinary: the engine reads nothing that is protected. Keys of the normal world's own have it.
//   - Wrapped keys only: KeysChaining with KeysEncrypt and nothing else but identities: protected contents leave the engine encrypted. In
//     counter mode encrypting twice is decrypting, so that is no such policy; neither is one with KeysCopy, nor one for a key in
//     the clear.
type KeysPolicy uint32

// Bits of policies. Without one of the bits for a source the engine reads what it is admitted to, ordinary or protected; likewise for
// the destination. Both bits of one side exclude each other.
const (
	KeysEncrypt              KeysPolicy = 1 << 0
	KeysDecrypt              KeysPolicy = 1 << 1
	KeysCounter              KeysPolicy = 1 << 2
	KeysChaining             KeysPolicy = 1 << 3
	KeysCopy                 KeysPolicy = 1 << 4 // parts of the source may be copied unchanged
	KeysSourceProtected      KeysPolicy = 1 << 8
	KeysSourceOrdinary       KeysPolicy = 1 << 9
	KeysDestinationProtected KeysPolicy = 1 << 12
	KeysDestinationOrdinary  KeysPolicy = 1 << 13

	keysBits = KeysEncrypt | KeysDecrypt | KeysCounter | KeysChaining | KeysCopy | KeysSourceProtected | KeysSourceOrdinary |
		KeysDestinationProtected | KeysDestinationOrdinary
)

// Valid reports whether the bits of a policy go together, and allow something.
func (p KeysPolicy) Valid() bool {
	const source, destination = KeysSourceProtected | KeysSourceOrdinary, KeysDestinationProtected | KeysDestinationOrdinary
	return p&^keysBits == 0 && p&source != source && p&destination != destination &&
		p&(KeysEncrypt|KeysDecrypt) != 0 && p&(KeysCounter|KeysChaining) != 0
}

// Safe reports whether protected contents stay protected under a valid policy. secret says that nobody but the secure world and who
// wrapped the key knows it.
func (p KeysPolicy) Safe(secret bool) bool {
	const use = KeysEncrypt | KeysDecrypt | KeysCounter | KeysChaining | KeysCopy
	return p&KeysDestinationProtected != 0 || p&KeysSourceOrdinary != 0 || secret && p&use == KeysChaining|KeysEncrypt
}

var keysUUID = smc.UUID{
	0x91, 0x6b, 0x02, 0xe4, 0x3d, 0xc8, 0x4f, 0x17, 0x8a, 0x6e, 0x05, 0xd9, 0x7b, 0xf3, 0x20, 0xac,
}

// KeysUUID is the UUID of the key application: 916b02e4-3dc8-4f17-8a6e-05d97bf320ac.
func KeysUUID() smc.UUID { return keysUUID }

// Trusted user interface of this platform: it draws into protected memory of the use case "trusted-ui", and reads the input device, which
// is locked for the secure world while a PIN pad is shown. Everything about it is defined by this implementation. It has one
// session at a time. A PIN that was entered never leaves it.
const (
	// UICmdShow: p0 (memory out) is a frame of XRGB8888; p1 (value in): a is the width in bits 15:0 and the height in bits 31:16, in
	// pixels, b the bytes from row to row; p2 (value in): a is UIBackground or UIPad, b the colour of the background. ACCESS_DENIED:
	// p0 is no memory of that use case. SHORT_BUFFER: it is too small. NOT_SUPPORTED: a pad, but no input device.
	UICmdShow uint32 = 0
	// UICmdPoll takes what was entered since: p0 (memory out) is the frame, p1.a (value out) takes UIRunning, UIEntered or
	// UICancelled. BAD_STATE: no pad is shown.
	UICmdPoll uint32 = 1
	// UICmdVerify ends a dialogue in state UIEntered: p0 (value out): a is 1 for the right PIN, 0 for a wrong one, b how many tries
	// are left. BAD_STATE: nothing was entered. ACCESS_DENIED: no try is left until the next reset.
	UICmdVerify uint32 = 2
	// UICmdHide ends a dialogue, as closing the session does. The input device is the normal world's again.
	UICmdHide uint32 = 3

	UIBackground = 0
	UIPad        = 1

	UIIdle      = 0
	UIRunning   = 1
	UIEntered   = 2
	UICancelled = 3

	UITries = 3
)

var uiUUID = smc.UUID{
	0x5a, 0xd3, 0x7c, 0x90, 0x16, 0xbf, 0x4e, 0x28, 0x9f, 0x41, 0xe2, 0x6b, 0x08, 0xc5, 0x77, 0x3d,
}

// UIUUID is the UUID of the trusted user interface: 5ad37c90-16bf-4e28-9f41-e26b08c5773d.
func UIUUID() smc.UUID { return uiUUID }

// Numbers of the 2024 proposal (version 4, "restricted memory") where the merged interface differs.
const (
	// RSTMEMIoctlAlloc and RSTMEMIoctlFDInfo are ioctl numbers of /dev/tee0; 10 is OBJECT_INVOKE today.
	RSTMEMIoctlAlloc  = 10
	RSTMEMIoctlFDInfo = 11
	// RSTMEMGenCap is the bit in gen_caps of TEE_IOC_VERSION; it is OBJREF today.
	RSTMEMGenCap uint32 = 1 << 4
)
