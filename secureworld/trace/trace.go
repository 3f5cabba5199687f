// Package trace turns decoded calls of the wire formats (packages ffa and smc) into events. Nothing is built unless somebody
// listens.
package trace

import (
	"strconv"

	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Field is a decoded field as packages ffa and smc give it.
type Field = struct {
	Name  string
	Value uint64
	Text  string
}

// Log is an event stream with the clock that dates its events. The zero value drops everything.
type Log struct {
	Stream *event.Stream
	Clock  *vtime.Clock
}

// On reports whether somebody listens to c.
func (l Log) On(c event.Category) bool { return l.Stream.On(c) }

// Emit tells of something that happened in the secure world.
func (l Log) Emit(c event.Category, source, name string, fields ...event.Field) {
	l.Stream.Emit(&event.Event{Time: l.Clock.Now(), Category: c, Secure: true, Source: source, Name: name, Fields: fields})
}

// Begin tells that the secure world begins with something, and End that it is done.
func (l Log) Begin(c event.Category, source, name string) {
	l.Stream.Open(&event.Event{Time: l.Clock.Now(), Category: c, Secure: true, Source: source, Name: name})
}

func (l Log) End(c event.Category, source, name string, fields ...event.Field) {
	l.Stream.Emit(&event.Event{Time: l.Clock.Now(), Category: c, Phase: event.End, Secure: true, Source: source, Name: name, Fields: fields})
}

// Enter tells that the normal world calls from processor cpu, and Leave that the call is over.
func (l Log) Enter(c event.Category, cpu int, name string) {
	l.Stream.Open(&event.Event{Time: l.Clock.Now(), Category: c, Source: source(cpu), Name: name})
}

func (l Log) Leave(c event.Category, cpu int, name string, fields ...event.Field) {
	l.Stream.Emit(&event.Event{Time: l.Clock.Now(), Category: c, Phase: event.End, Source: source(cpu), Name: name, Fields: fields})
}

func source(cpu int) string { return "cpu" + strconv.Itoa(cpu) }

// Call appends the fields of a call. A field without name is a flag.
func Call(dst []event.Field, fields []Field) []event.Field {
	for _, f := range fields {
		if f.Name == "" {
			dst = append(dst, event.Field{Key: f.Text, Num: f.Value, Text: "1"})
		} else {
			dst = append(dst, event.Field{Key: f.Name, Num: f.Value, Text: f.Text})
		}
	}
	return dst
}

// Reply appends the fields of a reply. result is its name, where it has one of its own as in FF-A; what has no name is an error
// code there, and the result elsewhere. Further fields without name are flags; the mark of the 64-bit convention is left out,
// since the call carries it already.
func Reply(dst []event.Field, result string, fields []Field) []event.Field {
	unnamed := "ret"
	if result != "" {
		dst = append(dst, event.Str("ret", result))
		unnamed = "ret.error"
	}
	for _, f := range fields {
		switch {
		case f.Name != "":
			dst = append(dst, event.Field{Key: "ret." + f.Name, Num: f.Value, Text: f.Text})
		case f.Text == "smc64":
		case unnamed == "ret", unnamed == "ret.error" && f.Value != 1:
			dst = append(dst, event.Field{Key: unnamed, Num: f.Value, Text: f.Text})
			unnamed = ""
		default:
			dst = append(dst, event.Dec("ret."+f.Text, 1))
		}
	}
	return dst
}
