package modeltest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld"
)

// poke is what the normal world writes before a call.
type poke struct {
	addr uint64
	data []byte
}

// use is a place of a step that holds what an earlier step returned: the pair of registers from reg on, or size bytes at off of
// the poke, where poke is not negative.
type use struct {
	from      int // identity of the step
	reg       int
	poke, off int
	size      int // 4 or 8
}

// step is one call of one processor, or a reset.
type step struct {
	id    int
	cpu   int
	what  string // for reports and statistics
	pokes []poke
	regs  regs
	uses  []use
	reset bool
}

// failure is a difference between model and secure world.
type failure struct {
	step  int // identity
	class string
	text  string
}

func (f *failure) String() string { return fmt.Sprintf("step %d: %s: %s", f.step, f.class, f.text) }

// faults are planted between the model and the secure world.
type faults struct {
	filter func(*machine, bus.Filter) bus.Filter
	smc    func(x *machine, s *step, r *regs) // replaces the call
	reset  func(x *machine)                   // replaces the firmware's reset
}

// machine is a secure world on its board, with the model beside it.
type machine struct {
	cfg     *secureworld.Config
	seed    uint64
	board   *board
	world   *secureworld.World
	ports   [16]*bus.Port // one for each NSAID
	secure  *bus.Port
	filter  bus.Filter
	faults  faults
	model   *model
	results map[int]uint64 // of steps, by identity
	pattern []byte         // contents of memory after a reset
	shadow  []byte         // the model's memory
	tzc     []uint32       // registers of the controller after the last step
	out     regs           // of the last step

	calling bool     // a call is under way, of which moments are looked at
	closing []extent // that it gives back to the normal world
	moment  string   // what was wrong meanwhile

	events   map[string]int // what happened, for statistics
	refusals int
}

// newMachine makes a machine after its first reset.
func newMachine(cfg *secureworld.Config, seed uint64, f faults) (*machine, error) {
	x := &machine{cfg: cfg, seed: seed, faults: f, results: map[int]uint64{}, events: map[string]int{}}
	var err error
	x.board, err = newBoard(cfg.TZASC.Enabled, func(inner bus.Filter) bus.Filter {
		if f.filter != nil {
			inner = f.filter(x, inner)
		}
		x.filter = inner
		return watchedMemory{inner, x}
	}, func(inner bus.Device) bus.Device { return watchedRegisters{inner, x} })
	if err != nil {
		return nil, err
	}
	for i := range x.ports {
		x.ports[i] = x.board.Port(bus.Attr{NSAID: uint8(i), Privileged: i == bus.NSAIDAP})
	}
	x.secure = x.board.Port(bus.Attr{Secure: true, Privileged: true})
	x.pattern, x.shadow = make([]byte, ramSize), make([]byte, ramSize)
	v := uint64(0x9E37_79B9_7F4A_7C15)
	for i := 0; i < ramSize; i += 8 {
		v = v*6364136223846793005 + 1442695040888963407
		le.PutUint64(x.pattern[i:], v|1)
	}
	x.world = secureworld.New(*cfg)
	return x, x.reset(true)
}

func (x *machine) close() { x.board.ram.Close() }

// reset is a cold reset. Memory gets contents that are not zero, so that scrubbing shows.
func (x *machine) reset(first bool) error {
	if x.faults.reset != nil && !first {
		x.faults.reset(x)
	} else {
		x.board.power()
		if err := x.world.Reset(x.board); err != nil {
			return err
		}
	}
	if r := x.secure.Write(ramBase, x.pattern); r != bus.OKAY {
		return fmt.Errorf("memory after reset: %v", r)
	}
	copy(x.shadow, x.pattern)
	x.model = newModel(x.cfg, numCPUs, ramBase, x.shadow, func(a uint64, p []byte) { x.secure.Read(a, p) })
	x.tzc = x.registers()
	clear(x.results)
	return nil
}

// registers reads what decides in the controller.
func (x *machine) registers() []uint32 {
	out := make([]uint32, 0, 64)
	load := func(off uint64) {
		v, _ := x.secure.Load(tzcBase+off, 4)
		out = append(out, uint32(v))
	}
	for off := uint64(0x004); off <= 0x00C; off += 4 {
		load(off)
	}
	for region := range uint64(9) {
		for off := uint64(0); off < 0x18; off += 4 {
			load(0x100 + region*0x20 + off)
		}
	}
	return out
}

// nobody is in the place of what a step returned that was left out or is refused now: no handle, session or ticket is like it.
const nobody = 0x7EAD_0000_DEAD_FFFF

// resolve gives the registers and pokes of a step with the results of earlier steps in their places.
func (x *machine) resolve(s *step) (r regs, pokes []poke) {
	r, pokes = s.regs, slices.Clone(s.pokes)
	for _, u := range s.uses {
		v, ok := x.results[u.from]
		if !ok {
			v = nobody
		}
		switch {
		case u.poke < 0 && u.size == 4:
			r[u.reg] = v & 0xFFFF_FFFF
		case u.poke < 0:
			r[u.reg], r[u.reg+1] = v&0xFFFF_FFFF, v>>32
		default:
			p := slices.Clone(pokes[u.poke].data)
			for k := range u.size {
				p[u.off+k] = byte(v >> (8 * k))
			}
			pokes[u.poke].data = p
		}
	}
	return r, pokes
}

