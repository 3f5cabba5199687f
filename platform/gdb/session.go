package gdb

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"gatehouse/platform"
	"gatehouse/platform/cpu"
)

// Limits of what one debugger may set. The errors of this package are errno values, as gdbserver has them.
const (
	maxBreakpoints = 1000
	maxWatchpoints = 100

	errArgument = "E16" // EINVAL
	errFault    = "E0e" // EFAULT
	errNoThread = "E03" // ESRCH
	errTooMany  = "E1c" // ENOSPC
)

// POSIX signals in the protocol's numbering.
const (
	sigINT  = 2
	sigTRAP = 5
)

// session is one connection. Commands are executed on the machine's goroutine, where all fields but w, last and noAck are used.
type session struct {
	s *Server
	m *platform.Machine

	w     io.Writer
	last  []byte // what was sent last, for the case that it did not arrive
	noAck bool
	ended error // what ends the session after the reply

	stops chan platform.Stop

	registers registers
	xml       string
	running   bool // a stop reply is owed
	cpu       int  // selected by Hg
	stepper   int  // selected by Hc, or -1 for the one of Hg
	lastStop  platform.Stop
	physical  bool // memory is physical: QEMU's PhyMemMode
	threads   int  // how many the list of threads has told

	breaks  []breakpoint
	watches []watchpoint
}

type breakpoint struct {
	kind byte // Z0 or Z1
	addr uint64
}

type watchpoint struct {
	kind      byte // Z2 to Z4
	addr, len uint64
}

// stopped hears of a stop, on the machine's goroutine.
func (d *session) stopped(s platform.Stop) {
	d.lastStop = s
	if !d.running {
		return
	}
	d.running = false
	d.cpu = s.CPU
	select {
	case d.stops <- s:
	default: // a debugger that resumes a machine before it heard of the last stop does not hear of this one
	}
}

// clear undoes what the debugger has set.
func (d *session) clear() {
	d.breaks, d.watches = nil, nil
	d.m.SetBreakpoints(nil)
	d.m.SetWatchpoints(nil)
}

func (d *session) write(p []byte) error {
	_, err := d.w.Write(p)
	return err
}

func (d *session) send(data []byte) error {
	d.last = frame(data)
	return d.write(d.last)
}

// receive answers what came from the debugger.
func (d *session) receive(ctx context.Context, p packet) error {
	switch p.kind {
	case ack:
		return nil
	case nack:
		return d.write(d.last)
	case interrupt:
		return d.m.Do(ctx, d.m.Pause)
	case damaged:
		if d.noAck {
			return nil
		}
		return d.write([]byte{'-'})
	}
	if !d.noAck {
		if err := d.write([]byte{'+'}); err != nil {
			return err
		}
	}
	if p.kind == oversized {
		return d.send([]byte(errArgument))
	}
	var (
		reply  []byte
		answer bool
		output bytes.Buffer
	)
	if line, ok := bytes.CutPrefix(p.data, []byte("qRcmd,")); ok {
		text, err := decodeHex(line)
		if err != nil {
			return d.send([]byte(errArgument))
		}
		if err := d.m.Do(ctx, func() { d.monitor(string(text), &output) }); err != nil {
			return err
		}
		for chunk := range slices.Chunk(output.Bytes(), maxPacket/2-1) {
			if err := d.send(appendHex([]byte{'O'}, chunk)); err != nil {
				return err
			}
		}
		return d.send([]byte("OK"))
	}
	if err := d.m.Do(ctx, func() { reply, answer = d.command(p.data) }); err != nil {
		return err
	}
	if answer {
		if err := d.send(reply); err != nil {
			return err
		}
	}
	if string(p.data) == "QStartNoAckMode" {
		d.noAck = true
	}
	return d.ended
}

func (d *session) monitor(line string, w io.Writer) {
	if d.s.cfg.Monitor == nil {
		fmt.Fprintln(w, "there is no monitor")
		return
	}
	d.s.cfg.Monitor(line, w)
}

