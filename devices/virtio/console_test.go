package virtio

import (
	"strings"
	"testing"
)

func newConsole(t *testing.T) (*board, *driver, *Console, *strings.Builder) {
	var out strings.Builder
	c := NewConsole(&out)
	b, d := newDriver(t, c)
	return b, d, c, &out
}

func TestConsoleTransmit(t *testing.T) {
	b, d, _, out := newConsole(t)
	d.start(FeatureVersion1, 8, 8)
	q := &d.queues[ConsoleTransmit]
	b.fill(dataAt, []byte("hello, world\n"))
	d.add(q, 0, buf{dataAt, 7, false}, buf{dataAt + 7, 6, false})
	d.notify(q)
	if _, n := d.used(q); n != 0 || out.String() != "hello, world\n" {
		t.Errorf("%d bytes written, transmitted %q", n, out.String())
	}
	out.Reset()
	long := strings.Repeat("0123456789abcde\n", 2*Chunk/16+1)
	b.fill(dataAt, []byte(long))
	d.add(q, 0, buf{dataAt, uint32(len(long)), false})
	d.add(q, 0) // no buffer at all is a descriptor that was never written: of no bytes
	d.notify(q)
	d.used(q)
	if out.String() != long {
		t.Error("a long text is not transmitted")
	}
	// What is protected is not shown.
	b.finish()
	out.Reset()
	b.protect(dataAt, 0x1000)
	d.add(q, 0, buf{dataAt - 3, 6, false})
	d.notify(q)
	b.finish()
	if out.Len() != 0 {
		t.Errorf("transmitted %q", out.String())
	}
}

func TestConsoleReceive(t *testing.T) {
	b, d, c, _ := newConsole(t)
	if c.CanReceive() || c.Receive([]byte("x")) != 0 {
		t.Fatal("it receives before there is a driver")
	}
	d.start(FeatureVersion1|FeatureEventIdx, 8, 8)
	q := &d.queues[ConsoleReceive]
	for i := range uint64(3) {
		d.add(q, 0, buf{dataAt + 0x100*i, 16, true})
	}
	d.notify(q)
	b.finish()
	if v := d.read(q.used+2, 2); v != 0 {
		t.Fatal("buffers are used without input")
	}
	if n := c.Receive([]byte("abc")); n != 3 {
		t.Fatalf("%d taken", n)
	}
	if _, n := d.used(q); n != 3 || string(b.memory(dataAt, 4)) != "abc\x00" {
		t.Errorf("%d received", n)
	}
	c.Receive([]byte("0123456789abcdefXYZ"))
	for i, want := range []string{"0123456789abcdef", "XYZ"} {
		if _, n := d.used(q); int(n) != len(want) || string(b.memory(dataAt+0x100*uint64(i+1), len(want))) != want {
			t.Errorf("%d received, want %q", n, want)
		}
	}
	// Without buffers the input waits; when there is too much of it, it is left outside.
	long := make([]byte, 3*consoleInput)
	if n := c.Receive(long); n != consoleInput || c.CanReceive() {
		t.Errorf("%d taken", n)
	}
	b.finish()
	d.add(q, 0, buf{dataAt, consoleInput, true})
	d.notify(q)
	if _, n := d.used(q); n != consoleInput || !c.CanReceive() {
		t.Errorf("%d received", n)
	}
	// A buffer that may not be written gets nothing, and the input is not lost.
	b.protect(dataAt, 0x1000)
	c.Receive([]byte("kept"))
	d.add(q, 0, buf{dataAt, 16, true})
	d.add(q, 0, buf{dataAt + 0x1000, 16, true})
	d.notify(q)
	if _, n := d.used(q); n != 0 {
		t.Errorf("%d received", n)
	}
	if _, n := d.used(q); n != 4 || string(b.memory(dataAt+0x1000, 4)) != "kept" {
		t.Errorf("%d received", n)
	}
	if string(b.memory(dataAt, 4)) == "kept" {
		t.Error("protected memory was written")
	}
}

// The emergency write works on a device that no driver has touched (VIRTIO 5.3.4).
func TestConsoleEmergencyWrite(t *testing.T) {
	_, d, _, out := newConsole(t)
	for _, c := range "panic" {
		d.set(Config+consoleEmergWrite, uint32(c))
	}
	d.set(Config, 'x')
	if out.String() != "panic" {
		t.Errorf("transmitted %q", out.String())
	}
}
