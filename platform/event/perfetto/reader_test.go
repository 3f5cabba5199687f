package perfetto

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema is the part of Perfetto's public trace format that may appear, written down from its .proto files: message, field,
// number, type. "+" marks a repeated field.
const schema = `
Trace packet+ 1 TracePacket
TracePacket timestamp 8 uint64
TracePacket trusted_packet_sequence_id 10 uint32
TracePacket track_event 11 TrackEvent
TracePacket sequence_flags 13 uint32
TracePacket track_descriptor 60 TrackDescriptor
TracePacket first_packet_on_sequence 87 bool
TrackDescriptor uuid 1 uint64
TrackDescriptor name 2 string
TrackDescriptor process 3 ProcessDescriptor
TrackDescriptor parent_uuid 5 uint64
TrackDescriptor sibling_order_rank 12 int32
TrackDescriptor process_ordering 19 int32
ProcessDescriptor pid 1 int32
ProcessDescriptor process_name 6 string
TrackEvent debug_annotations+ 4 DebugAnnotation
TrackEvent type 9 int32
TrackEvent track_uuid 11 uint64
TrackEvent categories+ 22 string
TrackEvent name 23 string
TrackEvent flow_ids+ 47 fixed64
DebugAnnotation bool_value 2 bool
DebugAnnotation uint_value 3 uint64
DebugAnnotation string_value 6 string
DebugAnnotation pointer_value 7 uint64
DebugAnnotation name 10 string
`

// traceType builds the message type of a whole trace, for the protobuf library's own decoder.
func traceType(t testing.TB) protoreflect.MessageType {
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("trace.proto"), Syntax: proto.String("proto2")}
	messages := map[string]*descriptorpb.DescriptorProto{}
	message := func(name string) *descriptorpb.DescriptorProto {
		if messages[name] == nil {
			messages[name] = &descriptorpb.DescriptorProto{Name: proto.String(name)}
			file.MessageType = append(file.MessageType, messages[name])
		}
		return messages[name]
	}
	for l := range strings.Lines(strings.TrimSpace(schema)) {
		var in, name, kind string
		var number int32
		if _, err := fmt.Sscan(l, &in, &name, &number, &kind); err != nil {
			t.Fatal(err)
		}
		label := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
		if base, ok := strings.CutSuffix(name, "+"); ok {
			name, label = base, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
		}
		f := &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(number), Label: label.Enum()}
		if n, ok := descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+strings.ToUpper(kind)]; ok {
			f.Type = descriptorpb.FieldDescriptorProto_Type(n).Enum()
		} else {
			f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
			f.TypeName = proto.String("." + kind)
			message(kind)
		}
		m := message(in)
		m.Field = append(m.Field, f)
	}
	fd, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dynamicpb.NewMessageType(fd.Messages().ByName("Trace"))
}

// msg gives short access to the fields of a decoded message.
type msg struct{ protoreflect.Message }

func (m msg) field(name string) protoreflect.FieldDescriptor {
	f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if f == nil {
		panic("no field " + name)
	}
	return f
}
func (m msg) has(name string) bool   { return m.Has(m.field(name)) }
func (m msg) str(name string) string { return m.Get(m.field(name)).String() }
func (m msg) sub(name string) msg    { return msg{m.Get(m.field(name)).Message()} }
func (m msg) num(name string) uint64 {
	v := m.Get(m.field(name)).Interface()
	switch v := v.(type) {
	case int32:
		return uint64(uint32(v))
	case uint32:
		return uint64(v)
	}
	return v.(uint64)
}
func (m msg) list(name string) (l []protoreflect.Value) {
	r := m.Get(m.field(name)).List()
	for i := range r.Len() {
		l = append(l, r.Get(i))
	}
	return l
}

// known fails on fields that the schema does not have, and on strings that are not UTF-8.
func known(t testing.TB, m protoreflect.Message) {
	t.Helper()
	if u := m.GetUnknown(); len(u) != 0 {
		t.Fatalf("%s has unknown fields: %x", m.Descriptor().Name(), u)
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		var all []protoreflect.Value
		if f.IsList() {
			for i := range v.List().Len() {
				all = append(all, v.List().Get(i))
			}
		} else {
			all = append(all, v)
		}
		for _, v := range all {
			switch f.Kind() {
			case protoreflect.MessageKind:
				known(t, v.Message())
			case protoreflect.StringKind:
				if !utf8.ValidString(v.String()) {
					t.Fatalf("%s: %q is not UTF-8", f.FullName(), v.String())
				}
			}
		}
		return true
	})
}

// slice is what a reader makes of a slice, or of an instant.
type slice struct {
	Track    string // process/track
	Name     string
	Category string
	Begin    uint64
	Dur      int64 // -1 for an instant
	Depth    int
	Args     map[string]string
	Flows    []uint64
}

func (s *slice) String() string {
	var args []string
	for k, v := range s.Args {
		args = append(args, k+"="+v)
	}
	sort.Strings(args)
	how := fmt.Sprintf("+%d", s.Dur)
	if s.Dur < 0 {
		how = "instant"
	}
	text := fmt.Sprintf("%d %s %s %s %s %d", s.Begin, how, s.Track, s.Category, s.Name, s.Depth)
	if len(args) > 0 {
		text += " " + strings.Join(args, " ")
	}
	if len(s.Flows) > 0 {
		text += fmt.Sprint(" flows=", s.Flows)
	}
	return text
}

