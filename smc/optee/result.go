package optee

// Result is a TEE result code (GlobalPlatform TEE Internal Core API, "API Return Codes").
type Result uint32

// Result codes.
const (
	Success                   Result = 0x0000_0000
	ErrorCorruptObject        Result = 0xF010_0001
	ErrorCorruptObject2       Result = 0xF010_0002
	ErrorStorageNotAvailable  Result = 0xF010_0003
	ErrorStorageNotAvailable2 Result = 0xF010_0004
	ErrorUnsupportedVersion   Result = 0xF010_0005
	ErrorCiphertextInvalid    Result = 0xF010_0006
	ErrorGeneric              Result = 0xFFFF_0000
	ErrorAccessDenied         Result = 0xFFFF_0001
	ErrorCancel               Result = 0xFFFF_0002
	ErrorAccessConflict       Result = 0xFFFF_0003
	ErrorExcessData           Result = 0xFFFF_0004
	ErrorBadFormat            Result = 0xFFFF_0005
	ErrorBadParameters        Result = 0xFFFF_0006
	ErrorBadState             Result = 0xFFFF_0007
	ErrorItemNotFound         Result = 0xFFFF_0008
	ErrorNotImplemented       Result = 0xFFFF_0009
	ErrorNotSupported         Result = 0xFFFF_000A
	ErrorNoData               Result = 0xFFFF_000B
	ErrorOutOfMemory          Result = 0xFFFF_000C
	ErrorBusy                 Result = 0xFFFF_000D
	ErrorCommunication        Result = 0xFFFF_000E
	ErrorSecurity             Result = 0xFFFF_000F
	ErrorShortBuffer          Result = 0xFFFF_0010
	ErrorExternalCancel       Result = 0xFFFF_0011
	ErrorTimeout              Result = 0xFFFF_3001
	ErrorOverflow             Result = 0xFFFF_300F
	ErrorTargetDead           Result = 0xFFFF_3024
	ErrorStorageNoSpace       Result = 0xFFFF_3041
	ErrorMACInvalid           Result = 0xFFFF_3071
	ErrorSignatureInvalid     Result = 0xFFFF_3072
	ErrorTimeNotSet           Result = 0xFFFF_5000
	ErrorTimeNeedsReset       Result = 0xFFFF_5001

	// ErrorNoResource is this platform's own, in the range that the specification leaves to implementations: the address space
	// controller has no region left.
	ErrorNoResource Result = 0x8000_4E52
)

var genericNames = [...]string{
	"GENERIC", "ACCESS_DENIED", "CANCEL", "ACCESS_CONFLICT", "EXCESS_DATA", "BAD_FORMAT", "BAD_PARAMETERS",
	"BAD_STATE", "ITEM_NOT_FOUND", "NOT_IMPLEMENTED", "NOT_SUPPORTED", "NO_DATA", "OUT_OF_MEMORY", "BUSY",
	"COMMUNICATION", "SECURITY", "SHORT_BUFFER", "EXTERNAL_CANCEL",
}

// String is the name of the specification without the prefix TEE_ or TEE_ERROR_.
func (r Result) String() string {
	if n := r - ErrorGeneric; r >= ErrorGeneric && int(n) < len(genericNames) {
		return genericNames[n]
	}
	switch r {
	case Success:
		return "SUCCESS"
	case ErrorCorruptObject:
		return "CORRUPT_OBJECT"
	case ErrorCorruptObject2:
		return "CORRUPT_OBJECT_2"
	case ErrorStorageNotAvailable:
		return "STORAGE_NOT_AVAILABLE"
	case ErrorStorageNotAvailable2:
		return "STORAGE_NOT_AVAILABLE_2"
	case ErrorUnsupportedVersion:
		return "UNSUPPORTED_VERSION"
	case ErrorCiphertextInvalid:
		return "CIPHERTEXT_INVALID"
	case ErrorTimeout:
		return "TIMEOUT"
	case ErrorOverflow:
		return "OVERFLOW"
	case ErrorTargetDead:
		return "TARGET_DEAD"
	case ErrorStorageNoSpace:
		return "STORAGE_NO_SPACE"
	case ErrorMACInvalid:
		return "MAC_INVALID"
	case ErrorSignatureInvalid:
		return "SIGNATURE_INVALID"
	case ErrorTimeNotSet:
		return "TIME_NOT_SET"
	case ErrorTimeNeedsReset:
		return "TIME_NEEDS_RESET"
	case ErrorNoResource:
		return "NO_RESOURCE"
	}
	return hexString(uint64(r))
}

func (r Result) Error() string { return "tee: " + r.String() }

// Origin says which layer a result comes from.
type Origin uint32

// Origins.
const (
	OriginAPI        Origin = 1
	OriginComms      Origin = 2
	OriginTEE        Origin = 3
	OriginTrustedApp Origin = 4
)

func (o Origin) String() string {
	switch o {
	case OriginAPI:
		return "API"
	case OriginComms:
		return "COMMS"
	case OriginTEE:
		return "TEE"
	case OriginTrustedApp:
		return "TRUSTED_APP"
	}
	return hexString(uint64(o))
}

// Login is how a client identifies itself in OPEN_SESSION.
type Login uint32

// Logins.
const (
	LoginPublic           Login = 0
	LoginUser             Login = 1
	LoginGroup            Login = 2
	LoginApplication      Login = 4
	LoginUserApplication  Login = 5
	LoginGroupApplication Login = 6
	// LoginREEKernel is the first of the values that only kernel clients may use, up to LoginREEKernelLast.
	LoginREEKernel     Login = 0x8000_0000
	LoginREEKernelLast Login = 0xBFFF_FFFF
	LoginTrustedApp    Login = 0xF000_0000
)

func (l Login) String() string {
	switch l {
	case LoginPublic:
		return "PUBLIC"
	case LoginUser:
		return "USER"
	case LoginGroup:
		return "GROUP"
	case LoginApplication:
		return "APPLICATION"
	case LoginUserApplication:
		return "USER_APPLICATION"
	case LoginGroupApplication:
		return "GROUP_APPLICATION"
	case LoginREEKernel:
		return "REE_KERNEL"
	case LoginTrustedApp:
		return "TRUSTED_APP"
	}
	return hexString(uint64(l))
}
