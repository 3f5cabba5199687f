// Package trace turns decoded calls of the wire formats (packages ffa and smc) into events. Nothing is built unless somebody
// listens.
package trace

import (
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

// Emit tells of something that happened.
func (l Log) Emit(c event.Category, source, name string, fields ...event.Field) {
	l.Stream.Emit(&event.Event{Time: l.Clock.Now(), Category: c, Source: source, Name: name, Fields: fields})
}

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

// Reply appends the fields of a reply. A field without name is the result, apart from the mark of the 64-bit convention, which
// the call carries already.
func Reply(dst []event.Field, fields []Field) []event.Field {
	for _, f := range fields {
		if f.Name == "" && f.Text == "smc64" {
			continue
		}
		key := "ret"
		if f.Name != "" {
			key = "ret." + f.Name
		}
		dst = append(dst, event.Field{Key: key, Num: f.Value, Text: f.Text})
	}
	return dst
}
