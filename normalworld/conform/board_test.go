package conform_test

import (
	"context"
	"errors"
	"testing"

	"gatehouse/normalworld/conform"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/platform/loader"
	"gatehouse/platform/vtime"
)

// Calls of the tests' firmware.
const (
	callWho = iota + 1 // x1 = processor, x2 = exception level
	callOff
	callReboot
)

// tiny is firmware that does what the tests ask for, and counts what happens.
type tiny struct {
	host    firmware.Host
	resets  int
	timer   *vtime.Timer
	expired []uint64
}

func (f *tiny) Reset(h firmware.Host) error {
	f.host = h
	f.resets++
	if f.timer == nil {
		f.timer = h.Clock().NewTimer("test", f)
	}
	return nil
}

func (f *tiny) SMC(c firmware.Call, r *firmware.Registers) {
	switch r[0] {
	case callWho:
		r[1], r[2] = uint64(c.CPU), uint64(c.EL)
	case callOff:
		f.host.PowerOff()
	case callReboot:
		f.host.Reboot()
	}
}

// Expire sets the timer again, twice.
func (f *tiny) Expire(t *vtime.Timer, now uint64) {
	f.expired = append(f.expired, now)
	if len(f.expired) < 3 {
		t.Set(now + 100)
	}
}

// newBoard makes a board whose boot processor waits for interrupts.
func newBoard(t *testing.T) (*conform.Board, *tiny, *platform.Machine) {
	t.Helper()
	fw := new(tiny)
	board := conform.NewBoard(fw)
	idle := []byte{0x7F, 0x20, 0x03, 0xD5, 0xFF, 0xFF, 0xFF, 0x17} // wfi; b . - 4
	m, err := platform.New(platform.Config{CPUs: 2, RAM: 24 << 20, Firmware: board.Firmware(), Kernel: &loader.Image{
		Name: "idle", Entry: platform.RAMBase, Segments: []loader.Segment{{Addr: platform.RAMBase, Data: idle, MemSize: 8}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	run := func(ctx context.Context) (bool, error) {
		exit := m.Run(ctx)
		if exit.Reason == platform.Failed {
			return false, errors.New(exit.Message)
		}
		return exit.Reason == platform.PoweredOff, nil
	}
	p := conform.Properties{RAM: conform.Range{Base: platform.RAMBase + 1<<20, Size: 20 << 20}, Normal: conform.Access{Read: 0xFFFF, Write: 0xFFFF}}
	if err := board.Bind(m, run, p); err != nil {
		t.Fatal(err)
	}
	return board, fw, m
}

func TestBoardCallsAndPorts(t *testing.T) {
	b, fw, _ := newBoard(t)
	p := b.Properties()
	if p.CPUs != 2 || len(p.MPIDR) != 2 || p.MPIDR[1] != 1 || p.End != platform.RAMBase+24<<20 || !p.Runs {
		t.Errorf("properties %+v", p)
	}
	for cpu := range 2 {
		r := conform.Registers{callWho}
		if b.SMC(cpu, &r); r[1] != uint64(cpu) || r[2] != 1 {
			t.Errorf("a call of processor %d arrives as %d, EL%d", cpu, r[1], r[2])
		}
	}
	if resp := b.Port(3).Write(p.RAM.Base, []byte{7}); resp != bus.OKAY {
		t.Fatal(resp)
	}
	var got [1]byte
	if b.Port(15).Read(p.RAM.Base, got[:]); got[0] != 7 {
		t.Error("ports see different memory")
	}
	if err := b.Reset(); err != nil || fw.resets != 2 {
		t.Errorf("%d resets, error %v", fw.resets, err)
	}
	if b.Port(15).Read(p.RAM.Base, got[:]); got[0] != 0 {
		t.Error("memory survives a reset")
	}
}

// Timers on the way expire at their times, and what they set anew does, too.
func TestBoardAdvance(t *testing.T) {
	b, fw, m := newBoard(t)
	fw.timer.Set(50)
	b.Advance(1000)
	if m.Now() != 1000 || len(fw.expired) != 3 || fw.expired[0] != 50 || fw.expired[1] != 150 || fw.expired[2] != 250 {
		t.Errorf("at %d, timers at %v", m.Now(), fw.expired)
	}
}

func TestBoardRun(t *testing.T) {
	b, fw, m := newBoard(t)
	for i := range uint64(2) {
		off, err := b.Run(10_000)
		if off || err != nil || m.Now() < (i+1)*10_000 || m.Now() > (i+1)*10_000+1000 {
			t.Errorf("run %d: off %v, error %v, %d ns", i, off, err, m.Now())
		}
	}
	b.SMC(0, &conform.Registers{callReboot})
	if off, err := b.Run(10_000); off || err != nil || fw.resets != 2 || m.Now() < 10_000 || m.Now() > 11_000 {
		t.Errorf("a run that begins with a reset: off %v, error %v, %d resets, %d ns", off, err, fw.resets, m.Now())
	}
	b.SMC(0, &conform.Registers{callOff})
	if off, err := b.Run(10_000); !off || err != nil {
		t.Errorf("after power off: off %v, error %v", off, err)
	}
	if err := b.Reset(); err != nil {
		t.Fatal(err)
	}
	if off, err := b.Run(10_000); off || err != nil {
		t.Errorf("after power off and reset: off %v, error %v", off, err)
	}
}

func TestBoardBindErrors(t *testing.T) {
	b, _, m := newBoard(t)
	if err := conform.NewBoard(new(tiny)).Bind(m, nil, conform.Properties{}); err == nil {
		t.Error("a board takes a machine that was built without it")
	}
	if err := b.Bind(m, nil, conform.Properties{RAM: conform.Range{Base: platform.RAMBase, Size: 1 << 20}}); err == nil {
		t.Error("a board takes 1 MiB of memory")
	}
	if _, err := b.Run(1); err == nil {
		t.Error("processors run without a function that runs them")
	}
}
