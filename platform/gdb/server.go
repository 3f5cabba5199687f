package gdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"gatehouse/platform"
)

// Config says what a server needs beside the machine. All fields may be nil.
type Config struct {
	// Monitor executes a command of the user for the monitor, on the machine's goroutine, and writes its answer.
	Monitor func(line string, w io.Writer)
	// Kill is called when the debugger wants the machine to end.
	Kill func()
}

// Server lets one debugger after the other debug a machine.
type Server struct {
	m   *platform.Machine
	cfg Config

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	wait   sync.WaitGroup

	mu       sync.Mutex
	closed   bool         // guarded by mu
	listener net.Listener // guarded by mu
	conn     net.Conn     // guarded by mu
}

// NewServer makes a server for a machine.
func NewServer(m *platform.Machine, cfg Config) *Server {
	s := &Server{m: m, cfg: cfg}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// ended is why sessions end when the machine does.
type ended struct{ status int }

func (e ended) Error() string { return fmt.Sprintf("the machine ended with status %d", e.status) }

// closeTime is how long the last packets of a connection may take.
const closeTime = time.Second

// Start serves connections in the background until Close. One connection is served at a time; further ones wait for its end.
func (s *Server) Start(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	s.wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conn = conn
			if s.closed {
				_ = conn.SetDeadline(time.Now())
			}
			s.mu.Unlock()
			_ = s.Session(conn)
			conn.Close()
		}
	})
}

// Close ends all connections, after it has told the debugger that the machine ended with a status. The machine's Run must have
// returned.
func (s *Server) Close(status int) {
	s.cancel(ended{status & 0xff})
	s.mu.Lock()
	s.closed = true
	if s.listener != nil {
		s.listener.Close()
	}
	if s.conn != nil {
		_ = s.conn.SetDeadline(time.Now().Add(closeTime))
	}
	s.mu.Unlock()
	s.wait.Wait()
}

// errDone ends a session in order.
var errDone = errors.New("the debugger is done")

// Session serves one connection to its end: a machine that runs is paused, and what the debugger set is undone at the end. Where
// the connection breaks off the machine stays as it is, for the next debugger.
func (s *Server) Session(rw io.ReadWriter) error {
	d := &session{s: s, m: s.m, w: rw, stepper: -1, stops: make(chan platform.Stop, 1)}
	var cancel func()
	if err := s.m.Do(s.ctx, func() {
		d.registers = describe(s.m.CPU(0))
		d.xml = d.registers.xml()
		s.m.Pause()
		// A debugger that has just come finds a stopped machine, whatever stopped it.
		d.lastStop = platform.Stop{Kind: platform.Stepped, CPU: s.m.LastStop().CPU}
		d.cpu = d.lastStop.CPU
		cancel = s.m.Hear(d.stopped)
	}); err != nil {
		return err
	}
	packets := make(chan packet)
	ctx, stop := context.WithCancelCause(s.ctx)
	go func() {
		r := bufio.NewReader(rw)
		for {
			p, err := readPacket(r)
			if err != nil {
				stop(err)
				return
			}
			select {
			case packets <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	err := d.serve(ctx, packets)
	stop(err)
	// Fails when the machine has ended.
	_ = s.m.Do(s.ctx, func() {
		cancel()
		d.clear()
	})
	return err
}

// serve works until the connection or the machine ends.
func (d *session) serve(ctx context.Context, packets <-chan packet) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			err = context.Cause(ctx)
		case stop := <-d.stops:
			err = d.send(d.stopReply(stop))
		case p := <-packets:
			err = d.receive(ctx, p)
		}
		if err == nil {
			continue
		}
		var e ended
		if errors.As(err, &e) && d.running {
			// The machine's goroutine, which d.running belongs to while the machine runs, is gone.
			return d.send(fmt.Appendf(nil, "W%02x", e.status))
		}
		return err
	}
}