// read decodes a trace and holds it to the rules of the format: one sequence, whose first packet clears the state; a descriptor
// for each track before its events, and for each parent before its children; timestamps that do not go back; slices that nest
// and end; a name and a category for each.
func read(t testing.TB, b []byte) []*slice {
	t.Helper()
	m := traceType(t).New()
	if err := proto.Unmarshal(b, m.Interface()); err != nil {
		t.Fatal(err)
	}
	known(t, m)
	tracks := map[uint64]string{}
	pids := map[uint64]bool{}
	open := map[uint64][]*slice{}
	flows := map[uint64]int{}
	var all []*slice
	last := uint64(0)
	for i, p := range (msg{m}).list("packet") {
		p := msg{p.Message()}
		if p.num("trusted_packet_sequence_id") != 1 {
			t.Fatalf("packet %d: sequence %d", i, p.num("trusted_packet_sequence_id"))
		}
		if first := i == 0; p.has("sequence_flags") != first || p.has("first_packet_on_sequence") != first || first && p.num("sequence_flags") != 1 {
			t.Fatalf("packet %d: sequence flags %d", i, p.num("sequence_flags"))
		}
		now := p.num("timestamp")
		if !p.has("timestamp") || now < last || int64(now) < 0 {
			t.Fatalf("packet %d: timestamp %d after %d", i, now, last)
		}
		last = now
		if p.has("track_descriptor") == p.has("track_event") {
			t.Fatalf("packet %d: not one of descriptor and event", i)
		}
		if p.has("track_descriptor") {
			d := p.sub("track_descriptor")
			id := d.num("uuid")
			if _, again := tracks[id]; again || !d.has("uuid") {
				t.Fatalf("packet %d: second descriptor of track %d", i, id)
			}
			switch {
			case id == 0:
				if i != 0 || d.num("process_ordering") != 1 {
					t.Fatalf("packet %d: root track", i)
				}
				tracks[id] = ""
			case d.has("process"):
				pid := d.sub("process").num("pid")
				if pid == 0 || pids[pid] || d.has("parent_uuid") || !d.has("sibling_order_rank") {
					t.Fatalf("packet %d: process %d", i, pid)
				}
				pids[pid] = true
				tracks[id] = d.sub("process").str("process_name")
			default:
				parent := tracks[d.num("parent_uuid")]
				if parent == "" || !d.has("name") {
					t.Fatalf("packet %d: track %d has no parent or no name", i, id)
				}
				tracks[id] = parent + "/" + d.str("name")
			}
			continue
		}
		e := p.sub("track_event")
		id := e.num("track_uuid")
		if !strings.Contains(tracks[id], "/") {
			t.Fatalf("packet %d: event on the track %d %q", i, id, tracks[id])
		}
		var s *slice
		stack := open[id]
		switch kind := e.num("type"); kind {
		case 1, 3:
			s = &slice{Track: tracks[id], Name: e.str("name"), Begin: now, Dur: -1, Depth: len(stack), Args: map[string]string{}}
			if len(e.list("categories")) != 1 || !e.has("name") {
				t.Fatalf("packet %d: without name or category", i)
			}
			s.Category = e.list("categories")[0].String()
			all = append(all, s)
			if kind == 1 {
				open[id] = append(stack, s)
			}
		case 2:
			if len(stack) == 0 || e.has("name") || len(e.list("categories")) != 0 {
				t.Fatalf("packet %d: end of nothing, or with a name", i)
			}
			s = stack[len(stack)-1]
			open[id] = stack[:len(stack)-1]
			s.Dur = int64(now - s.Begin)
		default:
			t.Fatalf("packet %d: type %d", i, kind)
		}
		seen := map[string]bool{}
		for _, a := range e.list("debug_annotations") {
			a := msg{a.Message()}
			key := a.str("name")
			if !a.has("name") || seen[key] {
				t.Fatalf("packet %d: annotation %q twice, or without name", i, key)
			}
			seen[key] = true
			var values []string
			if a.has("bool_value") {
				values = append(values, fmt.Sprint(a.Get(a.field("bool_value")).Bool()))
			}
			if a.has("uint_value") {
				values = append(values, fmt.Sprint(a.num("uint_value")))
			}
			if a.has("pointer_value") {
				values = append(values, fmt.Sprintf("%#x", a.num("pointer_value")))
			}
			if a.has("string_value") {
				values = append(values, fmt.Sprintf("%q", a.str("string_value")))
			}
			if len(values) != 1 {
				t.Fatalf("packet %d: annotation %q has the values %v", i, key, values)
			}
			s.Args[key] = values[0]
		}
		for _, f := range e.list("flow_ids") {
			id := f.Uint()
			// A flow starts at a call; what follows from it is elsewhere.
			if flows[id]++; id == 0 || flows[id] == 1 && (e.num("type") != 1 || !strings.HasPrefix(s.Track, "normal")) {
				t.Fatalf("packet %d: flow %d starts at %v", i, id, s)
			}
			s.Flows = append(s.Flows, id)
		}
	}
	for id, stack := range open {
		if len(stack) != 0 {
			t.Fatalf("%s: no end of %v", tracks[id], stack)
		}
	}
	return all
}

// compare compares the slices of a trace with their text.
func compare(t *testing.T, b []byte, want ...string) {
	t.Helper()
	var got []string
	for _, s := range read(t, b) {
		got = append(got, s.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
