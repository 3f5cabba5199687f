package engine

import (
	"math"

	"gatehouse/devices"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Model is what one kind of engine does with a job.
type Model interface {
	// Plan looks at the job's parameters, and names its buffers and the time that it computes. It gives OK, or what is wrong.
	Plan(j *Job) Result
	// Run computes the output from the input, all of which is there. It gives OK, or what is wrong with the input.
	Run(j *Job) Result
}

// Ender is a model that wants to know when a job has ended.
type Ender interface {
	End(j *Job, r Result)
}

// Ports are an engine's two identities on the bus. Both are non-secure.
type Ports struct {
	// Protected has the engine's own NSAID. The secure world gives it no access to ordinary memory, only to protected memory that
	// admits the engine.
	Protected *bus.Port
	// Ordinary has NSAID 0, which has access to what all masters have access to.
	Ordinary *bus.Port
}

// Engine is one engine. Its registers are a bus.Device.
type Engine struct {
	// IRQ is the interrupt. It may be nil.
	IRQ devices.Line

	name   string
	id     uint32
	model  Model
	ports  Ports
	clock  *vtime.Clock
	events *event.Stream
	timer  *vtime.Timer

	parameters [NumParameters]uint32
	raw, mask  uint32
	last       Result
	results    [NumResults]uint32
	fault      uint64 // address
	faultInfo  uint32
	read       uint32
	written    uint32
	jobs       uint32
	elapsed    uint32

	phase   phase
	buffer  int // that the phase has come to
	began   uint64
	cursor  cursor
	planned uint32 // bytes that move when the timer expires
	job     *Job   // nil while there is none
}

// Job is one job, from START to its end.
type Job struct {
	// Buffers are the inputs and then the outputs. Plan sets them up.
	Buffers []Buffer
	// Inputs is how many of the buffers are inputs.
	Inputs int
	// Cost is the time, in ns, that the engine computes.
	Cost uint64
	// Work is what Plan keeps for Run: a value without pointers to anything that lives longer than the job.
	Work any
	// Results become visible when the job succeeds.
	Results [NumResults]uint32

	parameters [NumParameters]uint32
}

// Get gives the parameter register at the given offset of the register block.
func (j *Job) Get(off int) uint32 { return j.parameters[(off-Parameters)/4] }

type phase uint8

const (
	idle phase = iota
	lists
	input
	compute
	output
)

// New makes an engine in its reset state. id is the value of its ID register; its transactions go through ports.
func New(name string, id uint32, m Model, ports Ports, clock *vtime.Clock, events *event.Stream) *Engine {
	e := &Engine{name: name, id: id, model: m, ports: ports, clock: clock, events: events}
	e.timer = clock.NewTimer(name, e)
	e.Reset()
	return e
}

// Reset ends the job, if there is one, and gives all registers their first values.
func (e *Engine) Reset() {
	e.stop()
	e.parameters = [NumParameters]uint32{}
	e.raw, e.mask, e.jobs = 0, 0, 0
	e.forget()
	e.interrupt()
}

// forget clears what the registers say about the last job.
func (e *Engine) forget() {
	e.last, e.results = None, [NumResults]uint32{}
	e.fault, e.faultInfo, e.read, e.written, e.elapsed = 0, 0, 0, 0, 0
}

// stop lets the job go, with all its data.
func (e *Engine) stop() {
	e.phase, e.buffer, e.planned, e.cursor, e.job = idle, 0, 0, cursor{}, nil
	e.timer.Stop()
}

// Busy reports whether a job is under way.
func (e *Engine) Busy() bool { return e.phase != idle }

// Raise sets bits of IntRaw.
func (e *Engine) Raise(bits uint32) {
	e.raw |= bits
	e.interrupt()
}

func (e *Engine) interrupt() {
	if e.IRQ != nil {
		e.IRQ.Set(e.raw&e.mask != 0)
	}
}

// Read gives a register.
func (e *Engine) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	if size > 4 {
		return 0, bus.SLVERR
	}
	v := uint64(e.register(off&^3)) >> (8 * (off & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func (e *Engine) register(off uint64) uint32 {
	switch off {
	case ID:
		return e.id
	case Version:
		return version
	case Status:
		v := uint32(e.last) << ResultShift
		if e.Busy() {
			v |= Busy
		}
		return v
	case IntRaw:
		return e.raw
	case IntMask:
		return e.mask
	case IntStatus:
		return e.raw & e.mask
	case FaultAddrLo:
		return uint32(e.fault)
	case FaultAddrHi:
		return uint32(e.fault >> 32)
	case FaultInfo:
		return e.faultInfo
	case BytesRead:
		return e.read
	case BytesWritten:
		return e.written
	case Jobs:
		return e.jobs
	case Elapsed:
		return e.elapsed
	}
	if off >= Results && off < Results+4*NumResults {
		return e.results[(off-Results)/4]
	}
	if off >= Parameters && off < Parameters+4*NumParameters {
		return e.parameters[(off-Parameters)/4]
	}
	return 0
}

// Write sets a register.
func (e *Engine) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	if size != 4 {
		return bus.SLVERR
	}
	w := uint32(v)
	switch off {
	case Control:
		switch {
		case w&Reset != 0:
			e.Reset()
		case w&Abort != 0:
			e.Abort()
		case w&Start != 0:
			e.Start(&e.parameters)
		}
	case IntRaw:
		e.raw &^= w
	case IntMask:
		e.mask = w & interrupts
	default:
		if off >= Parameters && off < Parameters+4*NumParameters {
			e.parameters[(off-Parameters)/4] = w
		}
	}
	e.interrupt()
	return bus.OKAY
}

// Parameter gives the parameter register at the given offset of the register block, as it stands now.
func (e *Engine) Parameter(off int) uint32 { return e.parameters[(off-Parameters)/4] }

// Parameters gives a copy of all parameter registers.
func (e *Engine) Parameters() [NumParameters]uint32 { return e.parameters }

// Abort ends the job, if there is one.
func (e *Engine) Abort() {
	if e.Busy() {
		e.end(WasAborted)
	}
}

// Start begins a job with the given parameters.
func (e *Engine) Start(parameters *[NumParameters]uint32) {
	if e.Busy() {
		e.Raise(Refused)
		return
	}
	e.forget()
	e.jobs++
	e.began = e.clock.Now()
	e.job = &Job{parameters: *parameters}
	e.report("START", event.Begin)
	if r := e.model.Plan(e.job); r != OK {
		e.end(r)
		return
	}
	if e.job.leaks() {
		e.end(Identity)
		return
	}
	e.phase, e.buffer = lists, 0
	e.after(Latency)
}

// leaks reports whether protected input would become output in ordinary memory.
func (j *Job) leaks() bool {
	protected := false
	for i := range j.Buffers {
		b := &j.Buffers[i]
		if i < j.Inputs {
			protected = protected || b.Protected
		} else if protected && !b.Protected && !b.Public {
			return true
		}
	}
	return false
}

func (e *Engine) after(ns uint64) { e.timer.Set(e.clock.Now() + ns) }

// Expire is called by the timer: what was planned takes effect.
func (e *Engine) Expire(*vtime.Timer, uint64) {
	if e.job == nil {
		panic("BUG: the timer of an engine runs without a job")
	}
	switch e.phase {
	case lists:
		e.readList()
	case input, output:
		if e.move() {
			e.plan()
		}
	case compute:
		j := e.job
		if r := e.model.Run(j); r != OK {
			e.end(r)
			return
		}
		for i := range j.Buffers {
			if b := &j.Buffers[i]; i < j.Inputs {
				b.Data = nil
			} else if uint64(len(b.Data)) > b.Size() {
				panic("BUG: an engine makes more than its output holds")
			}
		}
		e.phase, e.buffer, e.cursor = output, j.Inputs, cursor{}
		e.plan()
	default:
		panic("BUG: the timer of an engine runs without a phase")
	}
}

// readList resolves one buffer.
func (e *Engine) readList() {
	j := e.job
	if e.buffer == len(j.Buffers) {
		if overlap(j.Buffers, j.Inputs) {
			e.end(Overlap)
			return
		}
		e.phase, e.buffer = input, 0
		e.plan()
		return
	}
	b := &j.Buffers[e.buffer]
	entries, r := e.resolve(b)
	if r == OK {
		r = b.fit(e.buffer < j.Inputs)
	}
	if r != OK {
		e.end(r)
		return
	}
	e.buffer++
	e.after(EntryTime * uint64(entries))
}

// plan sets the timer for the next chunk, or for what comes after the last one.
func (e *Engine) plan() {
	j := e.job
	limit := j.Inputs
	if e.phase == output {
		limit = len(j.Buffers)
	}
	for ; e.buffer < limit; e.buffer, e.cursor = e.buffer+1, (cursor{}) {
		b := &j.Buffers[e.buffer]
		size := b.Size()
		if e.phase == output {
			size = uint64(len(b.Data))
		}
		if left := size - e.cursor.done; left > 0 {
			e.planned = uint32(min(left, Chunk))
			e.after((uint64(e.planned)*1000 + Bandwidth - 1) / Bandwidth)
			return
		}
	}
	if e.phase == input {
		e.phase = compute
		e.after(j.Cost)
		return
	}
	e.end(OK)
}

// move moves the planned bytes. It reports whether the job goes on.
func (e *Engine) move() bool {
	b := &e.job.Buffers[e.buffer]
	write, port, info := e.phase == output, e.ports.Ordinary, uint32(0)
	if write {
		info |= FaultWrite
	}
	if b.Protected {
		port = e.ports.Protected
		info |= FaultProtected
	}
	for e.planned > 0 {
		addr, n := b.next(&e.cursor)
		n = min(n, uint64(e.planned), bus.PageSize-addr%bus.PageSize)
		done := e.cursor.done
		resp := bus.DECERR
		switch {
		case !port.IsRAM(addr):
		case write:
			resp = port.Write(addr, b.Data[done:done+n])
		default:
			b.grow(n)
			resp = port.Read(addr, b.Data[done:])
		}
		if resp != bus.OKAY {
			e.recordFault(addr, info, resp)
			e.end(Fault)
			return false
		}
		if write {
			e.written += uint32(n)
		} else {
			e.read += uint32(n)
		}
		e.cursor.done += n
		e.planned -= uint32(n)
	}
	return true
}

// recordFault notes an access that failed; info is bits of FaultInfo that describe it.
func (e *Engine) recordFault(addr uint64, info uint32, resp bus.Response) {
	e.fault = addr
	e.faultInfo = FaultValid | info | uint32(e.buffer)<<FaultBufferShift
	axi := uint32(2) // SLVERR (IHI 0022, A3.4.4)
	if resp == bus.DECERR {
		axi = 3
	}
	e.faultInfo |= axi << FaultResponseShift
}

// end is the end of the job.
func (e *Engine) end(r Result) {
	j := e.job
	e.elapsed = uint32(min(e.clock.Now()-e.began, math.MaxUint32))
	e.last = r
	e.stop()
	bytes := []event.Field{event.Dec("read", uint64(e.read)), event.Dec("written", uint64(e.written))}
	switch r {
	case OK:
		e.results = j.Results
		e.raw |= Done
		e.report("DONE", event.End, bytes...)
	case WasAborted:
		e.raw |= Aborted
		e.report("ABORT", event.End, bytes...)
	default:
		e.raw |= Error
		var f []event.Field
		if e.faultInfo != 0 {
			access := "read"
			switch {
			case e.faultInfo&FaultWrite != 0:
				access = "write"
			case e.faultInfo&FaultList != 0:
				access = "list"
			}
			resp := bus.SLVERR
			if e.faultInfo>>FaultResponseShift&3 == 3 {
				resp = bus.DECERR
			}
			port := e.ports.Ordinary
			if e.faultInfo&FaultProtected != 0 {
				port = e.ports.Protected
			}
			f = []event.Field{event.Hex("addr", e.fault), event.Str("access", access), event.Dec("as", uint64(port.Attr().NSAID)),
				event.Str("response", resp.String())}
		}
		e.report("ERROR", event.End, append(append(f, event.Str("result", r.String())), bytes...)...)
	}
	e.interrupt()
	if m, ok := e.model.(Ender); ok {
		m.End(j, r)
	}
}

func (e *Engine) report(name string, p event.Phase, fields ...event.Field) {
	if !e.events.On(event.DMA) {
		return
	}
	e.events.Emit(&event.Event{Time: e.clock.Now(), Category: event.DMA, Phase: p, Source: e.name, Name: name,
		Fields: append([]event.Field{event.Dec("job", uint64(e.jobs)), event.Dec("nsaid", uint64(e.ports.Protected.Attr().NSAID))}, fields...)})
}
