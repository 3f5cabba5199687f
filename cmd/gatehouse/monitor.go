package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/term"

	"gatehouse/platform"
	"gatehouse/platform/monitor"
)

// monitors are the monitor's consoles of one machine.
type monitors struct {
	m      *platform.Machine
	quit   func()
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu   sync.Mutex
	conn net.Conn // guarded by mu
	shut bool     // guarded by mu
}

func newMonitors(m *platform.Machine, quit func()) *monitors {
	s := &monitors{m: m, quit: quit}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *monitors) new() *monitor.Monitor { return monitor.New(s.m, monitor.Config{Quit: s.quit}) }

// execute has a command executed and gives its answer. It fails when the machine has ended.
func (s *monitors) execute(mon *monitor.Monitor, line string) ([]byte, error) {
	var b bytes.Buffer
	err := s.m.Do(s.ctx, func() { mon.Execute(line, &b) })
	return b.Bytes(), err
}

// lines serves a console without a terminal's keys: a pipe or a connection.
func (s *monitors) lines(in io.Reader, out io.Writer) {
	mon := s.new()
	r := bufio.NewScanner(in)
	for {
		if _, err := io.WriteString(out, monitor.Prompt); err != nil || !r.Scan() {
			return
		}
		answer, err := s.execute(mon, r.Text())
		if err != nil {
			return
		}
		if _, err := out.Write(answer); err != nil {
			return
		}
	}
}

// listen serves one connection after the other until close.
func (s *monitors) listen(l net.Listener) {
	s.wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conn = conn
			if s.shut {
				conn.Close()
			}
			s.mu.Unlock()
			s.lines(conn, conn)
			conn.Close()
		}
	})
	context.AfterFunc(s.ctx, func() { l.Close() })
}

func (s *monitors) close() {
	s.cancel()
	s.mu.Lock()
	s.shut = true
	if s.conn != nil {
		s.conn.Close()
	}
	s.mu.Unlock()
	s.wait.Wait()
}

// prompt is the monitor on a terminal in raw mode, with a line editor of its own.
type prompt struct {
	s       *monitors
	screen  io.Writer
	in      *io.PipeWriter
	started bool
}

func newPrompt(s *monitors, screen io.Writer) *prompt { return &prompt{s: s, screen: screen} }

// show gives the monitor the keys.
func (p *prompt) show() {
	if !p.started {
		p.started = true
		r, w := io.Pipe()
		p.in = w
		fmt.Fprintf(p.screen, "\nGatehouse monitor: help lists the commands, Ctrl-A c goes back to the guest\n")
		go p.edit(r)
		return
	}
	p.key([]byte{'\r'}) // for a new prompt
}

// Keys that the line editor would take as the end of its input.
const (
	ctrlC = 3
	ctrlD = 4
	ctrlU = 21
)

// key gives the editor what was typed.
func (p *prompt) key(keys []byte) {
	var b []byte
	for _, c := range keys {
		switch c {
		case ctrlC:
			b = append(b, ctrlU)
		case ctrlD:
		default:
			b = append(b, c)
		}
	}
	_, _ = p.in.Write(b) // fails when the machine has ended
}

// edit reads lines and executes them.
func (p *prompt) edit(r *io.PipeReader) {
	mon := p.s.new()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{r, p.screen}, monitor.Prompt)
	for {
		line, err := t.ReadLine()
		if err != nil {
			break
		}
		answer, err := p.s.execute(mon, line)
		if err != nil {
			break
		}
		if _, err := t.Write(answer); err != nil {
			break
		}
	}
	r.Close()
}