// command executes one packet. A packet that is not known has an empty answer (E.1); one that makes the machine go on has none
// until it stops.
func (d *session) command(p []byte) (reply []byte, answer bool) {
	if len(p) == 0 {
		return nil, true
	}
	text := func(s string) ([]byte, bool) { return []byte(s), true }
	args := p[1:]
	switch p[0] {
	case '?':
		return d.stopReply(d.lastStop), true
	case 'c', 'C', 's', 'S':
		return d.resume(p[0]|0x20 == 's', p[0] < 'a', args)
	case 'D':
		d.clear()
		d.m.Resume()
		d.ended = errDone
		return text("OK")
	case 'k':
		d.kill()
		return nil, false
	case 'g':
		var b []byte
		c := d.m.CPU(d.cpu)
		for i := range d.registers[:general] {
			b = d.registers[i].append(b, c)
		}
		return b, true
	case 'G':
		return text(d.writeGeneral(args))
	case 'p':
		n, ok := parseHex(args)
		if !ok || n >= uint64(len(d.registers)) {
			return text(errArgument)
		}
		return d.registers[n].append(nil, d.m.CPU(d.cpu)), true
	case 'P':
		number, value, _ := bytes.Cut(args, []byte{'='})
		n, ok := parseHex(number)
		v, err := decodeHex(value)
		if !ok || n >= uint64(len(d.registers)) || err != nil || !d.registers[n].write(d.m.CPU(d.cpu), v) {
			return text(errArgument)
		}
		return text("OK")
	case 'm':
		return d.readMemory(args)
	case 'M', 'X':
		return text(d.writeMemory(args, p[0] == 'X'))
	case 'Z', 'z':
		return text(d.point(p[0] == 'Z', args))
	case 'H':
		return text(d.selectThread(args))
	case 'T':
		if _, ok := d.thread(args); !ok {
			return text(errNoThread)
		}
		return text("OK")
	case 'v':
		return d.verbose(string(p))
	case 'q', 'Q':
		return d.query(string(p))
	}
	return nil, true
}

func (d *session) kill() {
	d.ended = errDone
	d.clear()
	if d.s.cfg.Kill != nil {
		d.s.cfg.Kill()
	}
}

// thread parses a thread's identity, with or without that of its process, and gives the processor's number: -1 for all, 0 for any.
func (d *session) thread(s []byte) (cpu int, ok bool) {
	if len(s) > 0 && s[0] == 'p' {
		process, thread, two := bytes.Cut(s[1:], []byte{'.'})
		if _, ok := parseHex(process); !ok && string(process) != "-1" {
			return 0, false
		}
		if !two {
			return -1, true
		}
		s = thread
	}
	if string(s) == "-1" {
		return -1, true
	}
	n, ok := parseHex(s)
	if !ok || n > uint64(d.m.NumCPUs()) {
		return 0, false
	}
	return int(max(n, 1)) - 1, true
}

func (d *session) selectThread(args []byte) string {
	if len(args) == 0 {
		return errArgument
	}
	n, ok := d.thread(args[1:])
	if !ok {
		return errNoThread
	}
	switch args[0] {
	case 'g':
		if n >= 0 && string(args[1:]) != "0" {
			d.cpu = n
		}
	case 'c':
		d.stepper = n
		if string(args[1:]) == "0" {
			d.stepper = -1
		}
	default:
		return errArgument
	}
	return "OK"
}

// resume serves c, s and their forms with a signal, which has no meaning here.
func (d *session) resume(step, signal bool, args []byte) ([]byte, bool) {
	addr := args
	if signal {
		var number []byte
		number, addr, _ = bytes.Cut(args, []byte{';'})
		if _, ok := parseHex(number); !ok {
			return []byte(errArgument), true
		}
	}
	target := d.cpu
	if d.stepper >= 0 {
		target = d.stepper
	}
	if len(addr) > 0 {
		pc, ok := parseHex(addr)
		if !ok {
			return []byte(errArgument), true
		}
		d.m.CPU(target).SetPC(pc)
	}
	actions := make([]platform.Action, d.m.NumCPUs())
	if step {
		actions[target] = platform.Single
	}
	d.goOn(actions)
	return nil, false
}

func (d *session) goOn(actions []platform.Action) {
	d.running = true
	d.m.Resume(actions...)
}

// verbose serves the packets that begin with v.
func (d *session) verbose(p string) ([]byte, bool) {
	name, args, _ := strings.Cut(p, ";")
	switch {
	case p == "vCont?":
		return []byte("vCont;c;C;s;S;t"), true
	case name == "vCont":
		return d.vCont(args)
	case name == "vKill":
		d.kill()
		return []byte("OK"), true
	}
	return nil, true // vRun, vAttach, vMustReplyEmpty ...
}

