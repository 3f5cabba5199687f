package pl061

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"

	"gatehouse/devices/internal/qtest"
	"gatehouse/platform/vtime"
)

// TestAgainstQEMU makes the same accesses here and there, and presses the power key here and there; as QEMU's time stands still, it
// stays down. The test is within what is meant to be the same: interrupts by level are cleared after each change, and pins are
// low when they turn from outputs to inputs.
func TestAgainstQEMU(t *testing.T) {
	const base = 0x0903_0000
	path := filepath.Join(t.TempDir(), "qmp")
	q := qtest.Start(t, "-M", "virt", "-qmp", "unix:"+path+",server=on,wait=off")
	q.Read(base, 4) // once QEMU answers it listens
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewScanner(conn)
	execute := func(command string) {
		t.Helper()
		fmt.Fprintf(conn, `{"execute":%q}`+"\n", command)
		for answers.Scan() {
			var a map[string]any
			if err := json.Unmarshal(answers.Bytes(), &a); err != nil {
				t.Fatal(err)
			}
			if _, ok := a["return"]; ok {
				return
			}
		}
		t.Fatalf("QMP ended: %v", answers.Err())
	}
	execute("qmp_capabilities")

	g := newGPIO(t)
	var clock vtime.Clock
	key := NewKey(g.PL061, 3, &clock)
	set := func(off uint64, v uint8) {
		q.Write(base+off, 4, uint64(v))
		g.set(off, v)
	}
	registers := []uint64{GPIODIR, GPIOIS, GPIOIBE, GPIOIEV, GPIOIE, GPIORIS, GPIOMIS, GPIOIC, GPIOAFSEL, 0x424, allPins, 0x154}
	for off := uint64(0xFD0); off < 0x1000; off += 4 {
		registers = append(registers, off)
	}
	compare := func() {
		t.Helper()
		for _, off := range registers {
			if got, want := uint64(g.get(off)), q.Read(base+off, 4); got != want {
				t.Fatalf("register %#x = %#x, QEMU %#x", off, got, want)
			}
		}
	}
	compare()
	r := rand.New(rand.NewPCG(61, 190))
	for i := range 200 {
		if i%100 == 50 {
			// The first time it is an edge.
			set(GPIOIS, 0)
			set(GPIOIC, 0xFF)
			key.Press()
			execute("system_powerdown")
			for q.Read(base+4*8, 4) == 0 { // the request is served by QEMU's main loop
			}
			compare()
		}
		v := uint8(r.Uint32())
		switch r.IntN(8) {
		case 0:
			set(allPins, 0)
			set(GPIODIR, v&^8) // the key's pin stays an input
		case 1:
			set(uint64(r.IntN(256))*4, v)
		default:
			set(GPIOIS+uint64(r.IntN(8))*4, v)
		}
		set(GPIOIC, 0xFF)
		compare()
	}
}