// do makes one step on both sides and compares them.
func (x *machine) do(s *step) (out *failure) {
	defer func() {
		x.calling = false
		if p := recover(); p != nil {
			out = &failure{s.id, "panic", fmt.Sprint(p)}
		}
	}()
	fail := func(class, format string, args ...any) *failure {
		return &failure{s.id, class, fmt.Sprintf(format, args...)}
	}
	in, pokes := x.resolve(s)
	for _, p := range pokes {
		if wrong := x.poke(p); wrong != "" {
			return fail("access", "%s", wrong)
		}
	}
	if s.reset {
		return x.doReset(s)
	}
	m := x.model
	a := m.predict(&in)
	r := in
	if a.skip {
		x.events["skipped"]++
		x.out = r
		return x.check(s)
	}
	x.calling, x.closing, x.moment = s.id%momentSteps == 0 || a.closing != nil, a.closing, ""
	if x.faults.smc != nil {
		x.faults.smc(x, s, &r)
	} else {
		x.world.SMC(firmware.Call{CPU: s.cpu, EL: 1}, &r)
	}
	x.out, x.calling = r, false
	if x.moment != "" {
		return fail("moment", "%s", x.moment)
	}
	accepted, wrong := a.compare(&in, &r)
	if wrong != "" {
		return fail("reply", "%s", wrong)
	}
	if m.result != 0 && accepted {
		x.results[s.id] = m.result
	}
	if !accepted {
		x.refusals++
	}
	if m.event != "" {
		x.events[m.event]++
	}
	now := x.registers()
	if !m.protected && x.cfg.TZASC.Enabled {
		if i := diff(now, x.tzc); i >= 0 {
			return fail("controller", "register %d of the controller changes from %#x to %#x", i, x.tzc[i], now[i])
		}
	}
	x.tzc = now
	return x.check(s)
}

func diff(a, b []uint32) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// doReset is PSCI SYSTEM_RESET: the call, and what the board does then.
func (x *machine) doReset(s *step) *failure {
	r := s.regs
	x.world.SMC(firmware.Call{CPU: s.cpu, EL: 1}, &r)
	if !x.board.reboot {
		return &failure{s.id, "reply", "SYSTEM_RESET does not reset"}
	}
	if err := x.reset(false); err != nil {
		return &failure{s.id, "reset", err.Error()}
	}
	x.events["reset"]++
	return x.everything(s.id)
}

// denied is the response to an access without permission.
func (x *machine) denied() bus.Response {
	if x.cfg.TZASC.Action&1 != 0 {
		return bus.DECERR
	}
	return bus.OKAY
}

// poke writes as a processor of the normal world.
func (x *machine) poke(p poke) string {
	for addr, b := p.addr, p.data; len(b) > 0; {
		n := min(uint64(len(b)), pageSize-addr%pageSize)
		if x.model.inRAM(span{addr, n}) {
			want := bus.OKAY
			if x.model.may(addr, bus.NSAIDAP, false, true) {
				page := x.model.at(addr)
				page.dirty = page.paused
				copy(x.model.bytes(span{addr, n}), b[:n])
			} else {
				want = x.denied()
			}
			if r := x.ports[bus.NSAIDAP].Write(addr, b[:n]); r != want {
				return fmt.Sprintf("a processor writes at %#x: %v, want %v", addr, r, want)
			}
		}
		addr, b = addr+n, b[n:]
	}
	return ""
}

// How many pages are looked at after a step.
const (
	sampleTouched = 16
	sampleNear    = 8
	sampleAny     = 8
	everyStep     = 200 // all pages
)

// check compares the access of all masters to pages, and their contents: those that the step is about, their neighbours, some
// others, and at times all.
func (x *machine) check(s *step) *failure {
	rng := rand.New(rand.NewPCG(x.seed, uint64(s.id)))
	m := x.model
	touched := m.touched
	if len(touched) > sampleTouched {
		rng.Shuffle(len(touched), func(i, j int) { touched[i], touched[j] = touched[j], touched[i] })
	}
	look := func(addr uint64) *failure {
		if !m.inRAM(span{addr, pageSize}) {
			return nil
		}
		if wrong := x.contents(addr); wrong != "" {
			return &failure{s.id, "contents", wrong}
		}
		if wrong := x.probe(addr, rng); wrong != "" {
			return &failure{s.id, "access", wrong}
		}
		return nil
	}
	for i, a := range touched[:min(len(touched), sampleTouched)] {
		if f := look(a); f != nil {
			return f
		}
		if i < sampleNear {
			if f := look(a + pageSize - uint64(i&1)*2*pageSize); f != nil {
				return f
			}
		}
	}
	for range sampleAny {
		if f := look(ramBase + uint64(rng.IntN(ramSize/pageSize))*pageSize); f != nil {
			return f
		}
	}
	if s.id%everyStep == everyStep-1 {
		return x.everything(s.id)
	}
	return nil
}

