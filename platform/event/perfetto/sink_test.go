package perfetto

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"gatehouse/platform/event"
)

// bench is a stream with a trace of it.
type bench struct {
	event.Stream
	out  bytes.Buffer
	sink *Sink
	now  uint64
}

func newBench() *bench {
	b := &bench{}
	b.sink = New(&b.out)
	b.Attach(event.All, b.sink)
	return b
}

func (b *bench) close(t testing.TB) []byte {
	t.Helper()
	if err := b.sink.Close(); err != nil {
		t.Fatal(err)
	}
	return b.out.Bytes()
}

func (b *bench) open(c event.Category, secure bool, source, name string) {
	b.Open(&event.Event{Time: b.now, Category: c, Secure: secure, Source: source, Name: name})
}

func (b *bench) end(c event.Category, secure bool, source, name string, fields ...event.Field) {
	b.Emit(&event.Event{Time: b.now, Category: c, Phase: event.End, Secure: secure, Source: source, Name: name, Fields: fields})
}

func (b *bench) instant(c event.Category, secure bool, source, name string, fields ...event.Field) {
	b.Emit(&event.Event{Time: b.now, Category: c, Secure: secure, Source: source, Name: name, Fields: fields})
}

func (b *bench) job(lane uint8, p event.Phase, name string, fields ...event.Field) {
	b.Emit(&event.Event{Time: b.now, Category: event.DMA, Phase: p, Lane: lane, Source: "pl080", Name: name, Fields: fields})
}

// A call as the Go secure world answers it: what happens within it follows from it, and it is drawn for a while.
func TestCall(t *testing.T) {
	b := newBench()
	b.now = 1000
	b.open(event.FFA, false, "cpu0", "FFA_MEM_LEND")
	b.instant(event.TZC, true, "tzc400", "REGION_BASE_LOW", event.Hex("value", 0x4040_0000), event.Dec("region", 1))
	b.open(event.OPTEE, true, "optee", "OPTEE_MSG_X")
	b.open(event.OPTEE, true, "optee", "OPTEE_MSG_Y")
	b.end(event.OPTEE, true, "optee", "OPTEE_MSG_Y")
	b.end(event.OPTEE, true, "optee", "OPTEE_MSG_X", event.Str("ret", "SUCCESS"))
	b.end(event.FFA, false, "cpu0", "FFA_MEM_LEND", event.Dec("total", 112), event.Str("ret", "FFA_SUCCESS"), event.Str("ret", "again"))
	b.instant(event.TZC, true, "tzc400", "DENIED")
	b.now = 9000
	b.instant(event.Int, false, "cpu0", "IRQ")
	compare(t, b.close(t),
		`1000 +500 normal world/cpu0 ffa FFA_MEM_LEND 0 ret.2="again" ret="FFA_SUCCESS" total=112 virtual_ns=0 flows=[1]`,
		`1000 instant secure world/tzc400 tzc REGION_BASE_LOW 0 region=1 value=0x40400000 flows=[1]`,
		`1000 +500 secure world/optee optee OPTEE_MSG_X 0 ret="SUCCESS" virtual_ns=0 flows=[1]`,
		`1000 +500 secure world/optee optee OPTEE_MSG_Y 1 virtual_ns=0 flows=[1]`,
		`1000 instant secure world/tzc400 tzc DENIED 0`,
		`9000 instant normal world/cpu0 int IRQ 0`)
}