// vCont gives each thread the first action that names it (E.2).
func (d *session) vCont(args string) ([]byte, bool) {
	n := d.m.NumCPUs()
	actions := make([]platform.Action, n)
	chosen := make([]bool, n)
	stop, goes := false, false
	for a := range strings.SplitSeq(args, ";") {
		verb, id, named := strings.Cut(a, ":")
		target := -1
		if named {
			var ok bool
			if target, ok = d.thread([]byte(id)); !ok {
				return []byte(errNoThread), true
			}
		}
		var action platform.Action
		switch {
		case verb == "c", len(verb) == 3 && verb[0] == 'C':
			action = platform.Continue
		case verb == "s", len(verb) == 3 && verb[0] == 'S':
			action = platform.Single
		case verb == "t":
			action = platform.Halt
		default:
			return []byte(errArgument), true
		}
		for i := range n {
			if (target < 0 || target == i) && !chosen[i] {
				chosen[i], actions[i] = true, action
				stop = stop || action == platform.Halt
				goes = goes || action != platform.Halt
			}
		}
	}
	for i := range n {
		if !chosen[i] {
			actions[i] = platform.Halt
		}
	}
	if !goes {
		// Nothing but a stop was asked for.
		d.running = true
		if d.m.Stopped() {
			d.stopped(platform.Stop{Kind: platform.Paused, CPU: d.cpu})
		} else {
			d.m.Pause()
		}
		return nil, false
	}
	d.goOn(actions)
	return nil, false
}

// stopReply describes a stop (E.3).
func (d *session) stopReply(s platform.Stop) []byte {
	signal := sigTRAP
	if s.Kind == platform.Paused {
		signal = sigINT
	}
	b := fmt.Appendf(nil, "T%02xthread:%02x;core:%x;", signal, s.CPU+1, s.CPU)
	if s.Kind == platform.AtWatchpoint {
		b = fmt.Appendf(b, "%s:%x;", d.watchName(s), s.Addr)
	}
	return b
}

// watchName names the kind of watchpoint that an access met.
func (d *session) watchName(s platform.Stop) string {
	for _, w := range d.watches {
		if s.Addr-w.addr >= w.len {
			continue
		}
		switch {
		case w.kind == '2' && s.Write:
			return "watch"
		case w.kind == '3' && !s.Write:
			return "rwatch"
		case w.kind == '4':
			return "awatch"
		}
	}
	return "watch"
}

// addressLength parses ADDR,LENGTH.
func addressLength(s []byte) (addr, n uint64, ok bool) {
	a, l, two := bytes.Cut(s, []byte{','})
	addr, ok1 := parseHex(a)
	n, ok2 := parseHex(l)
	return addr, n, two && ok1 && ok2
}

// readMemory answers with as much as can be read; an error says that not even the first byte can.
func (d *session) readMemory(args []byte) ([]byte, bool) {
	addr, n, ok := addressLength(args)
	if !ok {
		return []byte(errArgument), true
	}
	p := make([]byte, min(n, maxPacket/2))
	var done int
	if d.physical {
		done, _ = d.m.ReadPhysical(d.cpu, addr, p)
	} else {
		done = d.m.CPU(d.cpu).Peek(addr, p)
	}
	if done == 0 && n > 0 {
		return []byte(errFault), true
	}
	return appendHex(make([]byte, 0, 2*done), p[:done]), true
}

func (d *session) writeMemory(args []byte, binary bool) string {
	head, data, two := bytes.Cut(args, []byte{':'})
	addr, n, ok := addressLength(head)
	if !two || !ok {
		return errArgument
	}
	if !binary {
		var err error
		if data, err = decodeHex(data); err != nil {
			return errArgument
		}
	}
	if uint64(len(data)) != n {
		return errArgument
	}
	var done int
	if d.physical {
		done, _ = d.m.WritePhysical(d.cpu, addr, data)
	} else {
		done = d.m.CPU(d.cpu).Poke(addr, data)
	}
	if done != len(data) {
		return errFault
	}
	return "OK"
}

func (d *session) writeGeneral(args []byte) string {
	data, err := decodeHex(args)
	if err != nil || len(data) != d.registers.size() {
		return errArgument
	}
	c := d.m.CPU(d.cpu)
	for i := range d.registers[:general] {
		r := &d.registers[i]
		if !r.write(c, data[:r.size]) {
			return errArgument
		}
		data = data[r.size:]
	}
	return "OK"
}

