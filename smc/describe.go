package smc

import (
	"strconv"
	"strings"
)

// Field is one decoded field of a call or reply. Text is how a trace prints it; Value is the number behind
// it. A field without Name prints as its Text alone. The type is an alias of a plain struct, so that a trace
// sink handles the fields of this package and of package ffa alike.
type Field = struct {
	Name  string
	Value uint64
	Text  string
}

// Format joins a decoded call to one line, for example "PSCI_CPU_ON target=0x1 entry=0x40080000".
func Format(name string, fields []Field) string {
	var b strings.Builder
	b.WriteString(name)
	for _, f := range fields {
		b.WriteByte(' ')
		if f.Name != "" {
			b.WriteString(f.Name)
			b.WriteByte('=')
		}
		b.WriteString(f.Text)
	}
	return b.String()
}

type fieldKind uint8

const (
	asHex fieldKind = iota
	asHexIfSet
	asDecimal
	asFunction
)

type fieldSpec struct {
	name string
	reg  int
	kind fieldKind
}

// callFields lists the arguments of a call that are worth a name.
func callFields(f Function) []fieldSpec {
	switch f {
	case PSCICPUSuspend, PSCICPUSuspend64:
		return []fieldSpec{{"state", 1, asHex}, {"entry", 2, asHex}, {"context", 3, asHexIfSet}}
	case PSCICPUOff:
		return []fieldSpec{{"state", 1, asHexIfSet}}
	case PSCICPUOn, PSCICPUOn64:
		return []fieldSpec{{"target", 1, asHex}, {"entry", 2, asHex}, {"context", 3, asHexIfSet}}
	case PSCIAffinityInfo, PSCIAffinityInfo64:
		return []fieldSpec{{"target", 1, asHex}, {"level", 2, asDecimal}}
	case PSCIMigrate, PSCIMigrate64:
		return []fieldSpec{{"target", 1, asHex}}
	case PSCIFeatures, ArchFeatures, TRNGFeatures, PVTimeFeatures:
		return []fieldSpec{{"query", 1, asFunction}}
	case PSCICPUDefaultSuspend, PSCICPUDefaultSuspend64, PSCISystemSuspend, PSCISystemSuspend64:
		return []fieldSpec{{"entry", 1, asHex}, {"context", 2, asHexIfSet}}
	case PSCINodeHWState, PSCINodeHWState64:
		return []fieldSpec{{"target", 1, asHex}, {"level", 2, asDecimal}}
	case PSCISetSuspendMode:
		return []fieldSpec{{"mode", 1, asDecimal}}
	case PSCIStatResidency, PSCIStatResidency64, PSCIStatCount, PSCIStatCount64:
		return []fieldSpec{{"target", 1, asHex}, {"state", 2, asHex}}
	case PSCISystemReset2, PSCISystemReset2_64, PSCISystemOff2, PSCISystemOff2_64:
		return []fieldSpec{{"type", 1, asHex}, {"cookie", 2, asHexIfSet}}
	case PSCIMemProtect:
		return []fieldSpec{{"enable", 1, asDecimal}}
	case PSCIMemProtectCheckRange, PSCIMemProtectCheckRange64:
		return []fieldSpec{{"base", 1, asHex}, {"length", 2, asHex}}
	case ArchSOCID, ArchSOCID64:
		return []fieldSpec{{"type", 1, asDecimal}}
	case ArchWorkaround2:
		return []fieldSpec{{"enable", 1, asDecimal}}
	case TRNGRnd32, TRNGRnd64:
		return []fieldSpec{{"bits", 1, asDecimal}}
	case RSIABIVersion:
		return []fieldSpec{{"version", 1, asHex}}
	}
	return nil
}

// Describe decodes a call. The name is the specification's; the SMC64 form of a function that has two forms
// adds a field "smc64". A function this package does not know gets the name "SMC" and its identifier, owner
// and arguments up to the last one that is not zero. OP-TEE and FF-A calls have decoders of their own.
func Describe(regs *[18]uint64) (name string, fields []Field) {
	r := (*Registers)(regs)
	f := r.Function()
	name = functionName(f)
	if name == "" {
		fields = append(fields,
			Field{"function", uint64(f), hexString(uint64(f))},
			Field{"owner", uint64(f.Owner()), f.Owner().String()})
		last := 7
		for last > 0 && r.Arg(last) == 0 {
			last--
		}
		for i := 1; i <= last; i++ {
			fields = append(fields, Field{"x" + strconv.Itoa(i), r.Arg(i), hexString(r.Arg(i))})
		}
		return "SMC", fields
	}
	for _, s := range callFields(f) {
		v := r.Arg(s.reg)
		field := Field{Name: s.name, Value: v, Text: hexString(v)}
		switch s.kind {
		case asHexIfSet:
			if v == 0 {
				continue
			}
		case asDecimal:
			field.Text = strconv.FormatUint(v, 10)
		case asFunction:
			field.Text = Function(v).String()
		}
		fields = append(fields, field)
	}
	if f.SMC64() && functionName(f&^SMC64Bit) == name {
		fields = append(fields, Field{"", 1, "smc64"})
	}
	return name, fields
}

// DescribeReply decodes the reply to a call of function call.
func DescribeReply(call Function, regs *[18]uint64) (name string, fields []Field) {
	call = call.WithoutHint()
	name = functionName(call)
	x0 := regs[0]
	if name == "" {
		if x0 == Unknown {
			return "SMC", []Field{{"", x0, "UNKNOWN_FUNCTION"}}
		}
		return "SMC", []Field{{"x0", x0, hexString(x0)}}
	}
	return name, replyFields(call, regs)
}

func replyFields(call Function, regs *[18]uint64) []Field {
	x0 := regs[0]
	code := int32(uint32(x0))
	result := func(text string) []Field { return []Field{{"", x0, text}} }
	switch call {
	case PSCIVersion, SMCCCVersion, TRNGVersion:
		if code < 0 {
			return result(Result(code).String())
		}
		v := uint64(uint32(x0))
		return []Field{{"version", v, strconv.FormatUint(v>>16, 10) + "." + strconv.FormatUint(v&0xFFFF, 10)}}
	case PSCIAffinityInfo, PSCIAffinityInfo64:
		if code >= 0 {
			return []Field{{"state", x0, AffinityState(code).String()}}
		}
	case PSCIMigrateInfoType:
		if code >= 0 && int(code) < len(migrateTypes) {
			return []Field{{"type", x0, migrateTypes[code]}}
		}
	case PSCIFeatures, PSCIMigrateInfoUpCPU, PSCIMigrateInfoUpCPU64:
		if code > 0 {
			return []Field{{"value", x0, hexString(x0)}}
		}
	case TRNGRnd32, TRNGRnd64:
		// The entropy itself stays out of traces.
		return result(TRNGResult(code).String())
	case TRNGFeatures, TRNGGetUUID:
		if code >= 0 {
			return []Field{{"value", x0, hexString(x0)}}
		}
		return result(TRNGResult(code).String())
	}
	if call.IsPSCI() {
		return result(PSCIResult(code).String())
	}
	if code > 0 {
		return []Field{{"value", x0, hexString(x0)}}
	}
	return result(Result(code).String())
}
