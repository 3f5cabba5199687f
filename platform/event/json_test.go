package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// jsonKeys are the keys of every line, in their order, as docs/trace.md lists them.
var jsonKeys = []string{"time", "phase", "category", "world", "source", "lane", "name", "fields"}

// line is a line of JSON as a reader takes it.
type line struct {
	Time     uint64
	Phase    string
	Category string
	World    string
	Source   string
	Lane     uint8
	Name     string
	Fields   map[string]any
}

// parseLine reads a line with encoding/json, and checks that it has each key once, in order.
func parseLine(t *testing.T, b []byte) line {
	t.Helper()
	if n := len(b); n == 0 || b[n-1] != '\n' || bytes.IndexByte(b, '\n') != n-1 {
		t.Fatalf("not one line: %q", b)
	}
	if !utf8.Valid(b) {
		t.Fatalf("not UTF-8: %q", b)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	var keys []string
	for depth := 0; ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v: %q", err, b)
		}
		switch tok {
		case json.Delim('{'):
			depth++
		case json.Delim('}'):
			depth--
		default:
			if depth == 1 {
				keys = append(keys, tok.(string))
				if tok == "fields" {
					continue
				}
				if _, err := d.Token(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if !slices.Equal(keys, jsonKeys) {
		t.Fatalf("keys %q, want %q", keys, jsonKeys)
	}
	var l line
	d = json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&l); err != nil {
		t.Fatalf("%v: %q", err, b)
	}
	return l
}

func emitJSON(t *testing.T, e *Event) []byte {
	t.Helper()
	var b bytes.Buffer
	j := NewJSON(&b)
	j.Emit(e)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestJSON(t *testing.T) {
	e := Event{Time: 1<<64 - 1, Category: TZC, Phase: End, Secure: true, Lane: 7, Source: "tzc400", Name: "DENIED", Fields: []Field{
		Hex("addr", 0xFFFF_0000_1234_0000), Dec("count", 1<<64-1), Str("access", "read"), Str("access", `a "b" \c`), Field{"nsaid", 9, "9/ap"},
	}}
	l := parseLine(t, emitJSON(t, &e))
	if l.Time != e.Time || l.Phase != "end" || l.Category != "tzc" || l.World != "secure" || l.Source != "tzc400" || l.Lane != 7 || l.Name != "DENIED" {
		t.Errorf("%+v", l)
	}
	want := map[string]any{"addr": "0xffff000012340000", "count": json.Number("18446744073709551615"), "access": "read",
		"access.2": `a "b" \c`, "nsaid": "9/ap"}
	for k, v := range want {
		if l.Fields[k] != v {
			t.Errorf("%s: %#v, want %#v", k, l.Fields[k], v)
		}
	}
	if len(l.Fields) != len(want) {
		t.Errorf("fields %v", l.Fields)
	}
	if l := parseLine(t, emitJSON(t, &Event{Category: SMC, Source: "cpu0", Name: "X"})); l.Fields == nil || len(l.Fields) != 0 ||
		l.World != "normal" || l.Phase != "instant" {
		t.Errorf("without fields: %+v", l)
	}
}

// A call has a line for its begin and one for its end.
func TestJSONOpen(t *testing.T) {
	var b bytes.Buffer
	j := NewJSON(&b)
	var s Stream
	s.Attach(All, j)
	s.Open(&Event{Category: SMC, Source: "cpu0", Name: "CALL"})
	s.Emit(&Event{Category: TZC, Source: "tzc400", Name: "WRITE"})
	s.Emit(&Event{Category: SMC, Phase: End, Source: "cpu0", Name: "CALL"})
	if b.Len() != 0 {
		t.Error("lines are not collected")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for l := range bytes.Lines(b.Bytes()) {
		p := parseLine(t, l)
		got = append(got, p.Phase+" "+p.Name)
	}
	if s := strings.Join(got, "|"); s != "begin CALL|instant WRITE|end CALL" {
		t.Error(s)
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

func TestJSONWriteError(t *testing.T) {
	for _, room := range []int{0, 1, 100_000} {
		j := NewJSON(&failing{room})
		for range 10_000 {
			j.Emit(&Event{Category: SMC, Source: "cpu0", Name: "X"})
		}
		if err := j.Close(); !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
}

// What is written reads back with encoding/json, whatever the strings are, and values are those that went in.
func FuzzJSON(f *testing.F) {
	f.Add("cpu0", "FFA_VERSION", "version", "1.2", "ret", "a\nb", uint64(5), uint64(10))
	f.Add("", "", "", "", "", "", uint64(0), uint64(0))
	f.Add("\x00", "\xff\xfe", "k", "\u2028\x7f\"\\", "k", "0x10", uint64(16), uint64(1<<63))
	f.Add("a", "\xed\xa0\x80", "k.2", "10", "k", "\xf4\x90\x80\x80", uint64(10), uint64(1<<64-1))
	f.Fuzz(func(t *testing.T, source, name, k1, v1, k2, v2 string, num, time uint64) {
		e := Event{Time: time, Category: FFA, Phase: Phase(num & 3), Secure: num&4 != 0, Lane: uint8(num), Source: source, Name: name,
			Fields: []Field{{k1, num, v1}, {k2, num, v2}, {k1, num, v1}, Str(k2, v1), Hex(k1, num), Dec(k2, num)}}
		l := parseLine(t, emitJSON(t, &e))
		// A reader sees what is not UTF-8 as encoding/json would have written it.
		clean := func(s string) string {
			b, err := json.Marshal(s)
			if err != nil || json.Unmarshal(b, &s) != nil {
				t.Fatal(err)
			}
			return s
		}
		if l.Time != time || l.Source != clean(source) || l.Name != clean(name) || l.Lane != uint8(num) {
			t.Errorf("%+v", l)
		}
		seen := map[string]bool{}
		for key, f := range e.Values() {
			if seen[key] {
				t.Errorf("key %q twice", key)
			}
			seen[key] = true
			var want any = clean(f.Text)
			switch f.Kind() {
			case Decimal:
				want = json.Number(strconv.FormatUint(f.Num, 10))
			case Hexadecimal:
				want = "0x" + strconv.FormatUint(f.Num, 16)
			}
			if got := l.Fields[clean(key)]; utf8.ValidString(k1) && utf8.ValidString(k2) && got != want {
				t.Errorf("%q: %#v, want %#v", key, got, want)
			}
		}
		text := Event{Category: FFA, Source: "cpu0", Name: name, Fields: []Field{{"k", num, v1}, {"l", num, v2}}}
		if b := text.Append(nil); !utf8.Valid(b) || bytes.ContainsAny(b, "\n\r\x1b\x00\u2028") {
			t.Errorf("text line: %q", b)
		}
	})
}
