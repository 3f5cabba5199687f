package event

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
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
	DMABuf                       // dma-buf operations and dma-heaps of the normal world
)

var names = []string{"smc", "ffa", "optee", "protmem", "tzc", "int", "unimp", "dma", "guest", "dmabuf"}

// All is every category.
const All = DMABuf<<1 - 1

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
		return f.Key + "=" + oneLine(f.Text)
	}
	return fmt.Sprintf("%s=%#x", f.Key, f.Num)
}

// Kind is what a field's value is.
type Kind uint8

// The kinds: words, a number that is read in decimal, a number that is read in hexadecimal.
const (
	Words Kind = iota
	Decimal
	Hexadecimal
)

// Kind finds the kind of f. A text that is no more than Num in decimal or hexadecimal makes a number.
func (f Field) Kind() Kind {
	var b [24]byte
	switch {
	case f.Text == "" || f.Text == string(strconv.AppendUint(append(b[:0], "0x"...), f.Num, 16)):
		return Hexadecimal
	case f.Text == string(strconv.AppendUint(b[:0], f.Num, 10)):
		return Decimal
	}
	return Words
}

// oneLine keeps text from ending its line or steering a terminal: text with anything unprintable in it is quoted.
func oneLine(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// Phase is an event's place in what lasts longer than a moment.
type Phase uint8

const (
	// Instant is an event at one moment.
	Instant Phase = iota
	// Begin is the begin of a call or a job. It lasts until the End of the same source, world and lane; calls nest.
	Begin
	// End ends what began last at the same place.
	End
	// Restart is a reset of the machine: time counts from 0 again after it, and everything that lasts has ended.
	Restart
)

func (p Phase) String() string { return [...]string{"instant", "begin", "end", "restart"}[p] }

// Event is one thing that happened.
type Event struct {
	Time     uint64 // ns of virtual time since reset
	Category Category
	Phase    Phase
	// Secure says that Source belongs to the secure world or acts for it.
	Secure bool
	// Lane tells apart what a source does at the same time, such as the channels of a DMA controller.
	Lane uint8
	// Source is who it happened at or who did it: "cpu0", "pl080", "tzc400", "spmc".
	Source string
	// Name is what happened, in the words of the specification: "FFA_MEM_LEND", "DENIED".
	Name   string
	Fields []Field
}

// Values gives the fields under keys that differ: where a key repeats, its second value has the key KEY.2, and so on.
func (e *Event) Values() iter.Seq2[string, Field] {
	return func(yield func(string, Field) bool) {
		taken := func(key string, fields []Field) bool {
			for i := range fields {
				if fields[i].Key == key {
					return true
				}
			}
			return false
		}
		var numbered []string
		for i, f := range e.Fields {
			key := f.Key
			if taken(key, e.Fields[:i]) {
				for n := 2; ; n++ {
					key = f.Key + "." + strconv.Itoa(n)
					if !taken(key, e.Fields) && !slices.Contains(numbered, key) {
						break
					}
				}
				numbered = append(numbered, key)
			}
			if !yield(key, f) {
				return
			}
		}
	}
}

// World is the name of the world that the event belongs to: "normal" or "secure".
func (e *Event) World() string {
	if e.Secure {
		return "secure"
	}
	return "normal"
}

// Append appends the event's text line, without a newline.
func (e *Event) Append(b []byte) []byte {
	b = fmt.Appendf(b, "[%d.%09d] %s %s: %s", e.Time/1e9, e.Time%1e9, e.Category, e.Source, oneLine(e.Name))
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

// Opener is a sink that is also told when a call begins. A call's event, with all its fields, comes at its end; what happens
// within the call comes before that.
type Opener interface {
	// Open takes an event of phase Begin. It must not keep it.
	Open(e *Event)
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

// Open tells the sinks that are Openers that a call begins, which is emitted with phase End when it returns.
func (s *Stream) Open(e *Event) {
	if s == nil {
		return
	}
	e.Phase = Begin
	for _, a := range s.sinks {
		if o, ok := a.sink.(Opener); ok && a.mask&e.Category != 0 {
			o.Open(e)
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
