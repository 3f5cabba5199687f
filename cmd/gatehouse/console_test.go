package main

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// writes records what arrives with each call.
type writes struct {
	mu   sync.Mutex
	all  []string // guarded by mu
	came chan struct{}
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	select {
	case w.came <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (w *writes) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.all...)
}

// The first byte goes out before anything else happens, a line with its end, the rest soon.
func TestOutput(t *testing.T) {
	w := &writes{came: make(chan struct{}, 1)}
	o := newOutput(w, true)
	send := func(s string) {
		for i := range len(s) {
			if n, err := o.Write([]byte{s[i]}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
	}
	send("a")
	if got := w.list(); len(got) != 1 || got[0] != "a" {
		t.Fatalf("the first byte is not out: %q", got)
	}
	send("bc\nde")
	got := w.list()
	if strings.Join(got, "") == "a" || !strings.HasPrefix(strings.Join(got, ""), "abc\n") {
		t.Errorf("the line is not out: %q", got)
	}
	deadline := time.After(10 * time.Second)
	for strings.Join(w.list(), "") != "abc\nde" {
		select {
		case <-w.came:
		case <-deadline:
			t.Fatalf("the rest never came: %q", w.list())
		}
	}
	before := len(w.list())
	send(strings.Repeat("x", 5*outputBuffer))
	o.Flush()
	after := w.list()
	if n := len(after) - before; n < 5 || n > 5000 {
		t.Errorf("%d writes for %d bytes", n, 5*outputBuffer)
	}
	if all := strings.Join(after, ""); all != "abc\nde"+strings.Repeat("x", 5*outputBuffer) {
		t.Errorf("%d bytes", len(all))
	}
}

// Ctrl-A as in QEMU's multiplexed console.
func TestKeyboard(t *testing.T) {
	for _, tc := range []struct {
		in, want string // what is no text stands in brackets
	}{
		{"plain\r\x03\x04", "plain\r\x03\x04"},
		{"a\x01ab", "a\x01b"},
		{"a\x01\x01b", "a\x01b"},
		{"a\x01zb", "ab"},
		{"a\x01xb", "a<leave>b"},
		{"a\x01Xb", "a<leave>b"},
		{"\x01", ""},
		{"\x01\x01x", "\x01x"},
		{"\x01cinfo\x01Cx", "<toggle>info<toggle>x"},
		{"\x01b\x01B", "<break><break>"},
		{"\x01h\x01?\x01H", "<help><help><help>"},
	} {
		var k keyboard
		got := ""
		for _, c := range []byte(tc.in) {
			what, c := k.press(c)
			if what == text {
				got += string(rune(c))
				continue
			}
			got += map[meaning]string{nothing: "", leave: "<leave>", toggle: "<toggle>", sendBreak: "<break>", showHelp: "<help>"}[what]
		}
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

// sink is a guest that takes a byte now and then.
type sink struct {
	mu    sync.Mutex
	data  []byte // guarded by mu
	taken int    // guarded by mu
	most  int    // guarded by mu: the largest number of bytes that waited
}

func (s *sink) Input(_ int, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = append(s.data, p...)
	s.most = max(s.most, len(s.data)-s.taken)
}

func (s *sink) Break(int) {}

func (s *sink) Pending(int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = min(len(s.data), s.taken+200<<10) // each time it is asked it has gone on
	return len(s.data) - s.taken
}

// Input without end waits for the guest and does not fill the host's memory.
func TestFeed(t *testing.T) {
	var s sink
	text := bytes.Repeat([]byte("0123456789"), 100_000)
	feed(io.MultiReader(bytes.NewReader(text[:1000]), bytes.NewReader(text[1000:])), &s, 0)
	if !bytes.Equal(s.data, text) {
		t.Errorf("%d bytes of %d", len(s.data), len(text))
	}
	if s.most > inputAhead+8192 {
		t.Errorf("%d bytes waited", s.most)
	}
}

func TestRawTerminal(t *testing.T) {
	var b bytes.Buffer
	n, err := rawTerminal{&b}.Write([]byte("one\ntwo\r\n"))
	if n != 9 || err != nil || b.String() != "one\r\ntwo\r\r\n" {
		t.Errorf("%d %v %q", n, err, &b)
	}
}
