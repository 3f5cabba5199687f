package pl011

import (
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/devices/internal/qtest"
	"gatehouse/platform/bus"
)

// qemuUART is UART 0 of QEMU's virt machine.
const qemuUART = 0x0900_0000

// TestAgainstQEMU makes the same accesses here and there. It stays within what is meant to be the same: the bits that exist, no
// loopback, which QEMU 7.2 does not have.
func TestAgainstQEMU(t *testing.T) {
	q := qtest.Start(t, "-M", "virt", "-serial", "null")
	u := New(nil)
	masks := map[uint64]uint32{DR: 0xFF, RSR: 0xFF, FR: 0xFFF, ILPR: 0xFF, IBRD: 0xFFFF, FBRD: 0x3F, LCRH: 0xFF,
		CR: controlMask &^ ControlLBE, IFLS: 0x3F, IMSC: intMask, RIS: intMask, MIS: intMask, ICR: intMask, DMACR: 7,
		0xFE0: 0xFF, 0xFF0: 0xFF}
	var offsets []uint64
	for off := uint64(0); off < 0x1000; off += 4 {
		if _, ok := masks[off]; ok || off >= 0xFE0 {
			offsets = append(offsets, off)
		}
	}
	compare := func() {
		t.Helper()
		for _, off := range offsets {
			want := q.Read(qemuUART+off, 4)
			if got, r := u.Read(off, 4, bus.Attr{}); got != want || r != bus.OKAY {
				t.Fatalf("register %#x = %#x (%v), QEMU %#x", off, got, r, want)
			}
		}
	}
	compare()
	r := rand.New(rand.NewPCG(11, 183))
	for range 150 {
		off := offsets[r.IntN(len(offsets))]
		v := uint64(r.Uint32() & masks[off])
		q.Write(qemuUART+off, 4, v)
		u.Write(off, 4, v, bus.Attr{})
		compare()
	}
}

// TestReceiveAgainstQEMU compares flags, data and the receive interrupt while characters arrive and are read. The timeout
// interrupt is left out: QEMU does not have it.
func TestReceiveAgainstQEMU(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serial")
	q := qtest.Start(t, "-M", "virt", "-serial", "unix:"+path+",server=on,wait=off")
	q.Read(qemuUART+FR, 4) // once QEMU answers it listens
	serial, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer serial.Close()
	u := New(nil)
	compare := func() {
		t.Helper()
		for _, off := range []uint64{FR, RIS, RSR} {
			want := q.Read(qemuUART+off, 4)
			got, _ := u.Read(off, 4, bus.Attr{})
			if off == RIS {
				got &^= IntRT
			}
			if got != want {
				t.Fatalf("register %#x = %#x, QEMU %#x", off, got, want)
			}
		}
	}
	write := func(off, v uint64) {
		q.Write(qemuUART+off, 4, v)
		u.Write(off, 4, v, bus.Attr{})
	}
	// arrive waits until QEMU has taken the character, which its flags show where the FIFO was empty or becomes full.
	arrive := func(c byte, flag uint64, level bool) {
		t.Helper()
		if _, err := serial.Write([]byte{c}); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(10 * time.Second)
		for (q.Read(qemuUART+FR, 4)&flag != 0) != level {
			if time.Now().After(deadline) {
				t.Fatal("the character does not arrive at QEMU")
			}
		}
		if n := u.Receive([]byte{c}); n != 1 {
			t.Fatal("not taken")
		}
		compare()
	}
	read := func() {
		t.Helper()
		want := q.Read(qemuUART+DR, 4)
		if got, _ := u.Read(DR, 4, bus.Attr{}); got != want {
			t.Fatalf("DR = %#x, QEMU %#x", got, want)
		}
		compare()
	}
	compare()
	write(IMSC, IntRX)
	arrive('a', FlagRXFF, true)
	read()
	arrive('b', FlagRXFF, true)
	read()
	write(LCRH, LineFEN|3<<5) // with an empty FIFO: QEMU 7.2 leaves the flags of characters that it drops
	compare()
	arrive('c', FlagRXFE, false)
	read()
	arrive('d', FlagRXFE, false)
	write(ICR, IntRX)
	compare()
	read()
}
