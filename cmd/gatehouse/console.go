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

// escape is Ctrl-A, which gives the next key a meaning of its own.
const escape = 1

const escapeHelp = `
Ctrl-A h    this help
Ctrl-A x    ends the machine
Ctrl-A c    changes between the guest and the monitor
Ctrl-A b    sends a break to the guest
Ctrl-A a    sends a Ctrl-A
`

// meaning is what a key means.
type meaning uint8

const (
	nothing meaning = iota
	text            // for who has the keys: the guest or the monitor
	leave
	toggle
	sendBreak
	showHelp
)

// keyboard takes the escapes out of what a terminal sends, as QEMU's multiplexed console does.
type keyboard struct {
	escaped bool
}

// press gives the meaning of one byte, and the byte that it stands for as text.
func (k *keyboard) press(c byte) (meaning, byte) {
	if !k.escaped {
		if c == escape {
			k.escaped = true
			return nothing, 0
		}
		return text, c
	}
	k.escaped = false
	switch c {
	case 'x', 'X':
		return leave, 0
	case 'c', 'C':
		return toggle, 0
	case 'b', 'B':
		return sendBreak, 0
	case 'h', 'H', '?':
		return showHelp, 0
	case escape, 'a', 'A':
		return text, escape
	}
	return nothing, 0
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
	Break(uart int)
}

// seat is where a user sits.
type seat struct {
	to     receiver
	port   int       // of the guest that standard input goes to, or -1 for none
	end    func()    // ends the machine's run
	mon    *prompt   // the monitor on a terminal, or nil
	lines  func()    // serves the monitor where it has a standard input that is no terminal, or nil
	screen io.Writer // for help
	focus  bool      // the monitor has the keys
}

// attach feeds in to the guest or the monitor until it ends. A terminal is put into raw mode, and its keys have the meanings of
// Ctrl-A. What cannot grow later (a regular file, a reader within this process) is handed over before attach returns, so that the
// guest sees it at the same virtual time in each run. The returned function gives the terminal back.
func (s *seat) attach(in io.Reader) (restore func()) {
	none := func() {}
	f, ok := in.(*os.File)
	if ok {
		info, err := f.Stat()
		switch {
		case err != nil:
			return none // a closed standard input
		case term.IsTerminal(int(f.Fd())):
			state, err := term.MakeRaw(int(f.Fd()))
			if err != nil {
				return none // it went away
			}
			go s.typed(f)
			return func() { _ = term.Restore(int(f.Fd()), state) }
		case s.lines != nil:
		case !info.Mode().IsRegular():
			go feed(f, s.to, s.port)
			return none
		}
	}
	if s.lines != nil {
		go s.lines()
		return none
	}
	// A read error ends the input, as the end of the file does.
	start, _ := io.ReadAll(io.LimitReader(in, inputFile))
	s.to.Input(s.port, start)
	if len(start) == inputFile {
		go feed(in, s.to, s.port)
	}
	return none
}

// typed passes on what a user types.
func (s *seat) typed(in io.Reader) {
	var k keyboard
	var b [256]byte
	if s.port < 0 {
		s.change()
	}
	for {
		n, err := in.Read(b[:])
		var keys []byte
		flush := func() {
			switch {
			case len(keys) == 0:
			case s.focus:
				s.mon.key(keys)
			default:
				s.to.Input(s.port, keys)
			}
			keys = keys[:0]
		}
		for _, c := range b[:n] {
			what, c := k.press(c)
			if what == text {
				keys = append(keys, c)
				continue
			}
			flush()
			switch what {
			case leave:
				s.end()
				return
			case toggle:
				s.change()
			case sendBreak:
				if s.port == 0 || s.port == 1 {
					s.to.Break(s.port)
				}
			case showHelp:
				_, _ = io.WriteString(s.screen, escapeHelp)
			}
		}
		flush()
		if err != nil {
			return
		}
	}
}

// change gives the keys to the monitor, or back to the guest. Each needs to be there.
func (s *seat) change() {
	if s.mon == nil || s.focus && s.port < 0 {
		return
	}
	if s.focus = !s.focus; s.focus {
		s.mon.show()
	} else {
		_, _ = io.WriteString(s.screen, "\n")
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
