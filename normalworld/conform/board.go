package conform

import (
	"context"
	"errors"
	"time"

	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/platform/vtime"
)

// Machine is what a Board needs of a machine: *platform.Machine has it.
type Machine interface {
	Reset() error
	Port(a bus.Attr) *bus.Port
}

// Board is the Target that a machine of this project makes, with whatever firmware. It stands between the two: the machine is
// built with Board.Firmware, and then given to Bind.
type Board struct {
	fw      firmware.Firmware
	machine Machine
	run     func(context.Context) (off bool, err error)
	prop    Properties
	host    firmware.Host
	timer   *vtime.Timer
	ports   [16]*bus.Port

	budget uint64             // of the run at hand, in ns
	cancel context.CancelFunc // ends the run at hand; nil when there is none
}

var _ Target = (*Board)(nil)

// NewBoard makes a board that is still without its machine.
func NewBoard(fw firmware.Firmware) *Board { return &Board{fw: fw} }

// Firmware is what the machine is to have as its firmware.
func (b *Board) Firmware() firmware.Firmware { return (*tap)(b) }

// Bind gives the board its machine, which was reset before. run runs it until the context ends or the machine stops, and says
// whether it was powered off; nil stands for a machine whose processors cannot run. The end of memory and the processors are
// filled into p from the machine.
func (b *Board) Bind(m Machine, run func(context.Context) (off bool, err error), p Properties) error {
	if b.host == nil {
		return errors.New("the machine was built without the board's firmware")
	}
	b.machine, b.run, b.prop = m, run, p
	b.prop.CPUs, b.prop.MPIDR = b.host.NumCPUs(), nil
	for i := range b.prop.CPUs {
		b.prop.MPIDR = append(b.prop.MPIDR, b.host.MPIDR(i))
	}
	base, size := b.host.RAM()
	b.prop.End, b.prop.Runs = base+size, run != nil
	for i := range b.ports {
		b.ports[i] = m.Port(bus.Attr{NSAID: uint8(i), Privileged: true})
	}
	return b.prop.check()
}

// Properties is documented at Target.
func (b *Board) Properties() *Properties { return &b.prop }

// Reset is documented at Target.
func (b *Board) Reset() error { return b.machine.Reset() }

// SMC is documented at Target.
func (b *Board) SMC(cpu int, r *Registers) { b.fw.SMC(firmware.Call{CPU: cpu, EL: 1}, r) }

// Port is documented at Target.
func (b *Board) Port(nsaid uint8) Port { return b.ports[nsaid] }

// Advance is documented at Target. It stops at each deadline on the way, so that what a timer starts happens in time.
func (b *Board) Advance(ns uint64) {
	c := b.host.Clock()
	for end := c.Now() + ns; c.Now() < end; {
		c.Advance(min(c.Next(), end))
		c.Expire()
	}
}

// hostTime bounds a run in host time: one that takes longer hangs.
const hostTime = 10 * time.Second

// Run is documented at Target.
func (b *Board) Run(ns uint64) (off bool, err error) {
	if b.run == nil {
		return false, errors.New("processors cannot run")
	}
	ctx, cancel := context.WithTimeout(context.Background(), hostTime)
	defer cancel()
	b.budget, b.cancel = ns, cancel
	b.timer.Set(b.host.Clock().Now() + ns)
	off, err = b.run(ctx)
	b.timer.Stop()
	b.cancel = nil
	if err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errors.New("the machine hangs")
	}
	return off, err
}

// Expire ends a run: its virtual time has passed.
func (b *Board) Expire(*vtime.Timer, uint64) {
	if b.cancel != nil {
		b.cancel()
	}
}

// tap is the board as the machine's firmware. It learns who the host is, and keeps a run bounded that resets the machine.
type tap Board

func (t *tap) Reset(h firmware.Host) error {
	t.host = h
	if t.timer == nil {
		t.timer = h.Clock().NewTimer("conform", (*Board)(t))
	}
	if t.cancel != nil {
		t.timer.Set(h.Clock().Now() + t.budget)
	}
	return t.fw.Reset(h)
}

func (t *tap) SMC(c firmware.Call, r *Registers) { t.fw.SMC(c, r) }
