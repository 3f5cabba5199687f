package cpu

import (
	"bytes"
	"os"
	"testing"

	"gatehouse/devices/pl011"
	"gatehouse/images"
	"gatehouse/platform/a64"
	"gatehouse/platform/bus"
	"gatehouse/platform/loader"
	"gatehouse/platform/vtime"
)

type smokeEnv struct {
	t    *testing.T
	off  bool
	code []uint64
}

func (e *smokeEnv) SecureMonitorCall(c *CPU, hvc bool) bool {
	if c.X[0] == 0x84000008 {
		e.off = true
		c.PowerOff()
		return true
	}
	c.X[0] = ^uint64(0)
	return true
}
func (e *smokeEnv) Semihost(c *CPU) bool { e.off = true; c.PowerOff(); return true }
func (e *smokeEnv) Undefined(c *CPU, w uint32) {
	e.t.Logf("undefined %#08x at %#x", w, c.PC)
}
func (e *smokeEnv) SendEvent() {}

func runImage(t testing.TB, name string) (string, uint64) {
	img, err := images.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	b := &bus.Bus{}
	ram, _ := bus.NewRAM(128 << 20)
	defer ram.Close()
	var clock vtime.Clock
	var out bytes.Buffer
	b.Map(bus.Region{Name: "ram", Base: 0x40000000, Size: 128 << 20, RAM: ram})
	b.Map(bus.Region{Name: "uart", Base: 0x09000000, Size: 4096, Dev: pl011.New(&out)})
	k, err := loader.Parse(name, img.ELF, loader.Range{Base: 0x40000000, Size: 128 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range k.Segments {
		b.Write(s.Addr, s.Data, bus.Attr{})
	}
	env := &smokeEnv{}
	if tt, ok := t.(*testing.T); ok {
		env.t = tt
	}
	m, _ := ModelByName("max")
	c := New(Config{Model: m, Bus: b, Code: NewCode(b, a64.AllFeatures), Clock: &clock, Env: env, HVCIsCall: true})
	c.Reset(k.Entry, 0, 1)
	for !env.off && clock.Now() < 3e9 {
		if clock.Begin(1000000) == 0 {
			clock.Expire()
			continue
		}
		c.Run()
		if !c.Runnable() && !env.off {
			if clock.Next() == vtime.Never {
				break
			}
			clock.Advance(clock.Next())
		}
	}
	if !env.off {
		t.Errorf("did not stop: pc %#x el %d esr %#x far %#x elr %#x", c.PC, c.el, c.sys.esr[1], c.sys.far[1], c.elr[1])
	}
	return out.String(), c.Retired()
}

func TestSmoke(t *testing.T) {
	out, n := runImage(t, os.Getenv("IMG"))
	t.Logf("%d instructions\n%s", n, out)
}

func BenchmarkImage(b *testing.B) {
	var n uint64
	for range b.N {
		_, k := runImage(b, "bench")
		n += k
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Minst/s")
}
