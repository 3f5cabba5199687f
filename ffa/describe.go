package ffa

import (
	"strconv"
	"strings"
)

// Field is one decoded field of a call or reply. Text is how a trace prints it; Value is the number behind
// it. A field without Name prints as its Text alone. The type is an alias of a plain struct, so that a trace
// sink handles the fields of this package and of package smc alike.
type Field = struct {
	Name  string
	Value uint64
	Text  string
}

// Format joins a decoded call to one line, for example "FFA_MEM_LEND total=112 fragment=112".
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
	asDecimal fieldKind = iota
	asHex
	asHexIfSet    // left out when zero
	asDecIfSet    // left out when zero
	asPair        // register reg and the next one, 32 bits of each
	asWide        // a whole register of the calling convention
	asWideIfSet   // left out when zero
	asFlag        // the name alone, when the bit is set
	asUUIDWords   // four registers of 32 bits
	asUUIDPair    // two registers of 64 bits
	asError       // error code, without name
	asVersion     // FF-A version
	asQuery       // function identifier or feature id
	asMemoryFlags // MemoryFlags
	asRegisters   // registers from reg to the last that is not zero, at least one, to the end of the ABI
)

type fieldSpec struct {
	name  string
	reg   uint8
	shift uint8
	bits  uint8 // 0 means 32
	kind  fieldKind
}

func (s fieldSpec) extract(r *Registers) uint64 {
	switch s.kind {
	case asPair:
		return pair(r, int(s.reg))
	case asWide, asWideIfSet:
		return arg(r, int(s.reg))
	}
	bits := s.bits
	if bits == 0 {
		bits = 32
	}
	return r[s.reg] >> s.shift & (1<<bits - 1)
}

func (s fieldSpec) append(fields []Field, r *Registers) []Field {
	v := s.extract(r)
	f := Field{Name: s.name, Value: v}
	switch s.kind {
	case asDecimal:
		f.Text = strconv.FormatUint(v, 10)
	case asHex, asPair, asWide:
		f.Text = hexString(v)
	case asDecIfSet:
		if v == 0 {
			return fields
		}
		f.Text = strconv.FormatUint(v, 10)
	case asHexIfSet, asWideIfSet:
		if v == 0 {
			return fields
		}
		f.Text = hexString(v)
	case asFlag:
		if v == 0 {
			return fields
		}
		f.Name, f.Text = "", s.name
	case asUUIDWords:
		i := int(s.reg)
		u := UUIDFromWords([4]uint32{word(r, i), word(r, i+1), word(r, i+2), word(r, i+3)})
		if u.IsNil() {
			return fields
		}
		f.Text = u.String()
	case asUUIDPair:
		u := UUIDFromPair(r[s.reg], r[s.reg+1])
		if u.IsNil() {
			return fields
		}
		f.Text = u.String()
	case asError:
		f.Text = Error(int32(v)).String()
	case asVersion:
		f.Text = Version(v).String()
	case asQuery:
		f.Text = FeatureID(v).String()
		if v>>31 != 0 {
			f.Text = Function(v).String()
		}
	case asMemoryFlags:
		if v == 0 {
			return fields
		}
		f.Text = MemoryFlags(v).String()
	case asRegisters:
		return appendRegisters(fields, r, int(s.reg), 1)
	}
	return append(fields, f)
}

// appendRegisters adds registers from first to the last that is not zero, and at least count of them.
func appendRegisters(fields []Field, r *Registers, first, count int) []Field {
	last, prefix := 7, "w"
	if FunctionOf(r).SMC64() {
		last, prefix = len(r)-1, "x"
	}
	for last >= first+count && arg(r, last) == 0 {
		last--
	}
	for i := first; i <= last; i++ {
		v := arg(r, i)
		fields = append(fields, Field{prefix + strconv.Itoa(i), v, hexString(v)})
	}
	return fields
}

