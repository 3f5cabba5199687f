package platform

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"gatehouse/platform/firmware"
	"gatehouse/platform/loader"
)

// silent is firmware that answers nothing.
type silent struct{}

func (silent) Reset(firmware.Host) error                  { return nil }
func (silent) SMC(_ firmware.Call, r *firmware.Registers) { r[0] = ^uint64(0) }

// semihosted is a machine whose processor stands before RAM that holds data at base.
func semihosted(t *testing.T, data []byte) (m *Machine, out *bytes.Buffer) {
	t.Helper()
	out = new(bytes.Buffer)
	cfg := Config{SecureWorld: SecureNone, Firmware: silent{}, Semihosting: true, RAM: 4 << 20}
	cfg.Serial[0] = out
	k, err := loader.Parse("data", append([]byte{0, 0, 0, 0x14}, data...), cfg.Range())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Kernel = k
	if m, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, out
}

const semihostBase = RAMBase + 0x80000 + 4

func (m *Machine) hlt(op, param uint64) uint64 {
	m.cpus[0].X[0], m.cpus[0].X[1] = op, param
	if !(*env)(m).Semihost(m.cpus[0]) {
		return 0xdead
	}
	return m.cpus[0].X[0]
}

func words(v ...uint64) (b []byte) {
	for _, w := range v {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// Operations and results after "Semihosting for AArch32 and AArch64", chapter 6.
func TestSemihost(t *testing.T) {
	const base = uint64(semihostBase)
	const text = base + 512
	block := func(v ...uint64) []byte {
		data := append(words(v...), make([]byte, 512-8*len(v))...)
		return append(data, ":tt\x00some text\x00"...)
	}
	for _, tc := range []struct {
		name  string
		op    uint64
		block []uint64
		want  uint64
		out   string
	}{
		{"open for reading", 1, []uint64{text, 0, 3}, 1, ""},
		{"open for writing", 1, []uint64{text, 4, 3}, 2, ""},
		{"open for appending", 1, []uint64{text, 8, 3}, 3, ""},
		{"open with a bad mode", 1, []uint64{text, 12, 3}, semihostFailed, ""},
		{"open a file", 1, []uint64{text + 4, 0, 9}, semihostFailed, ""},
		{"open without a name", 1, []uint64{0x4800_0000, 4, 3}, semihostFailed, ""},
		{"open part of a name", 1, []uint64{text, 4, 2}, semihostFailed, ""},
		{"close", 2, []uint64{2}, 0, ""},
		{"close nothing", 2, []uint64{7}, semihostFailed, ""},
		{"write", 5, []uint64{2, text + 4, 4}, 0, "some"},
		{"write to stderr", 5, []uint64{3, text + 9, 4}, 0, "text"},
		{"write to stdin", 5, []uint64{1, text + 4, 4}, 4, ""},
		{"write to nothing", 5, []uint64{9, text + 4, 4}, 4, ""},
		{"write from nowhere", 5, []uint64{2, 0xdead_0000_0000, 4}, 4, ""},
		{"write nothing", 5, []uint64{2, text, 0}, 0, ""},
		{"write beyond RAM", 5, []uint64{2, RAMBase + 4<<20 - 2, 10}, 8, "\x00\x00"},
		{"read", 6, []uint64{1, text, 10}, 10, ""},
		{"error of success", 8, []uint64{0}, 0, ""},
		{"error of failure", 8, []uint64{^uint64(0)}, 1, ""},
		{"tty", 9, []uint64{1}, 1, ""},
		{"tty of nothing", 9, []uint64{0}, semihostFailed, ""},
		{"clock", 0x10, nil, 0, ""},
		{"time", 0x11, nil, DefaultEpoch, ""},
		{"system", 0x12, []uint64{text, 3}, semihostFailed, ""},
		{"ticks in a second", 0x31, nil, 1e9, ""},
		{"unknown", 0x1234_0000_0000, nil, semihostFailed, ""}, // w0 is 0
	} {
		m, out := semihosted(t, block(tc.block...))
		if got := m.hlt(tc.op, base); got != tc.want || out.String() != tc.out || m.exit != nil {
			t.Errorf("%s: %#x, want %#x; wrote %q; exit %v", tc.name, got, tc.want, out, m.exit)
		}
	}

	m, out := semihosted(t, block())
	m.hlt(4, text+4)
	m.hlt(3, text+4)
	m.hlt(4, RAMBase+4<<20-3) // empty: RAM is zero there
	if out.String() != "some texts" {
		t.Errorf("strings: %q", out)
	}
	if m.hlt(0x18, 0x4800_0000) != semihostFailed || m.exit != nil {
		t.Errorf("an exit without its block: %v", m.exit)
	}
	m.cfg.Semihosting = false
	if m.hlt(0x11, 0) != 0xdead {
		t.Error("semihosting is off, and served")
	}
}

func TestSemihostExit(t *testing.T) {
	for _, tc := range []struct {
		op, reason, code uint64
		want             int
	}{
		{0x18, 0x20026, 5, 5}, {0x18, 0x20026, ^uint64(0), -1}, {0x20, 0x20026, 77, 77}, {0x18, 0x20023, 5, 1}, {0x20, 0, 0, 1},
	} {
		m, _ := semihosted(t, words(tc.reason, tc.code))
		m.hlt(tc.op, semihostBase)
		if got := m.Run(context.Background()); got.Reason != Exited || got.Code != tc.want || strings.Contains(got.Message, "\n") {
			t.Errorf("%#x(%#x, %#x): %+v", tc.op, tc.reason, tc.code, got)
		}
	}
}

// A string without end, or with an impossible size, is bounded.
func TestSemihostBounds(t *testing.T) {
	data := append(words(2, semihostBase, ^uint64(0)), bytes.Repeat([]byte("x"), semihostMax+5000)...)
	m, out := semihosted(t, data)
	if m.hlt(4, semihostBase+24); out.Len() != semihostMax {
		t.Errorf("%d bytes of a string", out.Len())
	}
	out.Reset()
	if left := m.hlt(5, semihostBase); left != ^uint64(0)-semihostMax || out.Len() != semihostMax {
		t.Errorf("%d bytes written, %#x left", out.Len(), left)
	}
}

// Whatever the registers hold, a call comes back.
func FuzzSemihost(f *testing.F) {
	f.Add(uint64(5), uint64(semihostBase), words(2, semihostBase, 10))
	f.Add(uint64(1), uint64(semihostBase+1), words(0, 0, 0, 0))
	f.Add(uint64(4), ^uint64(0)-3, []byte("abc"))
	f.Fuzz(func(t *testing.T, op, param uint64, data []byte) {
		if len(data) > 4096 {
			t.Skip()
		}
		m, out := semihosted(t, data)
		m.hlt(op, param)
		if out.Len() > semihostMax {
			t.Errorf("%d bytes", out.Len())
		}
	})
}
