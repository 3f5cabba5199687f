package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"

	"gatehouse/platform"
	"gatehouse/platform/gdb"
	"gatehouse/platform/monitor"
)

// debugOptions are the flags of boot by which a debugger or a user looks into the machine.
type debugOptions struct {
	stopped bool
	gdb     string // address, "" for none
	gdbFlag string // as it was given
	monitor string // "", none, stdio or an address
}

const debugDetails = `With -s or -gdb, GDB debugs the machine ("target remote :1234"): processors are its threads. Memory is what the selected processor sees
through its translation and the firewall; breakpoints and watchpoints are virtual addresses and leave memory as it is. GDB's command
monitor executes a command of the monitor. Addresses are tcp:HOST:PORT, tcp::PORT, HOST:PORT, :PORT or unix:PATH.
On a terminal Ctrl-A c changes between the guest and the monitor; its command help lists the others. Ctrl-A h lists the keys.`

func (o *debugOptions) register(f *flag.FlagSet) {
	f.BoolFunc("s", "lets GDB in: -gdb "+gdb.DefaultAddress, func(string) error {
		o.gdb, o.gdbFlag = gdb.DefaultAddress, "-s"
		return nil
	})
	f.Func("gdb", "`ADDRESS` at which GDB is let in, or none", func(s string) error {
		o.gdb, o.gdbFlag = s, "-gdb "+s
		if s == "none" {
			o.gdb = ""
		}
		return nil
	})
	f.BoolVar(&o.stopped, "S", false, "stops the machine at reset, until GDB or the monitor continues it")
	f.Func("monitor", "`none|stdio|ADDRESS` where the monitor is beside a terminal's Ctrl-A c: none turns that off", func(s string) error {
		o.monitor = s
		return nil
	})
}

// claim gives standard input to the monitor, where the flags say so. serial are the outputs of the UARTs.
func (o *debugOptions) claim(given, serial []string, taken bool) error {
	if o.monitor != "stdio" {
		return nil
	}
	for _, s := range given {
		taken = taken || s == "stdio"
	}
	if taken {
		return errors.New("-monitor stdio: something else has standard input and output")
	}
	if len(given) == 0 {
		serial[0] = "none"
	}
	return nil
}

// debugging is what runs beside a machine for its debuggers.
type debugging struct {
	stopped          bool
	gdb, monitor     net.Listener // nil where there is none
	gdbServer        *gdb.Server
	monitors         *monitors
	interactive, own bool // the monitor is on the terminal, and has it alone
}

// listen opens the addresses that the flags name.
func (o *debugOptions) listen() (*debugging, error) {
	d := &debugging{stopped: o.stopped, interactive: o.monitor != "none", own: o.monitor == "stdio"}
	var err error
	if o.gdb != "" {
		if d.gdb, err = gdb.Listen(o.gdb); err != nil {
			return nil, fmt.Errorf("%s: %w", o.gdbFlag, err)
		}
	}
	if m := o.monitor; m != "" && m != "none" && m != "stdio" {
		if d.monitor, err = gdb.Listen(m); err != nil {
			d.close(statusUsage)
			return nil, fmt.Errorf("-monitor %s: %w", m, err)
		}
	}
	return d, nil
}

// serve begins to serve the machine's debuggers. quit ends the machine's run.
func (d *debugging) serve(m *platform.Machine, quit func()) {
	d.monitors = newMonitors(m, quit)
	if d.stopped {
		m.Pause()
	}
	if d.gdb != nil {
		mon := monitor.New(m, monitor.Config{Quit: quit})
		d.gdbServer = gdb.NewServer(m, gdb.Config{Monitor: mon.Execute, Kill: quit})
		d.gdbServer.Start(d.gdb)
	}
	if d.monitor != nil {
		d.monitors.listen(d.monitor)
	}
}

// close ends all of it, after the machine's run. Debuggers hear of the status.
func (d *debugging) close(status int) {
	if d.monitors != nil {
		d.monitors.close()
	}
	switch {
	case d.gdbServer != nil:
		d.gdbServer.Close(status)
		d.gdbServer = nil
	case d.gdb != nil:
		d.gdb.Close()
	}
	if d.monitor != nil {
		d.monitor.Close()
	}
}

// seat gives the user's place at standard input, which goes to a port of the guest, or to the monitor where port is negative.
func (d *debugging) seat(m *platform.Machine, port int, end func(), in io.Reader, screen *output) *seat {
	s := &seat{to: m, port: port, end: end, screen: screen}
	if d.interactive {
		s.mon = newPrompt(d.monitors, screen)
	}
	if d.own && !isTerminal(in) {
		s.lines = func() { d.monitors.lines(in, screen) }
	}
	return s
}
