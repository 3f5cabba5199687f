package normalworld_test

import (
	"bytes"
	"errors"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/platform"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

const (
	ram      = platform.RAMBase
	carveout = ram + 64<<20
	pl080    = 0x0b10_0000
	pl080SPI = 32 + 129 // interrupts are numbered as the GIC does: SPIs from 32 on
)

// board is a machine with the Go secure world and one protected carve-out.
func board(t *testing.T) (*platform.Machine, *normalworld.Kernel) {
	t.Helper()
	cfg := secureworld.DefaultConfig()
	cfg.Carveout, cfg.CarveoutUse = memory.Range{Base: carveout, Size: 2 << 20}, 1
	m, err := platform.New(platform.Config{Firmware: secureworld.New(cfg), TZASC: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, normalworld.New(m, nil)
}

func TestMemory(t *testing.T) {
	_, k := board(t)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	const at = ram + 0x10_0ff1
	if err := k.Write(at, want); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if err := k.Read(at, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("Read: %v, same bytes %v", err, bytes.Equal(got, want))
	}
	if err := k.Zero(at+1, 8000); err != nil {
		t.Fatal(err)
	}
	clear(want[1:8001])
	if err := k.Read(at, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("Read after Zero: %v, same bytes %v", err, bytes.Equal(got, want))
	}
	if err := k.Store(at+7, 8, 0x1122334455667788); err != nil {
		t.Fatal(err)
	}
	if v, err := k.Load(at+7, 4); err != nil || v != 0x55667788 {
		t.Fatalf("Load: %#x, %v", v, err)
	}
}

// Memory that the firewall closes is an error that names the page, whichever way it is reached.
func TestDenied(t *testing.T) {
	_, k := board(t)
	p := bytes.Repeat([]byte{0xa5}, 8192)
	for name, access := range map[string]struct {
		err   error
		addr  uint64
		write bool
	}{
		"Read":   {k.Read(carveout-4096, p), carveout, false},
		"Write":  {k.Write(carveout-100, p[:200]), carveout, true},
		"Zero":   {k.Zero(carveout+12, 1), carveout + 12, true},
		"Store":  {k.Store(carveout+8, 8, 1), carveout + 8, true},
		"behind": {k.Read(carveout+2<<20-1, make([]byte, 2)), carveout + 2<<20 - 1, false},
	} {
		var e *normalworld.BusError
		if !errors.As(access.err, &e) || e.Addr != access.addr || e.Write != access.write || !errors.Is(access.err, normalworld.EFAULT) {
			t.Errorf("%s: %v, want a refusal at %#x", name, access.err, access.addr)
		}
	}
	if !bytes.Equal(p, make([]byte, len(p))) {
		t.Error("a Read that was refused left something in the buffer")
	}
	if _, err := k.Load(carveout, 8); !errors.Is(err, normalworld.EFAULT) {
		t.Errorf("Load: %v, want EFAULT", err)
	}
	if _, err := k.Load(0x0b00_0000, 4); !errors.Is(err, normalworld.EFAULT) {
		t.Errorf("the controller's registers: %v, want EFAULT", err)
	}
}

// A copy by the PL080 (DDI 0196) ends at its own time with its interrupt.
func TestInterrupt(t *testing.T) {
	_, k := board(t)
	src, dst := uint64(ram+0x20_0000), uint64(ram+0x30_0000)
	want := []byte("sixteen bytes...")
	if err := k.Write(src, want); err != nil {
		t.Fatal(err)
	}
	store := func(off, v uint64) {
		t.Helper()
		if err := k.Store(pl080+off, 4, v); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := k.Pending(pl080SPI); err != nil || p {
		t.Fatalf("before: pending %v, %v", p, err)
	}
	if err := k.WaitInterrupt(pl080SPI, 1000); err != normalworld.ETIMEDOUT {
		t.Fatalf("with nothing under way: %v, want ETIMEDOUT", err)
	}
	if err := k.WaitInterrupt(pl080SPI, normalworld.Forever); err != normalworld.EDEADLK {
		t.Fatalf("with nothing under way, for ever: %v, want EDEADLK", err)
	}
	before := k.Now()
	store(0x030, 1) // DMACConfiguration: enable
	store(0x100, src)
	store(0x104, dst)
	store(0x10c, 4|2<<18|2<<21|1<<26|1<<27|1<<31) // 4 words, both addresses increment, terminal count interrupt
	store(0x110, 1|1<<15)                         // channel enable, unmask terminal count
	if err := k.WaitInterrupt(pl080SPI, normalworld.Forever); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if err := k.Read(dst, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("copied %q, %v", got, err)
	}
	if k.Now() <= before {
		t.Error("the copy took no time")
	}
	store(0x008, 1) // DMACIntTCClear
	if p, err := k.Pending(pl080SPI); err != nil || p {
		t.Fatalf("after: pending %v, %v", p, err)
	}
}

// An edge stays pending until it is acknowledged.
func TestEdge(t *testing.T) {
	const spi = 40
	_, k := board(t)
	if err := k.SetEdge(spi, true); err != nil {
		t.Fatal(err)
	}
	if err := k.Store(0x0800_0200+spi/32*4, 4, 1<<(spi%32)); err != nil { // GICD_ISPENDR
		t.Fatal(err)
	}
	if p, err := k.Pending(spi); err != nil || !p {
		t.Fatalf("pending %v, %v", p, err)
	}
	if err := k.Acknowledge(spi); err != nil {
		t.Fatal(err)
	}
	if p, err := k.Pending(spi); err != nil || p {
		t.Fatalf("acknowledged: pending %v, %v", p, err)
	}
	for _, bad := range []uint32{1020, 1 << 31} {
		if _, err := k.Pending(bad); err != normalworld.EINVAL {
			t.Errorf("Pending(%d): %v, want EINVAL", bad, err)
		}
	}
}

func TestElapse(t *testing.T) {
	_, k := board(t)
	k.Elapse(1_000_000)
	if k.Now() != 1_000_000 {
		t.Errorf("Now is %d after 1 ms", k.Now())
	}
	if k.Sleep(500) || k.Now() != 1_000_500 {
		t.Errorf("Sleep with no timer set: now %d, want 1000500 and nothing due", k.Now())
	}
}

// refusing is a conduit that answers NOT_SUPPORTED.
type refusing struct{}

func (refusing) SMC(r *firmware.Registers) { r[0] = 1<<64 - 1 }

func TestConduit(t *testing.T) {
	_, k := board(t)
	r := firmware.Registers{0x8400_0000} // PSCI_VERSION
	k.SMC(&r)
	if r[0] < 1<<16 || r[0] > 2<<16 {
		t.Errorf("PSCI_VERSION: %#x", r[0])
	}
	k.Conduit = refusing{}
	r = firmware.Registers{0x8400_0000}
	k.SMC(&r)
	if r[0] != 1<<64-1 {
		t.Errorf("with another conduit: %#x", r[0])
	}
	if k.IsRAM(pl080) || !k.IsRAM(carveout) {
		t.Error("IsRAM does not follow the address map")
	}
}

// ender is the handler of the PL080: it counts and makes the controller quiet.
type ender struct {
	k     *normalworld.Kernel
	calls int
}

func (e *ender) Interrupt(intid uint32) {
	e.calls++
	if err := e.k.Store(pl080+0x008, 4, 1); err != nil { // DMACIntTCClear
		panic(err)
	}
	e.k.Sleep(1) // must not call it again
}

func TestHandlers(t *testing.T) {
	_, k := board(t)
	e := &ender{k: k}
	if err := k.RequestIRQ(pl080SPI, e); err != nil {
		t.Fatal(err)
	}
	if err := k.RequestIRQ(pl080SPI, e); err != normalworld.EBUSY {
		t.Errorf("a second handler: %v, want EBUSY", err)
	}
	if err := k.RequestIRQ(5000, e); err != normalworld.EINVAL {
		t.Errorf("interrupt 5000: %v, want EINVAL", err)
	}
	for _, w := range []struct{ off, v uint64 }{
		{0x030, 1}, {0x100, ram + 0x20_0000}, {0x104, ram + 0x30_0000}, {0x10c, 4 | 2<<18 | 2<<21 | 1<<26 | 1<<27 | 1<<31}, {0x110, 1 | 1<<15},
	} {
		if err := k.Store(pl080+w.off, 4, w.v); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < 10 && e.calls == 0; i++ {
		if !k.Sleep(normalworld.Forever) {
			t.Fatal("nothing happened")
		}
	}
	if k.Dispatch() || e.calls != 1 {
		t.Errorf("%d calls, want 1 for one interrupt", e.calls)
	}
	k.FreeIRQ(pl080SPI)
	if k.Sleep(10) {
		t.Error("something happened after all was over")
	}
}