// What is drawn longer than it lasts ends where the next event of its track is, and so does what is within it.
func TestShown(t *testing.T) {
	b := newBench()
	b.open(event.SMC, false, "cpu0", "A")
	b.end(event.SMC, false, "cpu0", "A")
	b.now = 499
	b.instant(event.Int, false, "cpu1", "elsewhere")
	b.instant(event.Int, false, "cpu0", "IRQ")
	b.open(event.SMC, false, "cpu0", "B")
	b.end(event.SMC, false, "cpu0", "B")
	b.open(event.SMC, false, "cpu0", "C")
	b.end(event.SMC, false, "cpu0", "C")
	b.now = 600
	b.open(event.SMC, false, "cpu0", "D")
	b.open(event.SMC, false, "cpu0", "E")
	b.end(event.SMC, false, "cpu0", "E")
	b.now = 700
	b.end(event.SMC, false, "cpu0", "D")
	b.open(event.SMC, false, "cpu1", "F")
	b.end(event.SMC, false, "cpu1", "F")
	b.now = 1300
	b.instant(event.Int, false, "cpu0", "late")
	compare(t, b.close(t),
		`0 +499 normal world/cpu0 smc A 0 virtual_ns=0 flows=[1]`,
		`499 instant normal world/cpu1 int elsewhere 0`,
		`499 instant normal world/cpu0 int IRQ 0`,
		`499 +0 normal world/cpu0 smc B 0 virtual_ns=0 flows=[2]`,
		`499 +101 normal world/cpu0 smc C 0 virtual_ns=0 flows=[3]`,
		`600 +100 normal world/cpu0 smc D 0 flows=[4]`,
		`600 +100 normal world/cpu0 smc E 1 virtual_ns=0`,
		`700 +500 normal world/cpu1 smc F 0 virtual_ns=0 flows=[5]`,
		`1300 instant normal world/cpu0 int late 0`)
}

// The last slices of a trace, and those that never end.
func TestUnfinished(t *testing.T) {
	b := newBench()
	b.job(0, event.Begin, "START")
	b.now = 50
	b.open(event.SMC, false, "cpu0", "PSCI_SYSTEM_OFF")
	b.end(event.SMC, false, "cpu0", "PSCI_SYSTEM_OFF")
	compare(t, b.close(t),
		`0 +550 normal world/pl080 dma job 0 unfinished=true`,
		`50 +500 normal world/cpu0 smc PSCI_SYSTEM_OFF 0 virtual_ns=0 flows=[1]`)
}

// Jobs of several channels overlap; each channel has a track.
func TestJobs(t *testing.T) {
	b := newBench()
	b.job(0, event.Begin, "START", event.Dec("channel", 0), event.Hex("src", 0x4000_0000))
	b.now = 10
	b.job(1, event.Begin, "START", event.Dec("channel", 1))
	b.now = 20
	b.job(0, event.Instant, "ITEM")
	b.now = 30
	b.job(0, event.End, "DONE", event.Dec("channel", 0), event.Dec("bytes", 4096))
	b.now = 40
	b.job(1, event.End, "ERROR")
	// A job of no time at all.
	b.job(1, event.Begin, "START")
	b.job(1, event.End, "STOP")
	// An end without a begin is a moment.
	b.job(0, event.End, "STOP")
	compare(t, b.close(t),
		`0 +30 normal world/pl080 dma job 0 bytes=4096 channel=0 end="DONE" src=0x40000000`,
		`10 +30 normal world/pl080/1 dma job 0 channel=1 end="ERROR"`,
		`20 instant normal world/pl080 dma ITEM 1`,
		`40 +500 normal world/pl080/1 dma job 0 end="STOP" virtual_ns=0`,
		`40 instant normal world/pl080 dma STOP 0`)
}

// A processor has a track in each world.
func TestWorlds(t *testing.T) {
	b := newBench()
	b.instant(event.Int, true, "cpu0", "SMC")
	b.now = 10
	b.instant(event.Int, false, "cpu0", "IRQ")
	compare(t, b.close(t),
		`0 instant secure world/cpu0 int SMC 0`,
		`10 instant normal world/cpu0 int IRQ 0`)
}

// After a restart time counts from 0 again, and the trace goes on. What was going on is over.
func TestRestart(t *testing.T) {
	b := newBench()
	b.now = 100
	b.job(2, event.Begin, "START")
	b.now = 1000
	b.open(event.SMC, false, "cpu0", "PSCI_SYSTEM_RESET")
	b.end(event.SMC, false, "cpu0", "PSCI_SYSTEM_RESET")
	b.Emit(&event.Event{Time: b.now, Category: event.Int, Phase: event.Restart, Source: "machine", Name: "RESET"})
	b.now = 0
	b.instant(event.TZC, true, "tzc400", "GATE_KEEPER")
	b.now = 70
	b.job(2, event.Begin, "START")
	b.now = 80
	b.job(2, event.End, "DONE")
	compare(t, b.close(t),
		`100 +900 normal world/pl080/2 dma job 0 unfinished=true`,
		`1000 +0 normal world/cpu0 smc PSCI_SYSTEM_RESET 0 virtual_ns=0 flows=[1]`,
		`1000 instant normal world/machine int RESET 0`,
		`1000 instant secure world/tzc400 tzc GATE_KEEPER 0`,
		`1070 +10 normal world/pl080/2 dma job 0 end="DONE"`)
}

