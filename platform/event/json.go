package event

import (
	"bufio"
	"io"
	"strconv"
	"unicode/utf8"
)

// JSON is a sink that writes each event as one line of JSON, begins of calls too. docs/trace.md lists the keys.
type JSON struct {
	w   *bufio.Writer
	buf []byte
}

// NewJSON makes a sink on w, which has everything after Close.
func NewJSON(w io.Writer) *JSON { return &JSON{w: bufio.NewWriterSize(w, 64<<10)} }

// Emit writes e's line. An error of the writer shows at Close.
func (j *JSON) Emit(e *Event) {
	b := append(j.buf[:0], `{"time":`...)
	b = strconv.AppendUint(b, e.Time, 10)
	for _, k := range [...]struct{ key, value string }{
		{`,"phase":`, e.Phase.String()}, {`,"category":`, e.Category.String()}, {`,"world":`, e.World()}, {`,"source":`, e.Source},
	} {
		b = appendJSON(append(b, k.key...), k.value)
	}
	b = strconv.AppendUint(append(b, `,"lane":`...), uint64(e.Lane), 10)
	b = appendJSON(append(b, `,"name":`...), e.Name)
	b = append(b, `,"fields":{`...)
	first := true
	for key, f := range e.Values() {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendJSON(b, key), ':')
		switch f.Kind() {
		case Decimal:
			b = strconv.AppendUint(b, f.Num, 10)
		case Hexadecimal:
			b = append(strconv.AppendUint(append(b, `"0x`...), f.Num, 16), '"')
		default:
			b = appendJSON(b, f.Text)
		}
	}
	j.buf = append(b, "}}\n"...)
	_, _ = j.w.Write(j.buf)
}

// Open writes the line of a call's begin.
func (j *JSON) Open(e *Event) { j.Emit(e) }

// Close writes what is held back, and gives the first error of the writer.
func (j *JSON) Close() error { return j.w.Flush() }

// appendJSON appends s as a JSON string (RFC 8259, 7). What is not UTF-8 becomes U+FFFD.
func appendJSON(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c < ' ' || c == 0x7f:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		b = utf8.AppendRune(b, r)
		i += n
	}
	return append(b, '"')
}
