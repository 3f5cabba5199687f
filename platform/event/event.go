package event

import (
	"fmt"
	"io"
	"strings"
)

// Category is a set of kinds of events; one event has exactly one.
type Category uint32

// The categories, as the command line names them.
const (
	SMC     Category = 1 << iota // calls at the SMC instruction (SMCCC, PSCI, OP-TEE's SMC ABI)
	FFA                          // FF-A calls and memory transactions
	OPTEE                        // OP-TEE messages
	Protmem                      // protected memory: lend, assign, release, reclaim, scrub
	TZC                          // firewall: programming and denials
	Int                          // exceptions and interrupts
	Unimp                        // instructions and registers that are not implemented
	DMA                          // jobs of DMA masters
	Guest                        // guest errors: accesses to nothing, writes to read-only registers
)

var names = []string{"smc", "ffa", "optee", "protmem", "tzc", "int", "unimp", "dma", "guest"}

// All is every category.
const All = Guest<<1 - 1

func (c Category) String() string {
	var s []string
	for i, n := range names {
		if c>>i&1 != 0 {
			s = append(s, n)
		}
	}
	return strings.Join(s, ",")
}

// ParseCategories reads a comma-separated list of category names; "all" stands for every one.
func ParseCategories(list string) (Category, error) {
	var c Category
next:
	for _, s := range strings.Split(list, ",") {
		if s == "all" {
			c |= All
			continue
		}
		for i, n := range names {
			if s == n {
				c |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("unknown category %q: want one of %s, all", s, strings.Join(names, ", "))
	}
	return c, nil
}

// Field is one named value of an event. Text, where it is set, is what a reader sees; else Num is printed, in hexadecimal.
type Field struct {
	Key  string
	Num  uint64
	Text string
}

// Hex makes a numeric field.
func Hex(key string, v uint64) Field { return Field{Key: key, Num: v} }

// Str makes a text field.
func Str(key, s string) Field { return Field{Key: key, Text: s} }

// Dec makes a numeric field that is read in decimal.
func Dec(key string, v uint64) Field { return Field{Key: key, Num: v, Text: fmt.Sprint(v)} }

func (f Field) String() string {
	if f.Text != "" {
		return f.Key + "=" + f.Text
	}
	return fmt.Sprintf("%s=%#x", f.Key, f.Num)
}

// Event is one thing that happened.
type Event struct {
	Time     uint64 // ns of virtual time since reset
	Category Category
	// Source is who it happened at or who did it: "cpu0", "pl080", "tzc400", "spmc".
	Source string
	// Name is what happened, in the words of the specification: "FFA_MEM_LEND", "DENIED".
	Name   string
	Fields []Field
}

// Append appends the event's text line, without a newline.
func (e *Event) Append(b []byte) []byte {
	b = fmt.Appendf(b, "[%d.%09d] %s %s: %s", e.Time/1e9, e.Time%1e9, e.Category, e.Source, e.Name)
	for _, f := range e.Fields {
		b = append(b, ' ')
		b = append(b, f.String()...)
	}
	return b
}

// Sink takes events. It must not keep the event or its fields.
type Sink interface {
	Emit(e *Event)
}

// Stream hands events to the sinks that want their category. The zero value, and a nil *Stream, drop everything.
type Stream struct {
	mask  Category
	sinks []attached
}

type attached struct {
	mask Category
	sink Sink
}

// Attach adds a sink for the given categories.
func (s *Stream) Attach(mask Category, sink Sink) {
	s.sinks = append(s.sinks, attached{mask, sink})
	s.mask |= mask
}

// On reports whether anybody listens to one of the categories. Callers ask before they build an event.
func (s *Stream) On(c Category) bool { return s != nil && s.mask&c != 0 }

// Emit hands e to the sinks.
func (s *Stream) Emit(e *Event) {
	if s == nil {
		return
	}
	for _, a := range s.sinks {
		if a.mask&e.Category != 0 {
			a.sink.Emit(e)
		}
	}
}

// Text is a sink that writes one line an event.
type Text struct {
	w   io.Writer
	buf []byte
}

// NewText makes a text sink on w.
func NewText(w io.Writer) *Text { return &Text{w: w} }

// Emit writes e's line.
func (t *Text) Emit(e *Event) {
	t.buf = append(e.Append(t.buf[:0]), '\n')
	// A log that cannot be written must not stop the machine.
	_, _ = t.w.Write(t.buf)
}