func TestEmpty(t *testing.T) {
	if b := newBench().close(t); len(b) != 0 {
		t.Errorf("a trace of nothing has %d bytes", len(b))
	}
}

// failing takes n bytes.
type failing struct{ n int }

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.n {
		n := f.n
		f.n = 0
		return n, errFull
	}
	f.n -= len(p)
	return len(p), nil
}

func TestWriteError(t *testing.T) {
	for _, room := range []int{0, 1, 100_000} {
		s := New(&failing{room})
		for i := range uint64(10_000) {
			s.Emit(&event.Event{Time: i, Category: event.SMC, Source: "cpu0", Name: "X"})
		}
		if err := s.Close(); !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
}

// program turns bytes into events: sources, worlds, lanes, phases and times in any order.
func program(s *event.Stream, p []byte) (begins, ends, instants int) {
	now := uint64(0)
	phases := [...]event.Phase{event.Instant, event.Begin, event.End, event.End, event.Begin, event.Restart, event.Instant, event.End}
	for len(p) >= 4 {
		op, arg, n := p[0], p[1], int(p[2]&31)
		now += uint64(p[3]) * uint64(p[3])
		p = p[4:]
		n = min(n, len(p))
		text := string(p[:n])
		p = p[n:]
		e := event.Event{Time: now, Category: 1 << (arg % 9), Phase: phases[op&7], Secure: op&8 != 0, Lane: op >> 4 & 3,
			Source: []string{"cpu0", "cpu1", "pl080", text}[op>>6], Name: text}
		switch arg >> 5 {
		case 0:
			e.Fields = []event.Field{event.Str(text, text), event.Str(text, text), event.Dec("n", uint64(arg)), event.Hex("x", uint64(arg))}
		case 1:
			e.Time = uint64(arg) << 56
		}
		switch e.Phase {
		case event.Begin:
			begins++
			if op&32 != 0 {
				s.Open(&e)
				continue
			}
		case event.End:
			ends++
		case event.Restart:
			now = 0
			instants++
		default:
			instants++
		}
		s.Emit(&e)
	}
	return begins, ends, instants
}

// Whatever happens in whatever order, the trace is one that readers take, it tells of everything, and it is the same each time.
func FuzzTrace(f *testing.F) {
	f.Add([]byte("\x01\x00\x04\x01call\x03\x00\x04\x00call\x05\x05\x00\x09"))
	f.Add([]byte("\x31\x07\x02\x10\xff\xfe\x21\x00\x01\x20\n\x23\x00\x03\xffa\x00b\x0b\x02\x00\x00\x02\x20\x00\x01"))
	f.Fuzz(func(t *testing.T, p []byte) {
		b := newBench()
		begins, ends, instants := program(&b.Stream, p)
		trace := b.close(t)
		again := newBench()
		program(&again.Stream, p)
		if !bytes.Equal(trace, again.close(t)) {
			t.Error("the same events give another trace")
		}
		var got struct{ begins, instants int }
		for _, s := range read(t, trace) {
			if s.Dur < 0 {
				got.instants++
			} else {
				got.begins++
			}
		}
		// An end that ends nothing is an instant.
		if lone := got.instants - instants; got.begins != begins || lone < 0 || lone > ends {
			t.Errorf("%d slices and %d instants of %d begins, %d ends and %d instants", got.begins, got.instants, begins, ends, instants)
		}
	})
}

func BenchmarkEmit(b *testing.B) {
	s := New(io.Discard)
	e := event.Event{Category: event.TZC, Secure: true, Source: "tzc400", Name: "DENIED", Fields: []event.Field{
		event.Hex("addr", 0x4040_0000), event.Str("access", "read"), event.Dec("nsaid", 9), event.Dec("region", 1)}}
	b.ReportAllocs()
	for b.Loop() {
		e.Time++
		s.Emit(&e)
	}
}