// point sets or removes a breakpoint or a watchpoint. Both kinds of breakpoints are the same here: memory stays as it is.
func (d *session) point(set bool, args []byte) string {
	if len(args) < 2 || args[1] != ',' {
		return errArgument
	}
	kind := args[0]
	rest, _, conditions := bytes.Cut(args[2:], []byte{';'})
	addr, n, ok := addressLength(rest)
	if !ok || conditions {
		return errArgument
	}
	switch kind {
	case '0', '1':
		b := breakpoint{kind, addr}
		i := slices.Index(d.breaks, b)
		switch {
		case set && i < 0 && len(d.breaks) >= maxBreakpoints:
			return errTooMany
		case set && i < 0:
			d.breaks = append(d.breaks, b)
		case !set && i >= 0:
			d.breaks = slices.Delete(d.breaks, i, i+1)
		}
		var addrs []uint64
		for _, b := range d.breaks {
			addrs = append(addrs, b.addr)
		}
		d.m.SetBreakpoints(addrs)
	case '2', '3', '4':
		w := watchpoint{kind, addr, n}
		i := slices.Index(d.watches, w)
		switch {
		case n == 0 || addr+(n-1) < addr:
			return errArgument
		case set && i < 0 && len(d.watches) >= maxWatchpoints:
			return errTooMany
		case set && i < 0:
			d.watches = append(d.watches, w)
		case !set && i >= 0:
			d.watches = slices.Delete(d.watches, i, i+1)
		}
		var all []cpu.Watch
		for _, w := range d.watches {
			all = append(all, cpu.Watch{Addr: w.addr, Len: w.len, Read: w.kind != '2', Write: w.kind != '3'})
		}
		d.m.SetWatchpoints(all)
	default:
		return ""
	}
	return "OK"
}

// query serves general queries and settings.
func (d *session) query(p string) ([]byte, bool) {
	text := func(format string, args ...any) ([]byte, bool) { return fmt.Appendf(nil, format, args...), true }
	name, args, _ := strings.Cut(p, ":")
	switch name {
	case "qSupported":
		return text("PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;multiprocess-", maxPacket)
	case "QStartNoAckMode":
		return text("OK")
	case "qAttached":
		return text("1")
	case "qC":
		return text("QC%02x", d.cpu+1)
	case "qfThreadInfo":
		d.threads = 0
		return d.threadList()
	case "qsThreadInfo":
		return d.threadList()
	case "qXfer":
		return d.transfer(args)
	case "qqemu.Supported":
		return text("PhyMemMode")
	case "qqemu.PhyMemMode":
		if d.physical {
			return text("1")
		}
		return text("0")
	case "Qqemu.PhyMemMode":
		if args != "0" && args != "1" {
			return text(errArgument)
		}
		d.physical = args == "1"
		return text("OK")
	}
	if id, ok := strings.CutPrefix(p, "qThreadExtraInfo,"); ok {
		n, ok := d.thread([]byte(id))
		if !ok || n < 0 {
			return text(errNoThread)
		}
		return appendHex(nil, []byte(d.describeThread(n))), true
	}
	return nil, true
}

// threadList gives a few threads at a time.
func (d *session) threadList() ([]byte, bool) {
	if d.threads >= d.m.NumCPUs() {
		return []byte{'l'}, true
	}
	b := []byte{'m'}
	for ; d.threads < d.m.NumCPUs(); d.threads++ {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%02x", d.threads+1)
	}
	return b, true
}

func (d *session) describeThread(n int) string {
	c := d.m.CPU(n)
	state := "running"
	switch {
	case !c.Powered():
		state = "off"
	case !c.Runnable():
		state = "halted"
	}
	return fmt.Sprintf("CPU#%d EL%d [%s]", n, c.EL(), state)
}

// transfer serves qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH.
func (d *session) transfer(args string) ([]byte, bool) {
	f := strings.SplitN(args, ":", 4)
	if len(f) != 4 || f[0] != "features" || f[1] != "read" {
		return nil, true
	}
	off, n, ok := addressLength([]byte(f[3]))
	switch {
	case f[2] != "target.xml":
		return []byte("E00"), true
	case !ok || off > uint64(len(d.xml)):
		return []byte(errArgument), true
	}
	rest := d.xml[off:]
	// Escapes may make it longer; the description has hardly any.
	if n = min(n, maxPacket-maxPacket/8); n < uint64(len(rest)) {
		return append([]byte{'m'}, rest[:n]...), true
	}
	return append([]byte{'l'}, rest...), true
}
