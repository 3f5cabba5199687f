package main

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// outputDelay is how long the output of a burst may wait.
const outputDelay = 5 * time.Millisecond

// output collects what a machine writes byte by byte. The first byte after a pause goes out at once, and so does what ends with a
// newline; the rest of a burst follows every few milliseconds. It may be used from several goroutines.
type output struct {
	mu    sync.Mutex
	w     io.Writer // guarded by mu
	buf   []byte    // guarded by mu
	burst bool      // guarded by mu: a flush is scheduled
	lines bool      // flush at newlines
}

const outputBuffer = 16 << 10

func newOutput(w io.Writer, lines bool) *output {
	return &output{w: w, lines: lines, buf: make([]byte, 0, outputBuffer)}
}

// Write never fails: a guest's UART goes on when nobody reads it.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, p...)
	if !o.burst || len(o.buf) >= outputBuffer || o.lines && bytes.IndexByte(p, '\n') >= 0 {
		o.flush()
	}
	if !o.burst {
		o.burst = true
		time.AfterFunc(outputDelay, o.tick)
	}
	return len(p), nil
}

// tick ends the burst, or goes on with it while there is output.
func (o *output) tick() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) == 0 {
		o.burst = false
		return
	}
	o.flush()
	time.AfterFunc(outputDelay, o.tick)
}

// redirect changes where the output goes. Nothing may have been written before.
func (o *output) redirect(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = w
}

// Flush writes out what there is.
func (o *output) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
}

// flush must be called with mu held.
func (o *output) flush() {
	if len(o.buf) > 0 {
		_, _ = o.w.Write(o.buf)
		o.buf = o.buf[:0]
	}
}

// linePrefix starts each line that is written with a text.
type linePrefix struct {
	w      io.Writer
	prefix string
}

// Write takes whole lines.
func (l linePrefix) Write(p []byte) (int, error) {
	_, err := l.w.Write(append([]byte(l.prefix), p...))
	return len(p), err
}

// escape is Ctrl-A: with x it ends the machine, with a or itself it sends one Ctrl-A.
const escape = 1

// keyboard takes the escapes out of what a terminal sends.
type keyboard struct {
	escaped bool
}

// filter gives what p means to the guest, and whether the user asked for the end. It works in place.
func (k *keyboard) filter(p []byte) (guest []byte, end bool) {
	guest = p[:0]
	for _, c := range p {
		switch {
		case k.escaped:
			k.escaped = false
			switch c {
			case 'x', 'X':
				return guest, true
			case escape, 'a', 'A':
				guest = append(guest, escape)
			}
		case c == escape:
			k.escaped = true
		default:
			guest = append(guest, c)
		}
	}
	return guest, false
}

// Limits, in bytes, of the input that waits for the guest.
const (
	inputAhead = 64 << 10 // of a pipe or terminal
	inputFile  = 64 << 20 // of what is handed over before the machine runs
)

// receiver is the end of the guest that input goes to.
type receiver interface {
	Input(uart int, p []byte)
	Pending(uart int) int
}

// attach feeds in to a UART until it ends. A terminal is put into raw mode, and end is called when the user leaves with Ctrl-A x.
// What cannot grow later (a regular file, a reader within this process) is handed over before attach returns, so that the guest
// sees it at the same virtual time in each run. The returned function gives the terminal back.
func attach(in io.Reader, to receiver, uart int, end func()) (restore func()) {
	nothing := func() {}
	f, ok := in.(*os.File)
	if ok {
		info, err := f.Stat()
		switch {
		case err != nil:
			return nothing // a closed standard input
		case term.IsTerminal(int(f.Fd())):
			state, err := term.MakeRaw(int(f.Fd()))
			if err != nil {
				return nothing // it went away
			}
			go typed(f, to, uart, end)
			return func() { _ = term.Restore(int(f.Fd()), state) }
		case !info.Mode().IsRegular():
			go feed(f, to, uart)
			return nothing
		}
	}
	// A read error ends the input, as the end of the file does.
	start, _ := io.ReadAll(io.LimitReader(in, inputFile))
	to.Input(uart, start)
	if len(start) == inputFile {
		go feed(in, to, uart)
	}
	return nothing
}

// typed feeds what a user types.
func typed(in io.Reader, to receiver, uart int, end func()) {
	var k keyboard
	var b [256]byte
	for {
		n, err := in.Read(b[:])
		guest, leave := k.filter(b[:n])
		to.Input(uart, guest)
		if leave {
			end()
		}
		if leave || err != nil {
			return
		}
	}
}

// feed sends all of in, at the guest's pace.
func feed(in io.Reader, to receiver, uart int) {
	var b [4096]byte
	for {
		n, err := in.Read(b[:])
		to.Input(uart, b[:n])
		if err != nil {
			return
		}
		for to.Pending(uart) > inputAhead {
			time.Sleep(outputDelay)
		}
	}
}

// rawTerminal writes to a terminal in raw mode, where a newline does not return the carriage.
type rawTerminal struct{ w io.Writer }

func (t rawTerminal) Write(p []byte) (int, error) {
	if _, err := t.w.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