var (
	fieldsMemSend = []fieldSpec{
		{"total", 1, 0, 0, asDecimal}, {"fragment", 2, 0, 0, asDecimal}, {"buffer", 3, 0, 0, asWideIfSet},
		{"pages", 4, 0, 0, asDecIfSet},
	}
	fieldsRun    = []fieldSpec{{"target", 1, 16, 16, asHex}, {"vcpu", 1, 0, 16, asDecimal}}
	fieldsDirect = []fieldSpec{
		{"src", 1, 16, 16, asHex}, {"dst", 1, 0, 16, asHex}, {"framework", 2, 31, 1, asFlag},
		{"message", 2, 0, 8, asDecIfSet}, {"", 3, 0, 0, asRegisters},
	}
	fieldsDirect2 = []fieldSpec{
		{"src", 1, 16, 16, asHex}, {"dst", 1, 0, 16, asHex}, {"uuid", 2, 0, 0, asUUIDPair},
		{"", 4, 0, 0, asRegisters},
	}
	fieldsBind = []fieldSpec{
		{"sender", 1, 16, 16, asHex}, {"receiver", 1, 0, 16, asHex}, {"per-vcpu", 2, 0, 1, asFlag},
		{"bitmap", 3, 0, 0, asPair},
	}
	fieldsVM      = []fieldSpec{{"vm", 1, 0, 16, asHexIfSet}}
	fieldsHandle  = []fieldSpec{{"handle", 1, 0, 0, asPair}}
	fieldsPayload = []fieldSpec{{"", 1, 0, 0, asRegisters}}
)

// callFields is indexed by function number - FirstNumber. It is never written.
var callFields = [LastNumber - FirstNumber + 1][]fieldSpec{
	0x60 - FirstNumber: {{"", 2, 0, 0, asError}, {"w1", 1, 0, 0, asHexIfSet}},
	0x61 - FirstNumber: {},
	0x62 - FirstNumber: {
		{"target", 1, 16, 16, asHex}, {"vcpu", 1, 0, 16, asDecimal}, {"intid", 2, 0, 0, asDecIfSet},
	},
	0x63 - FirstNumber: {{"version", 1, 0, 0, asVersion}},
	0x64 - FirstNumber: {{"query", 1, 0, 0, asQuery}, {"properties", 2, 0, 0, asHexIfSet}},
	0x65 - FirstNumber: fieldsVM,
	0x66 - FirstNumber: {{"tx", 1, 0, 0, asWide}, {"rx", 2, 0, 0, asWide}, {"pages", 3, 0, 6, asDecimal}},
	0x67 - FirstNumber: {{"id", 1, 16, 16, asHexIfSet}},
	0x68 - FirstNumber: {{"uuid", 1, 0, 0, asUUIDWords}, {"count-only", 5, 0, 1, asFlag}},
	0x69 - FirstNumber: {},
	0x6A - FirstNumber: {},
	0x6B - FirstNumber: {{"flags", 2, 0, 0, asHexIfSet}},
	0x6C - FirstNumber: fieldsRun,
	0x6D - FirstNumber: fieldsRun,
	0x6E - FirstNumber: {
		{"sender", 1, 16, 16, asHex}, {"receiver", 1, 0, 16, asHex}, {"size", 3, 0, 0, asDecimal},
		{"attributes", 4, 0, 0, asHexIfSet},
	},
	0x6F - FirstNumber: fieldsDirect,
	0x70 - FirstNumber: fieldsDirect,
	0x71 - FirstNumber: fieldsMemSend,
	0x72 - FirstNumber: fieldsMemSend,
	0x73 - FirstNumber: fieldsMemSend,
	0x74 - FirstNumber: fieldsMemSend,
	0x75 - FirstNumber: {{"total", 1, 0, 0, asDecimal}, {"fragment", 2, 0, 0, asDecimal}},
	0x76 - FirstNumber: {},
	0x77 - FirstNumber: {{"handle", 1, 0, 0, asPair}, {"flags", 3, 0, 0, asMemoryFlags}},
	0x78 - FirstNumber: fieldsHandle,
	0x79 - FirstNumber: fieldsHandle,
	0x7A - FirstNumber: {
		{"handle", 1, 0, 0, asPair}, {"offset", 3, 0, 0, asDecimal}, {"sender", 4, 16, 16, asHexIfSet},
	},
	0x7B - FirstNumber: {
		{"handle", 1, 0, 0, asPair}, {"length", 3, 0, 0, asDecimal}, {"sender", 4, 16, 16, asHexIfSet},
	},
	0x7C - FirstNumber: {},
	0x7D - FirstNumber: {{"vm", 1, 0, 16, asHex}, {"vcpus", 2, 0, 0, asDecimal}},
	0x7E - FirstNumber: {{"vm", 1, 0, 16, asHex}},
	0x7F - FirstNumber: fieldsBind,
	0x80 - FirstNumber: fieldsBind,
	0x81 - FirstNumber: {
		{"sender", 1, 16, 16, asHex}, {"receiver", 1, 0, 16, asHex}, {"per-vcpu", 2, 0, 1, asFlag},
		{"delay-sri", 2, 1, 1, asFlag}, {"vcpu", 2, 16, 16, asDecIfSet}, {"bitmap", 3, 0, 0, asPair},
	},
	0x82 - FirstNumber: {
		{"receiver", 1, 0, 16, asHex}, {"vcpu", 1, 16, 16, asDecimal}, {"sp", 2, 0, 1, asFlag},
		{"vm", 2, 1, 1, asFlag}, {"spm", 2, 2, 1, asFlag}, {"hyp", 2, 3, 1, asFlag},
	},
	0x83 - FirstNumber: {},
	0x84 - FirstNumber: fieldsVM,
	0x85 - FirstNumber: {},
	0x86 - FirstNumber: {{"sender", 1, 16, 16, asHexIfSet}, {"delay-sri", 2, 1, 1, asFlag}},
	0x87 - FirstNumber: {{"entry", 1, 0, 0, asWide}},
	0x88 - FirstNumber: {{"base", 1, 0, 0, asWide}, {"pages", 2, 0, 0, asDecIfSet}},
	0x89 - FirstNumber: {
		{"base", 1, 0, 0, asWide}, {"pages", 2, 0, 0, asDecimal}, {"permissions", 3, 0, 0, asHex},
	},
	0x8A - FirstNumber: {{"characters", 1, 0, 0, asDecimal}},
	0x8B - FirstNumber: {
		{"uuid", 1, 0, 0, asUUIDPair}, {"start", 3, 0, 16, asDecimal}, {"tag", 3, 16, 16, asHexIfSet},
	},
	0x8C - FirstNumber: {},
	0x8D - FirstNumber: fieldsDirect2,
	0x8E - FirstNumber: fieldsDirect2,
	0x8F - FirstNumber: {{"target", 1, 0, 16, asHex}, {"flags", 2, 0, 0, asHexIfSet}},
	0x90 - FirstNumber: fieldsPayload,
	0x94 - FirstNumber: fieldsPayload,
	0x95 - FirstNumber: fieldsPayload,
	0x96 - FirstNumber: fieldsPayload,
	0x97 - FirstNumber: fieldsPayload,
}

