package perfetto

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"gatehouse/platform/event"
)

// Field numbers of the messages used here, under perfetto/trace/ of the Perfetto project.
const (
	// trace.proto, Trace
	tracePacket = 1

	// trace_packet.proto, TracePacket
	packetTimestamp  = 8
	packetSequence   = 10
	packetTrackEvent = 11
	packetFlags      = 13
	packetDescriptor = 60
	packetFirst      = 87

	// track_event/track_descriptor.proto, TrackDescriptor
	descriptorUUID            = 1
	descriptorName            = 2
	descriptorProcess         = 3
	descriptorParent          = 5
	descriptorRank            = 12
	descriptorProcessOrdering = 19

	// track_event/process_descriptor.proto, ProcessDescriptor
	processPID  = 1
	processName = 6

	// track_event/track_event.proto, TrackEvent
	eventAnnotation = 4
	eventType       = 9
	eventTrack      = 11
	eventCategory   = 22
	eventName       = 23
	eventFlow       = 47

	// track_event/debug_annotation.proto, DebugAnnotation
	annotationBool    = 2
	annotationUint    = 3
	annotationString  = 6
	annotationPointer = 7
	annotationName    = 10
)

// Values of enumerations: TrackEvent.Type, TracePacket.SequenceFlags and TrackDescriptor.ProcessOrdering.
const (
	typeSliceBegin = 1
	typeSliceEnd   = 2
	typeInstant    = 3

	flagIncrementalStateCleared = 1

	orderingExplicit = 1
)

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendFixed64(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), v)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// appendString appends text. Strings of a protobuf message are UTF-8: anything else becomes U+FFFD.
func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), strings.ToValidUTF8(s, "\uFFFD"))
}

// appendField appends f to a TrackEvent as a DebugAnnotation. Numbers that are read in hexadecimal are pointers, which is how the
// user interface shows them.
func appendField(b []byte, key string, f event.Field) []byte {
	var a [128]byte
	m := appendString(a[:0], annotationName, key)
	switch f.Kind() {
	case event.Decimal:
		m = appendUint(m, annotationUint, f.Num)
	case event.Hexadecimal:
		m = appendUint(m, annotationPointer, f.Num)
	default:
		m = appendString(m, annotationString, f.Text)
	}
	return appendBytes(b, eventAnnotation, m)
}

// appendTrue appends a DebugAnnotation that says that something is so.
func appendTrue(b []byte, key string) []byte {
	var a [64]byte
	return appendBytes(b, eventAnnotation, appendUint(appendString(a[:0], annotationName, key), annotationBool, 1))
}

// appendHeader begins a packet of n bytes.
func appendHeader(b []byte, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, tracePacket, protowire.BytesType), uint64(n))
}
