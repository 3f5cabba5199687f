package gdb

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/images"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/loader"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

// hostLimit ends what hangs, in host time. No result depends on it.
const hostLimit = 60 * time.Second

// start is where raw code is loaded and begins.
const start = 0x40080000

// protected is memory that the firewall keeps from the normal world.
const protected = 0x47000000

// newMachine makes a machine with an image.
func newMachine(t testing.TB, cpus int, image []byte) *platform.Machine {
	t.Helper()
	sw := secureworld.DefaultConfig()
	sw.SecureRAM = memory.Range{Base: protected, Size: 1 << 20}
	cfg := platform.Config{CPUs: cpus, TZASC: true, Firmware: secureworld.New(sw), Semihosting: true}
	k, err := loader.Parse("image", image, cfg.Range())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Kernel = k
	m, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func words(w ...uint32) []byte {
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// rig is a machine that runs with a server.
type rig struct {
	t    testing.TB
	m    *platform.Machine
	s    *Server
	exit chan platform.Exit
	end  context.CancelFunc
}

func newRig(t testing.TB, cpus int, image []byte) *rig {
	r := &rig{t: t, m: newMachine(t, cpus, image), exit: make(chan platform.Exit, 1)}
	ctx, cancel := context.WithTimeout(context.Background(), hostLimit)
	r.end = cancel
	r.s = NewServer(r.m, Config{Monitor: func(line string, w io.Writer) { fmt.Fprintf(w, "[%s]%s", line, strings.Repeat("x", len(line)*2000)) }, Kill: cancel})
	r.m.Pause()
	done := make(chan struct{})
	go func() {
		defer close(done)
		exit := r.m.Run(ctx)
		r.s.Close(exit.Code)
		r.exit <- exit
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

// client is a debugger.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	done chan error // of the session
}

func (r *rig) connect() *client {
	near, far := net.Pipe()
	c := &client{t: r.t, conn: near, r: bufio.NewReader(near), done: make(chan error, 1)}
	_ = near.SetDeadline(time.Now().Add(hostLimit))
	go func() {
		c.done <- r.s.Session(far)
		far.Close()
	}()
	r.t.Cleanup(func() { near.Close() })
	return c
}

func (c *client) raw(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// next gives what the server sends next.
func (c *client) next() packet {
	c.t.Helper()
	p, err := readPacket(c.r)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c *client) reply() string {
	c.t.Helper()
	p := c.next()
	if p.kind != command {
		c.t.Fatalf("%+v", p)
	}
	return string(p.data)
}

func (c *client) send(s string) {
	c.t.Helper()
	c.raw(string(frame([]byte(s))))
	if p := c.next(); p.kind != ack {
		c.t.Fatalf("%q is answered with %+v", s, p)
	}
}

func (c *client) call(s string) string {
	c.t.Helper()
	c.send(s)
	return c.reply()
}

// want sends packets and compares the answers.
func (c *client) want(pairs ...string) {
	c.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := c.call(pairs[i]); got != pairs[i+1] {
			c.t.Errorf("%q: %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
}

// loop increments x0 and stores it at x1 for ever.
var loop = words(
	0xd2800000, // mov x0, #0
	0x100007e1, // adr x1, .+252
	0x91000400, // add x0, x0, #1
	0xf9000020, // str x0, [x1]
	0x17fffffe) // b .-8

func le(v uint64) string {
	return hex.EncodeToString(binary.LittleEndian.AppendUint64(nil, v))
}

// A stopped machine: answers as the protocol has them.
func TestPackets(t *testing.T) {
	r := newRig(t, 2, loop)
	c := r.connect()
	if got := c.call("qSupported:multiprocess+;swbreak+;xmlRegisters=i386"); !strings.Contains(got, "PacketSize=4000") ||
		!strings.Contains(got, "qXfer:features:read+") || !strings.Contains(got, "QStartNoAckMode+") {
		t.Errorf("qSupported: %q", got)
	}
	c.want(
		"", "", "!", "", "R00", "", "vRun;", "", "vAttach;1", "", "vMustReplyEmpty", "", "qTStatus", "", "qSymbol::", "", "bogus", "",
		"qXfer:memory-map:read::0,100", "", "QThreadSuffixSupported", "",
		"?", "T05thread:01;core:0;",
		"qAttached", "1", "qC", "QC01", "vCont?", "vCont;c;C;s;S;t",
		"qfThreadInfo", "m01,02", "qsThreadInfo", "l",
		"T1", "OK", "T2", "OK", "T3", "E03", "T", "E03", "Tx", "E03", "Tp1.2", "OK", "Tp1.3", "E03", "Tffffffffffffffffffffff", "E03",
		"qThreadExtraInfo,2", hex.EncodeToString([]byte("CPU#1 EL3 [off]")), "qThreadExtraInfo,9", "E03",
		"Hg0", "OK", "Hg1", "OK", "Hg3", "E03", "Hc-1", "OK", "H", "E16", "Hx1", "E16",
		// Memory: what was loaded, in part where it ends, not at all where there is none.
		"m40080000,4", "000080d2", "m40080000,0", "", "m40080004,10000000000", c.prefix("m40080004,10000000000", "e107001000040091"),
		"m47fffffe,4", "0000", "m48000000,4", "E0e", "m9000000,4", "E0e",
		"m", "E16", "m1", "E16", "m1,", "E16", "m,1", "E16", "mx,1", "E16", "m1,y", "E16", "m10000000000000000,1", "E16",
		"mffffffffffffffff,8", "E0e",
		"M40090000,4:01020304", "OK", "m40090000,4", "01020304",
		"M40090000,4:010203", "E16", "M40090000,5:01020304", "E16", "M40090000,4:0102030g", "E16", "M40090000,4", "E16",
		"X40090000,0:", "OK", "X40090000,3:#}$", "OK", "m40090000,4", "237d2404", "X40090000,4:abc", "E16",
		"M9000000,1:41", "E0e",
		// The firewall: what the processor may not touch, the debugger may not either.
		fmt.Sprintf("m%x,4", protected), "E0e", fmt.Sprintf("M%x,1:00", protected), "E0e", "me000000,4", "E0e",
		// Registers by number.
		"p20", le(start), "P0="+le(0x123456789abcdef0), "OK", "p0", le(0x123456789abcdef0), "P1f="+le(0x40091000), "OK", "p1f", le(0x40091000),
		"P0=00", "E16", "P0", "E16", "P=00", "E16", "Pffff="+le(0), "E16", "pffff", "E16", "p", "E16", "px", "E16", "P0="+le(0)+"00", "E16",
		"P22="+strings.Repeat("01", 16), "OK", "p22", strings.Repeat("01", 16),
		// Breakpoints and watchpoints.
		"Z0,40080008,4", "OK", "Z0,40080008,4", "OK", "z0,40080008,4", "OK", "z0,40080008,4", "OK", "Z1,0,4", "OK", "z1,0,4", "OK",
		"Z2,40080100,8", "OK", "z2,40080100,8", "OK", "Z4,ffffffffffffffff,2", "E16", "Z3,1,0", "E16", "Z5,1,1", "", "Z0", "E16", "Z0,", "E16", "Z0,1", "E16",
		"Zx,1,1", "", "Z0,1,4;X1,00", "E16",
		// Physical memory, as QEMU has it.
		"qqemu.Supported", "PhyMemMode", "qqemu.PhyMemMode", "0", "Qqemu.PhyMemMode:1", "OK", "qqemu.PhyMemMode", "1", "Qqemu.PhyMemMode:2", "E16", "Qqemu.PhyMemMode", "E16",
		"m40080000,4", "000080d2", "m9000018,4", "90000000", "M40090000,2:aabb", "OK", "m40090000,2", "aabb", fmt.Sprintf("m%x,4", protected), "E0e",
		"m30000000,1", "E0e", "mfffffffffffffffc,8", "E0e", "Qqemu.PhyMemMode:0", "OK",
		// Going on, wrongly.
		"vCont;x", "E16", "vCont;c:9", "E03", "vCont;S:1", "E16", "vCont;", "E16", "vCont", "E16", "cx", "E16", "Cxx", "E16", "sz", "E16",
		"qXfer:features:read:other.xml:0,10", "E00", "qXfer:features:read:target.xml:fffffff,10", "E16", "qXfer:features:read:target.xml:x,1", "E16",
		"qXfer:features:read:target.xml", "",
		"qRcmd,0", "E16",
	)
	if got := c.call("g"); len(got) != 2*(33*8+4+32*16+8) || !strings.HasPrefix(got, le(0x123456789abcdef0)) {
		t.Errorf("g: %q", got)
	} else {
		c.want("G"+le(7)+got[16:], "OK", "p0", le(7), "G"+got[2:], "E16", "G", "E16", "Gx", "E16")
	}
	// Nobody was told of the reads that were denied.
	if v, _ := r.m.Port(bus.Attr{Secure: true, NSAID: bus.NSAIDAP}).Load(platform.TZCBase+0x10, 4); v != 0 {
		t.Errorf("INT_STATUS is %#x", v)
	}
	// Damage, in both directions.
	c.raw("$g#00")
	if p := c.next(); p.kind != nack {
		t.Errorf("a bad checksum: %+v", p)
	}
	first := c.call("qC")
	c.raw("-")
	if again := c.reply(); again != first {
		t.Errorf("again: %q, first %q", again, first)
	}
	big := strings.Repeat("A", maxPacket+1)
	if got := c.call(big); got != "E16" {
		t.Errorf("a packet that is too long: %q", got)
	}
	c.want("QStartNoAckMode", "OK")
	c.raw("+$qC#b4")
	if got := c.reply(); got != "QC01" {
		t.Errorf("without acknowledgement: %q", got)
	}
	c.raw("$qC#00$qC#b4") // a damaged packet is left unanswered
	if got := c.reply(); got != "QC01" {
		t.Errorf("after damage: %q", got)
	}
}

// prefix asks for memory whose whole contents the caller does not know, checks how they begin, and gives what came.
func (c *client) prefix(p, begins string) string {
	c.t.Helper()
	got := c.call(p)
	if !strings.HasPrefix(got, begins) || len(got) > maxPacket {
		c.t.Errorf("%q: %d characters, %.20q", p, len(got), got)
	}
	return got
}

// Breakpoints and watchpoints stop before and behind the instruction; steps are of one instruction each.
func TestRunControl(t *testing.T) {
	r := newRig(t, 1, loop)
	c := r.connect()
	stop := "T05thread:01;core:0;"
	c.want(
		"s", stop, "p20", le(start+4), "p0", le(0),
		"s", stop, "p20", le(start+8), "p1", le(start+256),
		"vCont;s:1;c", stop, "p20", le(start+12), "p0", le(1),
		"Z0,4008000c,4", "OK",
		"c", stop, "p20", le(start+12), "p0", le(2), // the breakpoint that it stood at did not hold it
		"vCont;c", stop, "p0", le(3),
		"S05", stop, "p20", le(start+16),
		"C05", stop, "p20", le(start+12), "p0", le(4),
		"z0,4008000c,4", "OK",
		"Z2,40080104,4", "OK", // the upper half of what str writes
		// It stands before the store that the breakpoint was at, and the store has not been made.
		"vCont;c", "T05thread:01;core:0;watch:40080104;", "p20", le(start+12), "p0", le(4), "m40080100,1", "03",
		"s", stop, "p20", le(start+16), "m40080100,1", "04",
		"vCont;s", stop, "vCont;s", stop, "s", "T05thread:01;core:0;watch:40080104;", "p20", le(start+12), "p0", le(5), "m40080100,1", "04",
		"z2,40080104,4", "OK", "Z3,40080100,8", "OK", "Z4,40080100,1", "OK",
		"c", "T05thread:01;core:0;awatch:40080100;", "p20", le(start+12), "p0", le(6), "m40080100,1", "05",
		"z4,40080100,1", "OK",
	)
	// Nothing reads what is watched: it runs until it is interrupted.
	c.send("c40080000")
	c.raw("\x03")
	if got := c.reply(); got != "T02thread:01;core:0;" {
		t.Errorf("Ctrl-C: %q", got)
	}
	pc := c.call("p20")
	c.want("s40080000", stop, "p20", le(start+4))
	if b, _ := hex.DecodeString(pc); binary.LittleEndian.Uint64(b)-start > 16 {
		t.Errorf("interrupted at %s", pc)
	}
}

// Threads are processors. A step of one leaves the others to themselves, or lets them go on.
func TestThreads(t *testing.T) {
	img, err := images.Get("smp")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, 4, img.ELF)
	c := r.connect()
	// The other processors begin where CPU_ON says: somewhere else than the first.
	c.want("qfThreadInfo", "m01,02,03,04", "Hg2", "OK", "p20", le(0))
	pcs := func() (v [4]string) {
		for i := range v {
			c.want(fmt.Sprintf("Hg%d", i+1), "OK")
			v[i] = c.call("p20")
		}
		return v
	}
	// A watchpoint on the stack pointers' memory would depend on the image; Ctrl-C does not.
	for range 50 {
		c.send("vCont;c")
		c.raw("\x03")
		if got := c.reply(); !strings.HasPrefix(got, "T02thread:0") {
			if got == "W00" {
				return
			}
			t.Fatalf("%q", got)
		}
		before := pcs()
		got := c.call("vCont;s:1")
		after := pcs()
		if got != "T05thread:01;core:0;" || before[1] != after[1] || before[2] != after[2] || before[3] != after[3] {
			t.Fatalf("%q: before %v, after %v", got, before, after)
		}
	}
	c.want("D", "OK")
	<-c.done
	if exit := <-r.exit; exit != (platform.Exit{}) {
		t.Errorf("%+v", exit)
	}
}

// A debugger that goes away in order lets the machine run; one that breaks off leaves it as it is, without its breakpoints.
func TestReconnect(t *testing.T) {
	r := newRig(t, 1, loop)
	c := r.connect()
	c.want("Z0,4008000c,4", "OK", "c", "T05thread:01;core:0;")
	c.conn.Close()
	<-c.done
	c = r.connect()
	c.want("?", "T05thread:01;core:0;", "p20", le(start+12), "p0", le(1))
	c.send("c")
	c.conn.Close()
	<-c.done
	c = r.connect()
	c.want("?", "T05thread:01;core:0;") // which pauses it
	before := c.call("p0")
	c.want("D", "OK")
	if err := <-c.done; err != errDone {
		t.Error(err)
	}
	c = r.connect()
	if now := c.call("p0"); now == before {
		t.Error("it did not run after D")
	}
	c.send("k")
	<-c.done
	if exit := <-r.exit; exit.Reason != platform.Interrupted {
		t.Errorf("%+v", exit)
	}
}

// A reset leaves a stopped machine stopped, at its beginning, and breakpoints and watchpoints as they are.
func TestReset(t *testing.T) {
	r := newRig(t, 1, loop)
	c := r.connect()
	stop := "T05thread:01;core:0;"
	c.want("Z1,40080010,4", "OK", "Z2,40080100,8", "OK")
	for range 3 {
		c.want("c", "T05thread:01;core:0;watch:40080100;", "c", stop, "p20", le(start+16), "p0", le(1))
		if err := r.m.Do(t.Context(), r.m.RequestReset); err != nil {
			t.Fatal(err)
		}
		c.want("p20", le(start), "m40080100,8", le(0))
	}
	// In the middle of a run, too.
	c.want("z1,40080010,4", "OK", "z2,40080100,8", "OK", "Z1,40080000,4", "OK")
	c.send("c")
	if err := r.m.Do(t.Context(), r.m.RequestReset); err != nil {
		t.Fatal(err)
	}
	if got := c.reply(); got != stop {
		t.Errorf("%q", got)
	}
	c.want("p20", le(start))
}

// The end of the machine is told, with its status.
func TestExit(t *testing.T) {
	code := words(
		0x52800300,             // mov w0, #0x18: SYS_EXIT
		0x10000061,             // adr x1, .+12
		0xd45e0000,             // hlt #0xf000
		0x14000000,             // b .
		0x00020026, 0, 0x2a, 0) // ADP_Stopped_ApplicationExit, 42
	r := newRig(t, 1, code)
	c := r.connect()
	c.want("vCont;c", "W2a")
	if exit := <-r.exit; exit.Reason != platform.Exited || exit.Code != 42 {
		t.Errorf("%+v", exit)
	}
}

// Commands for the monitor are answered in pieces that fit packets.
func TestMonitor(t *testing.T) {
	r := newRig(t, 1, loop)
	c := r.connect()
	line := strings.Repeat("a", 10)
	c.send("qRcmd," + hex.EncodeToString([]byte(line)))
	var text []byte
	for {
		p := c.reply()
		if p == "OK" {
			break
		}
		if p == "" || p[0] != 'O' || len(p) > maxPacket {
			t.Fatalf("%d bytes, %.10q", len(p), p)
		}
		b, err := hex.DecodeString(p[1:])
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	if string(text) != "["+line+"]"+strings.Repeat("x", 20000) {
		t.Errorf("%d bytes", len(text))
	}
}

// The limits hold, and removing makes room.
func TestManyPoints(t *testing.T) {
	r := newRig(t, 1, loop)
	c := r.connect()
	for i := range maxBreakpoints {
		c.want(fmt.Sprintf("Z1,%x,4", 0x50000000+4*i), "OK")
	}
	c.want("Z1,40080000,4", "E1c", "Z1,50000000,4", "OK", "z1,50000000,4", "OK", "Z1,40080000,4", "OK")
	for i := range maxWatchpoints {
		c.want(fmt.Sprintf("Z2,%x,4", 0x50000000+4*i), "OK")
	}
	c.want("Z4,40080000,4", "E1c", "z2,50000000,4", "OK", "Z4,40080000,4", "OK")
}

// FuzzSession gives a whole connection of hostile packets to a machine that runs. Lines are packets with a good checksum; one that
// begins with a zero byte is sent as it is. The session must end with its connection.
func FuzzSession(f *testing.F) {
	f.Add("qSupported:x\n?\ng\nm40080000,10\nZ0,4008000c,4\nvCont;c\np20\ns\nD")
	f.Add("vCont;s:1;c\nQStartNoAckMode\nX40090000,3:abc\nHg2\nvCont;t\n\x00\x03\n\x00-$g#00")
	f.Add("G00\nZ2,40080100,8\nc\nk")
	f.Add("qXfer:features:read:target.xml:0,ffffffffffffffff\nqRcmd,68656c70\nP20=0000000000000000\nc\nqThreadExtraInfo,2")
	f.Add("Qqemu.PhyMemMode:1\nm0,ffff\nM9000000,4:41414141\nm8000000,1000\nMb000000,4:00000000\nz4,0,1\nHc-1\nC05;40080004")
	f.Fuzz(func(t *testing.T, stream string) {
		r := newRig(t, 2, loop)
		near, far := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- r.s.Session(far)
			far.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, near) }()
		for line := range strings.SplitSeq(stream, "\n") {
			if raw, ok := strings.CutPrefix(line, "\x00"); ok {
				_, _ = io.WriteString(near, raw)
			} else {
				_, _ = near.Write(frame([]byte(line)))
			}
		}
		near.Close()
		select {
		case <-done:
		case <-time.After(hostLimit):
			t.Fatal("the session goes on without its connection")
		}
		r.end()
		<-r.exit
		r.exit <- platform.Exit{}
	})
}
