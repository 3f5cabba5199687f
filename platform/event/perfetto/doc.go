// Package perfetto writes the event stream as a Perfetto trace, which ui.perfetto.dev and trace_processor read.
//
// Events enter a [Sink]; a file of TracePacket messages (perfetto/trace/trace_packet.proto and track_event/*.proto of the
// Perfetto project) leaves it. Each world is a process there and each source a track of its process; calls and jobs are slices,
// everything else is an instant. Timestamps are ns of virtual time on the default clock. The bytes depend on the events alone.
// docs/trace.md describes the result to its readers. Read sink.go, then proto.go.
package perfetto