// Describe decodes a call, or a reply that is a function of its own (FFA_ERROR, FFA_SUCCESS, FFA_MEM_FRAG_RX
// and so on). The name is the specification's; the SMC64 form of a function that has two forms adds a field
// "smc64". name is empty when x0 is no FF-A function, and "FFA_UNKNOWN" for an undefined one in its range.
func Describe(regs *[18]uint64) (name string, fields []Field) {
	f := FunctionOf(regs)
	switch {
	case !f.InRange():
		return "", nil
	case !f.Known():
		return "FFA_UNKNOWN", []Field{{"function", uint64(f), hexString(uint64(f))}}
	}
	if f.SMC32Form() == Success32 {
		if anyAfter(regs, 2) {
			fields = appendRegisters(fields, regs, 2, 0)
		}
	} else {
		for _, s := range callFields[f.Number()-FirstNumber] {
			fields = s.append(fields, regs)
		}
	}
	if f.SMC32Form() == ConsoleLog32 {
		if c, err := ParseConsoleLog(regs); err == nil {
			fields = append(fields, Field{"text", 0, strconv.Quote(c.Text)})
		}
	}
	return f.Name(), markSMC64(fields, f)
}

func anyAfter(r *Registers, first int) bool {
	for i := first; i < len(r); i++ {
		if arg(r, i) != 0 {
			return true
		}
	}
	return false
}

func markSMC64(fields []Field, f Function) []Field {
	if f.SMC64() && f.SMC32Form().Known() {
		fields = append(fields, Field{"", 1, "smc64"})
	}
	return fields
}

// replyFields says what FFA_SUCCESS carries in reply to a function.
func replyFields(call Function) []fieldSpec {
	switch call.SMC32Form() {
	case MemShare32, MemLend32, MemDonate32, MemFragTX32:
		return []fieldSpec{{"handle", 2, 0, 0, asPair}}
	case IDGet32, SPMIDGet32:
		return []fieldSpec{{"id", 2, 0, 16, asHex}}
	case PartitionInfoGet32:
		return []fieldSpec{{"count", 2, 0, 0, asDecimal}, {"size", 3, 0, 0, asDecIfSet}}
	case PartitionInfoGetRegs64.SMC32Form():
		return []fieldSpec{
			{"last", 2, 0, 16, asDecimal}, {"current", 2, 16, 16, asDecimal}, {"tag", 2, 32, 16, asHexIfSet},
			{"size", 2, 48, 16, asDecimal},
		}
	case NotificationGet32:
		return []fieldSpec{
			{"sp", 2, 0, 0, asPair}, {"vm", 4, 0, 0, asPair}, {"spm", 6, 0, 0, asHexIfSet},
			{"hyp", 7, 0, 0, asHexIfSet},
		}
	case MemPermGet32:
		return []fieldSpec{{"permissions", 2, 0, 0, asHex}}
	}
	return nil
}

// DescribeReply decodes the reply to a call of function call: like Describe, but it knows what FFA_SUCCESS
// carries and that FFA_VERSION answers in x0 itself.
func DescribeReply(call Function, regs *[18]uint64) (name string, fields []Field) {
	f := FunctionOf(regs)
	if call == Version32 {
		if v := Version(word(regs, 0)); v.Valid() {
			return "FFA_VERSION", []Field{{"version", uint64(v), v.String()}}
		}
		code := Error(int32(word(regs, 0)))
		return "FFA_VERSION", []Field{{"", uint64(uint32(code)), code.String()}}
	}
	if f.SMC32Form() != Success32 {
		return Describe(regs)
	}
	if call.SMC32Form() == NotificationInfoGet32 {
		if n, err := ParseNotificationInfo(regs); err == nil {
			return f.Name(), markSMC64(n.fields(), f)
		}
	}
	specs := replyFields(call)
	if specs == nil {
		return Describe(regs)
	}
	for _, s := range specs {
		fields = s.append(fields, regs)
	}
	if call == PartitionInfoGetRegs64 {
		fields = appendPartitions(fields, regs)
	}
	return f.Name(), markSMC64(fields, f)
}

// appendPartitions adds the id of each descriptor in x3-x17, as far as the header says that there are any.
func appendPartitions(fields []Field, r *Registers) []Field {
	size := int(uint16(r[2] >> 48))
	if size < partitionInfoSize1_1 || size%8 != 0 {
		return fields
	}
	for reg := 3; reg+size/8 <= len(r); reg += size / 8 {
		if r[reg] == 0 {
			break
		}
		id := EndpointID(r[reg])
		fields = append(fields, Field{"partition", uint64(id), id.String()})
	}
	return fields
}

func (n *NotificationInfo) fields() []Field {
	var fields []Field
	for i := range n.Len() {
		id, vcpus := n.List(i)
		text := id.String()
		for j, v := range vcpus {
			text += string(":,"[min(j, 1)]) + strconv.Itoa(int(v))
		}
		fields = append(fields, Field{"pending", uint64(id), text})
	}
	if n.More {
		fields = append(fields, Field{"", 1, "more"})
	}
	return fields
}

// Fields decodes a memory transaction descriptor for a trace. Only the first few constituents are listed.
func (t *MemoryTransaction) Fields() []Field {
	fields := []Field{
		{"sender", uint64(t.Sender), t.Sender.String()},
		{"attributes", uint64(t.Attributes), t.Attributes.String()},
	}
	if t.Flags != 0 {
		fields = append(fields, Field{"flags", uint64(t.Flags), t.Flags.String()})
	}
	if t.Handle != 0 {
		fields = append(fields, Field{"handle", uint64(t.Handle), t.Handle.String()})
	}
	if t.Tag != 0 {
		fields = append(fields, Field{"tag", t.Tag, hexString(t.Tag)})
	}
	for _, e := range t.Receivers {
		fields = append(fields, Field{
			"receiver", uint64(e.Receiver), e.Receiver.String() + "/" + e.Permissions.String(),
		})
	}
	const shown = 4
	for i, c := range t.Constituents {
		if i == shown {
			fields = append(fields, Field{"ranges", uint64(len(t.Constituents)), strconv.Itoa(len(t.Constituents))})
			break
		}
		fields = append(fields, Field{
			"range", c.Address, hexString(c.Address) + "+" + strconv.FormatUint(uint64(c.Pages), 10) + "p",
		})
	}
	return fields
}