// probe makes every master read and write one word of a page over the bus.
func (x *machine) probe(addr uint64, rng *rand.Rand) string {
	m := x.model
	addr += uint64(rng.IntN(pageSize/8)) * 8
	word := m.bytes(span{addr, 8})
	value := le.Uint64(word)
	old := value
	for n, port := range x.ports {
		want, resp := value, bus.OKAY
		if !m.may(addr, n, false, false) {
			want, resp = 0, x.denied()
		}
		if v, r := port.Load(addr, 8); v != want || r != resp {
			return fmt.Sprintf("master %d reads %#x at %#x: %v, want %#x, %v", n, v, addr, r, want, resp)
		}
		next := value ^ uint64(n+1)*0x0101_0101_0101_0101
		resp = bus.OKAY
		if m.may(addr, n, false, true) {
			value = next
		} else {
			resp = x.denied()
		}
		if r := port.Store(addr, 8, next); r != resp {
			return fmt.Sprintf("master %d writes at %#x: %v, want %v", n, addr, r, resp)
		}
	}
	if v, r := x.secure.Load(addr, 8); v != value || r != bus.OKAY {
		return fmt.Sprintf("after writes of all masters %#x holds %#x: %v, want %#x", addr, v, r, value)
	}
	if value != old && (m.at(addr).paused || rng.IntN(4) != 0) {
		value = old
	}
	if r := x.secure.Store(addr, 8, value); r != bus.OKAY {
		return fmt.Sprintf("the secure world writes at %#x: %v", addr, r)
	}
	le.PutUint64(word, value)
	return ""
}

// contents compares one page.
func (x *machine) contents(addr uint64) string {
	var now [pageSize]byte
	x.secure.Read(addr, now[:])
	want := x.model.bytes(span{addr, pageSize})
	if bytes.Equal(now[:], want) {
		return ""
	}
	for i := range now {
		if now[i] != want[i] {
			return fmt.Sprintf("%#x holds %#x, want %#x", addr+uint64(i), now[i], want[i])
		}
	}
	return ""
}

// everything compares all pages.
func (x *machine) everything(id int) *failure {
	m := x.model
	for addr := uint64(ramBase); addr < ramBase+ramSize; addr += pageSize {
		if wrong := x.contents(addr); wrong != "" {
			return &failure{id, "contents", wrong}
		}
		if x.filter == nil {
			continue
		}
		for n := range 16 {
			for _, write := range []bool{false, true} {
				want := m.may(addr, n, false, write)
				if got := x.filter.Allows(addr, write, bus.Attr{NSAID: uint8(n)}); got != want {
					return &failure{id, "access", fmt.Sprintf("access of master %d to %#x (write %v) is %v, want %v", n, addr, write, got, want)}
				}
			}
		}
	}
	return nil
}

// momentSteps says of how many calls one has its moments looked at, beside all that give memory back.
const momentSteps = 4

// watchedMemory sees the secure world write.
type watchedMemory struct {
	bus.Filter
	x *machine
}

func (w watchedMemory) Check(addr uint64, write bool, a bus.Attr) bus.Verdict {
	if w.x.calling && a.Secure && write {
		w.x.scrubs(addr)
	}
	return w.Filter.Check(addr, write, a)
}

// watchedRegisters sees the controller reprogrammed.
type watchedRegisters struct {
	bus.Device
	x *machine
}

func (w watchedRegisters) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	resp := w.Device.Write(off, size, v, a)
	if w.x.calling {
		w.x.reprogrammed()
	}
	return resp
}

// scrubs looks at the moment at which the secure world zeroes memory that it gives back: no master may be able to write behind it.
func (x *machine) scrubs(addr uint64) {
	for _, e := range x.closing {
		if addr < e.base || addr >= e.end() {
			continue
		}
		for n := range x.ports {
			if x.filter.Allows(addr, true, bus.Attr{NSAID: uint8(n)}) {
				x.moment = fmt.Sprintf("master %d can write at %#x while it is scrubbed", n, addr)
			}
		}
	}
}

// reprogrammed looks at the moment after a register of the controller was written: what is protected before the call stays so, but
// for memory that is given back and is zero already.
func (x *machine) reprogrammed() {
	m := x.model
	for _, e := range m.extents() {
		for _, addr := range [...]uint64{e.base, e.end() - pageSize} {
			open := m.opened(x.filter, addr, e.who)
			if open < 0 || x.moment != "" {
				continue
			}
			var now [pageSize]byte
			back := slices.ContainsFunc(x.closing, func(c extent) bool { return c == e })
			if x.secure.Read(addr, now[:]); !back || now != ([pageSize]byte{}) {
				x.moment = fmt.Sprintf("master %d gets at %#x, which is protected", open, addr)
			}
		}
	}
}

// opened gives a master that gets at a page although it is not of who, or -1.
func (m *model) opened(f bus.Filter, addr uint64, who masters) int {
	for n := range 16 {
		a := bus.Attr{NSAID: uint8(n)}
		if who.read>>n&1 == 0 && f.Allows(addr, false, a) || who.write>>n&1 == 0 && f.Allows(addr, true, a) {
			return n
		}
	}
	return -1
}
