package ffa

import (
	"errors"
	"strconv"
)

// Error is an FF-A error code (DEN0077A, "Error status codes"). It is an error itself, so that
// errors.Is(err, ffa.Denied) works on everything this package returns.
type Error int32

// Error codes.
const (
	NotSupported      Error = -1
	InvalidParameters Error = -2
	NoMemory          Error = -3
	Busy              Error = -4
	Interrupted       Error = -5
	Denied            Error = -6
	Retry             Error = -7
	Aborted           Error = -8
	NoData            Error = -9
	NotReady          Error = -10
)

var errorNames = [...]string{
	"", "NOT_SUPPORTED", "INVALID_PARAMETERS", "NO_MEMORY", "BUSY", "INTERRUPTED", "DENIED", "RETRY",
	"ABORTED", "NO_DATA", "NOT_READY",
}

// String is the name of the specification without prefix, for example "DENIED".
func (e Error) String() string {
	if n := -int64(e); n > 0 && n < int64(len(errorNames)) {
		return errorNames[n]
	}
	return "error " + strconv.Itoa(int(e))
}

func (e Error) Error() string { return "ffa: " + e.String() }

// Rule names what a field broke. The constants are what tests and traces compare.
type Rule string

// Rules of the parsers in this package.
const (
	RuleMustBeZero      Rule = "must be zero"
	RuleReservedValue   Rule = "reserved value"
	RuleMisaligned      Rule = "misaligned"
	RuleTruncated       Rule = "shorter than its contents"
	RuleLength          Rule = "length does not match its contents"
	RuleOutOfBounds     Rule = "outside the descriptor"
	RuleOverlapsHeader  Rule = "overlaps the part before it"
	RuleCountZero       Rule = "count is zero"
	RuleCountTooLarge   Rule = "count is too large"
	RuleCountNotOne     Rule = "count must be one"
	RuleSumMismatch     Rule = "is not the sum of the constituents"
	RuleZeroPages       Rule = "has no pages"
	RuleWraps           Rule = "address range wraps"
	RuleOverlap         Rule = "overlaps another range"
	RuleRepeated        Rule = "repeated"
	RuleIsSender        Rule = "receiver is the sender"
	RuleDiffers         Rule = "differs between descriptors"
	RuleSizeForVersion  Rule = "size is not one of this version"
	RuleRequired        Rule = "must be given"
	RuleNotAllowed      Rule = "not allowed in this transaction"
	RuleTooLong         Rule = "longer than the limit"
	RuleSecondFragment  Rule = "not wholly in the first fragment"
	RuleComplete        Rule = "transfer is already complete"
	RuleWrongFunction   Rule = "not the function identifier of this call"
	RuleNoBufferAddress Rule = "page count without a buffer address"
	RuleSameEndpoint    Rule = "source is the destination"
)

// FieldError says which field of a call or descriptor is wrong, why, and which code FF-A wants in the
// FFA_ERROR reply. It unwraps to that code.
type FieldError struct {
	Field string // the specification's field, for example "emad[0].permissions"
	Value uint64 // what was found
	Code  Error
	Rule  Rule
}

func (e *FieldError) Error() string {
	return "ffa: " + e.Field + " = " + hexString(e.Value) + ": " + string(e.Rule) + " (" + e.Code.String() + ")"
}

// Unwrap returns the FF-A error code.
func (e *FieldError) Unwrap() error { return e.Code }

// CodeOf returns the FF-A error code to answer for err: the one it wraps, 0 for nil, and ABORTED
// (the code for a fault while copying) for an error that carries none.
func CodeOf(err error) Error {
	if err == nil {
		return 0
	}
	var code Error
	if errors.As(err, &code) {
		return code
	}
	return Aborted
}

func invalid(field string, value uint64, rule Rule) error {
	return &FieldError{Field: field, Value: value, Code: InvalidParameters, Rule: rule}
}

func indexed(array string, i int, field string) string {
	return array + "[" + strconv.Itoa(i) + "]." + field
}

func hexString(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }
