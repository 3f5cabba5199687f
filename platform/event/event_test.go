package event

import (
	"fmt"
	"strings"
	"testing"
)

func TestCategories(t *testing.T) {
	for _, c := range []struct {
		list string
		want Category
	}{
		{"smc", SMC}, {"tzc,int", TZC | Int}, {"int,tzc", TZC | Int}, {"all", All}, {"smc,all", All}, {"dma,dma", DMA},
		{"smc,ffa,optee,protmem,tzc,int,unimp,dma,guest,dmabuf", All},
	} {
		got, err := ParseCategories(c.list)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.list, got, err)
		}
		if again, err := ParseCategories(got.String()); err != nil || again != got {
			t.Errorf("%s: %v does not read back: %v, %v", c.list, got, again, err)
		}
	}
	for _, list := range []string{"", "smc,", ",smc", "SMC", "smc;ffa", " smc", "none"} {
		if got, err := ParseCategories(list); err == nil || !strings.Contains(err.Error(), "smc, ffa") {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		e    Event
		want string
	}{
		{Event{Category: SMC, Source: "cpu0", Name: "PSCI_VERSION"}, "[0.000000000] smc cpu0: PSCI_VERSION"},
		{Event{Time: 12_000_000_345, Category: TZC, Secure: true, Lane: 3, Phase: End, Source: "tzc400", Name: "DENIED",
			Fields: []Field{Hex("addr", 0x4000_0000), Dec("nsaid", 9), Str("access", "read"), Hex("zero", 0), Dec("none", 0)}},
			"[12.000000345] tzc tzc400: DENIED addr=0x40000000 nsaid=9 access=read zero=0x0 none=0"},
		// A value may have spaces, and no more.
		{Event{Category: DMA, Source: "pl080", Name: "ERROR", Fields: []Field{Str("cause", "reserved width")}},
			"[0.000000000] dma pl080: ERROR cause=reserved width"},
		{Event{Category: Guest, Source: "x", Name: "a\nb", Fields: []Field{Str("k", "v\n[0.0] smc cpu0: FORGED")}},
			`[0.000000000] guest x: "a\nb" k="v\n[0.0] smc cpu0: FORGED"`},
		{Event{Category: Guest, Source: "x", Name: "n", Fields: []Field{Str("k", "\xff"), Str("l", "\x1b[2J"), Str("m", "µs")}},
			`[0.000000000] guest x: n k="\xff" l="\x1b[2J" m=µs`},
	} {
		if got := string(c.e.Append(nil)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestKind(t *testing.T) {
	for _, c := range []struct {
		f    Field
		want Kind
	}{
		{Hex("a", 0), Hexadecimal}, {Hex("a", 1<<64-1), Hexadecimal}, {Field{"a", 255, "0xff"}, Hexadecimal},
		{Dec("a", 0), Decimal}, {Dec("a", 1<<64-1), Decimal}, {Field{"a", 10, "10"}, Decimal},
		{Str("a", "b"), Words}, {Field{"a", 255, "0xFF"}, Words}, {Field{"a", 255, "-1"}, Words}, {Field{"a", 10, "010"}, Words},
		{Field{"a", 9, "9/ap"}, Words}, {Field{"a", 10, "12"}, Words}, {Field{"a", 0, "12"}, Words},
	} {
		if got := c.f.Kind(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.f, got, c.want)
		}
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"", ""}, {"a", "a"}, {"a b c", "a b c"}, {"a a", "a a.2"}, {"a b a a b", "a b a.2 a.3 b.2"},
		// Numbered keys keep clear of those that are there.
		{"a a.2 a", "a a.2 a.3"}, {"a a a.2 a", "a a.3 a.2 a.4"}, {"a.2 a a a.2", "a.2 a a.3 a.2.2"},
	} {
		var e Event
		for i, k := range strings.Fields(c.keys) {
			e.Fields = append(e.Fields, Dec(k, uint64(i)))
		}
		var got []string
		i := uint64(0)
		for k, f := range e.Values() {
			if f.Num != i {
				t.Errorf("%s: value %d is at %d", c.keys, f.Num, i)
			}
			got = append(got, k)
			i++
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.keys, s, c.want)
		}
		for range e.Values() {
			break
		}
	}
}

// record notes what it is told.
type record struct{ got []string }

func (r *record) Emit(e *Event) { r.got = append(r.got, fmt.Sprint(e.Phase, " ", e.Name)) }

// openRecord wants calls from their begin on.
type openRecord struct{ record }

func (r *openRecord) Open(e *Event) { r.got = append(r.got, fmt.Sprint("open ", e.Phase, " ", e.Name)) }

func TestStream(t *testing.T) {
	var none *Stream
	none.Emit(&Event{Category: SMC})
	none.Open(&Event{Category: SMC})
	if none.On(All) || (&Stream{}).On(All) {
		t.Error("somebody listens to an empty stream")
	}
	var s Stream
	var plain record
	var opener, other openRecord
	s.Attach(SMC|DMA, &plain)
	s.Attach(SMC|DMA, &opener)
	s.Attach(TZC, &other)
	if !s.On(SMC) || !s.On(TZC|Int) || s.On(Int) {
		t.Error("On is wrong")
	}
	s.Open(&Event{Category: SMC, Name: "CALL"})
	s.Emit(&Event{Category: TZC, Name: "WRITE"})
	s.Emit(&Event{Category: Int, Name: "IRQ"})
	s.Emit(&Event{Category: SMC, Phase: End, Name: "CALL"})
	s.Emit(&Event{Category: DMA, Phase: Begin, Name: "START"})
	s.Emit(&Event{Category: DMA, Phase: Restart, Name: "RESET"})
	for _, c := range []struct {
		name string
		got  []string
		want string
	}{
		// A sink that knows nothing of calls that last sees each once.
		{"sink", plain.got, "end CALL|begin START|restart RESET"},
		{"opener", opener.got, "open begin CALL|end CALL|begin START|restart RESET"},
		{"other", other.got, "instant WRITE"},
	} {
		if got := strings.Join(c.got, "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestTextSink(t *testing.T) {
	var b strings.Builder
	s := NewText(&b)
	s.Emit(&Event{Category: SMC, Source: "cpu0", Name: "A"})
	s.Emit(&Event{Time: 1, Category: SMC, Source: "cpu1", Name: "B"})
	if want := "[0.000000000] smc cpu0: A\n[0.000000001] smc cpu1: B\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
