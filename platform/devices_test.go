package platform_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/dt"

	"gatehouse/devices/cfi"
	"gatehouse/devices/fwcfg"
	"gatehouse/devices/pl061"
	"gatehouse/devices/tzc400"
	"gatehouse/devices/virtio"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/loader"
	"gatehouse/secureworld"
)

var (
	apAttr     = bus.Attr{NSAID: bus.NSAIDAP, Privileged: true}
	secureAttr = bus.Attr{Secure: true, Privileged: true}
)

// newMachine makes a machine that nothing was booted on yet.
func newMachine(t *testing.T, cfg platform.Config) *platform.Machine {
	t.Helper()
	if cfg.SecureWorld != platform.SecureGuest {
		sw := secureworld.DefaultConfig()
		sw.TZASC.Enabled = cfg.TZASC
		cfg.Firmware = secureworld.New(sw)
	}
	m, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// master is a processor's place on the bus.
type master struct {
	t *testing.T
	*bus.Port
}

func newMaster(t *testing.T, m *platform.Machine, a bus.Attr) master { return master{t, m.Port(a)} }

func (p master) get(addr uint64, size int) uint64 {
	p.t.Helper()
	v, r := p.Load(addr, size)
	if r != bus.OKAY {
		p.t.Fatalf("read of %#x: %v", addr, r)
	}
	return v
}

func (p master) set(addr uint64, size int, v uint64) {
	p.t.Helper()
	if r := p.Store(addr, size, v); r != bus.OKAY {
		p.t.Fatalf("write of %#x: %v", addr, r)
	}
}

// written keeps what a flash bank writes to its file.
type written struct{ log []string }

func (w *written) WriteAt(p []byte, off int64) (int, error) {
	w.log = append(w.log, fmt.Sprintf("%#x+%#x", off, len(p)))
	return len(p), nil
}

// TestFlash programs a bank as a processor does. What is programmed outlasts a reset, and is read, and executed, as memory.
func TestFlash(t *testing.T) {
	var file written
	m := newMachine(t, platform.Config{BIOS: []byte("firmware"), Flash: [2]platform.Flash{{ReadOnly: true}, {Data: []byte("variables"), Store: &file}}})
	p := newMaster(t, m, apAttr)
	b := make([]byte, 10)
	for bank, want := range map[uint64]string{platform.Flash0Base: "firmware\x00\x00", platform.Flash1Base: "variables\x00"} {
		if r := p.Read(bank, b); r != bus.OKAY || string(b) != want {
			t.Errorf("bank at %#x: %q, %v", bank, b, r)
		}
	}
	const at = platform.Flash1Base + cfi.SectorSize
	erase := func(at uint64) {
		p.set(at, 4, cfi.Erase)
		p.set(at, 4, cfi.Confirm)
	}
	program := func(at, v uint64) {
		p.set(at, 4, cfi.Program)
		p.set(at, 4, v)
	}
	erase(at)
	program(at+8, 0xD65F03C0)
	if v := p.get(at+8, 4); v != 0x80_0080 || p.IsRAM(at) {
		t.Errorf("status %#x", v)
	}
	for _, restart := range []func(){
		func() { p.set(at, 4, cfi.ReadArray) },
		func() {
			p.set(at, 4, cfi.ReadStatus)
			if err := m.Reset(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		restart()
		if v := p.get(at+4, 8); v != 0xD65F03C0_FFFF_FFFF || !p.IsRAM(at) {
			t.Errorf("flash holds %#x", v)
		}
	}
	if got := strings.Join(file.log, " "); got != "0x40000+0x40000 0x40008+0x4" {
		t.Errorf("written to the file: %s", got)
	}
	erase(platform.Flash0Base)
	if v := p.get(platform.Flash0Base, 4); v&cfi.StatusEraseError == 0 {
		t.Errorf("status %#x of a bank that is read-only", v)
	}
}

// With secure=on the first bank belongs to the secure world, commands included.
func TestSecureFlash(t *testing.T) {
	m := newMachine(t, platform.Config{SecureWorld: platform.SecureGuest, BIOS: []byte("secure firmware")})
	n, s := newMaster(t, m, apAttr), newMaster(t, m, secureAttr)
	if _, r := n.Load(0, 4); r != bus.DECERR {
		t.Errorf("non-secure read: %v", r)
	}
	if r := n.Store(0, 4, cfi.ReadQuery); r != bus.DECERR {
		t.Errorf("non-secure write: %v", r)
	}
	if v := s.get(0, 4); v != uint64(binary.LittleEndian.Uint32([]byte("secu"))) {
		t.Errorf("secure read %#x", v)
	}
	s.set(0, 4, cfi.ReadQuery)
	if v := s.get(0x40, 2); v != 'Q' {
		t.Errorf("query %#x", v)
	}
	if _, r := n.Load(0x40, 2); r != bus.DECERR {
		t.Errorf("non-secure read in query mode: %v", r)
	}
	n.set(platform.Flash1Base, 4, cfi.ReadQuery) // the other one is everybody's
	if v := n.get(platform.Flash1Base+0x40, 2); v != 'Q' {
		t.Errorf("query %#x", v)
	}
}

// TestFirmwareConfig reads what firmware asks for.
func TestFirmwareConfig(t *testing.T) {
	kernel := &loader.Image{Name: "k", Linux: true, Kind: loader.Raw, Entry: platform.RAMBase + 0x80000,
		Segments: []loader.Segment{{Addr: platform.RAMBase + 0x80000, Data: []byte("kernel"), MemSize: 6}}}
	cfg := platform.Config{CPUs: 3, Kernel: kernel, Initrd: []byte("initial"), Append: "quiet"}
	for _, firmware := range []bool{true, false} {
		cfg.BIOS = nil
		if firmware {
			cfg.BIOS = []byte{0}
		}
		p := newMaster(t, newMachine(t, cfg), apAttr)
		for key, want := range map[uint16]string{fwcfg.KeySignature: "QEMU", fwcfg.KeyCPUs: "\x03\x00", fwcfg.KeyRAMSize: "\x00\x00\x00\x08\x00\x00\x00\x00",
			fwcfg.KeyKernelSize: "\x06\x00\x00\x00", fwcfg.KeyKernelData: "kernel", fwcfg.KeyInitrdSize: "\x07\x00\x00\x00",
			fwcfg.KeyInitrdData: "initial", fwcfg.KeyCmdlineSize: "\x06\x00\x00\x00", fwcfg.KeyCmdlineData: "quiet\x00"} {
			if !firmware && key >= fwcfg.KeyKernelSize {
				want = strings.Repeat("\x00", len(want)) // the board has started the kernel itself
			}
			p.set(platform.FWCfgBase+fwcfg.Selector, 2, uint64(key>>8|key<<8))
			var got []byte
			for range len(want) {
				got = append(got, byte(p.get(platform.FWCfgBase, 1)))
			}
			if string(got) != want {
				t.Errorf("firmware %v, item %#x: %q, want %q", firmware, key, got, want)
			}
		}
	}
}

// code is a program of A64 instructions that the machine starts as it would a kernel.
func code(words ...uint32) *loader.Image {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	const at = platform.RAMBase + 0x80000
	return &loader.Image{Name: "code", Kind: loader.Raw, Entry: at, Segments: []loader.Segment{{Addr: at, Data: b, MemSize: uint64(len(b))}}}
}

// untilChanged polls the halfword at 0x4100_0002 and ends the machine when it is not zero any more.
func untilChanged() *loader.Image {
	return code(
		0xD2A82000, // MOVZ X0, #0x4100, LSL #16
		0x79400401, // LDRH W1, [X0, #2]
		0x34FFFFE1, // CBZ W1, .-4
		0x52800100, // MOVZ W0, #8
		0x72B08000, // MOVK W0, #0x8400, LSL #16: SYSTEM_OFF
		0xD4000003, // SMC #0
	)
}

func run(t *testing.T, m *platform.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hostLimit)
	defer cancel()
	if e := m.Run(ctx); e.Reason != platform.PoweredOff {
		t.Fatalf("ended with %+v", e)
	}
}

// TestDrives reads a sector from each drive while a guest polls for it. The first drive is in the last slot, as on QEMU.
func TestDrives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, bytes.Repeat([]byte("first..."), 128), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	second := bytes.Repeat([]byte("second.."), 128)
	const used, desc, avail, header, data, status = 0x4100_0000, 0x4101_0000, 0x4102_0000, 0x4103_0000, 0x4104_0000, 0x4105_0000
	for _, c := range []struct {
		slot    uint64
		kind    uint64 // of the request
		protect bool
		status  uint64
		data    string // at the end
	}{
		{31, virtio.BlockIn, false, virtio.BlockOK, "first..."},
		{30, virtio.BlockIn, false, virtio.BlockOK, "second.."},
		{31, virtio.BlockIn, true, virtio.BlockIOErr, "secret!!"},
		{31, virtio.BlockOut, true, virtio.BlockIOErr, "secret!!"},
		{30, virtio.BlockOut, false, virtio.BlockOK, "secret!!"},
		{31, virtio.BlockOut, false, virtio.BlockOK, "secret!!"},
	} {
		m := newMachine(t, platform.Config{Kernel: untilChanged(), TZASC: true, Drives: []platform.Drive{
			{Image: file, Size: 1024}, {Image: bytes.NewReader(second), Size: 1024, Snapshot: true}}})
		p, s := newMaster(t, m, apAttr), newMaster(t, m, secureAttr)
		base := platform.VirtioBase + c.slot*virtio.SlotSize
		reg := func(off, v uint64) { p.set(base+off, 4, v) }
		reg(virtio.Status, virtio.StatusAcknowledge|virtio.StatusDriver)
		reg(virtio.DriverFeaturesSel, 1)
		reg(virtio.DriverFeatures, virtio.FeatureVersion1>>32)
		reg(virtio.Status, virtio.StatusAcknowledge|virtio.StatusDriver|virtio.StatusFeaturesOK)
		reg(virtio.QueueNum, 8)
		reg(virtio.QueueDescLow, desc)
		reg(virtio.QueueDriverLow, avail)
		reg(virtio.QueueDeviceLow, used)
		reg(virtio.QueueReady, 1)
		reg(virtio.Status, 0xF)
		flags := uint64(3) // next, write
		if c.kind == virtio.BlockOut {
			flags = 1
		}
		for i, v := range []uint64{header, 16 | 1<<32 | 1<<48, data, 512 | flags<<32 | 2<<48, status, 1 | 2<<32} {
			p.set(desc+8*uint64(i), 8, v)
		}
		p.set(header, 8, c.kind)
		p.set(header+8, 8, 1) // sector
		p.set(status, 1, 0xEE)
		if r := p.Write(data, []byte("secret!!")); r != bus.OKAY {
			t.Fatal(r)
		}
		if c.protect {
			// Any region of the controller that the secure world leaves free.
			const n = 8 * tzc400.RegionStride
			s.set(platform.TZCBase+tzc400.RegionBaseLow+n, 4, data)
			s.set(platform.TZCBase+tzc400.RegionTopLow+n, 4, data+0xFFF)
			s.set(platform.TZCBase+tzc400.RegionAttributes+n, 4, tzc400.AttrSecureRead|tzc400.AttrSecureWrite|0xF)
		}
		p.set(avail+4, 2, 0)
		p.set(avail+2, 2, 1)
		reg(virtio.QueueNotify, 0)
		run(t, m)
		if v := p.get(status, 1); v != c.status {
			t.Errorf("%+v: status %d", c, v)
		}
		b := make([]byte, 8)
		if r := s.Read(data, b); r != bus.OKAY || string(b) != c.data {
			t.Errorf("%+v: %q, %v", c, b, r)
		}
		disk, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		last := c.slot == 31 && c.kind == virtio.BlockOut && !c.protect
		if bytes.Contains(disk, []byte("secret")) != last || bytes.Contains(second, []byte("secret")) {
			t.Errorf("%+v: the images are wrong", c)
		}
	}
}

// TestPowerKey presses the key while a guest polls its pin, and while the guest sleeps and nothing else would ever happen.
func TestPowerKey(t *testing.T) {
	for _, asleep := range []bool{false, true} {
		wait := uint32(0xD503201F) // NOP
		if asleep {
			wait = 0xD503207F // WFI
		}
		m := newMachine(t, platform.Config{Kernel: code(
			0xD2A12060, // MOVZ X0, #0x903, LSL #16
			0x52800101, // MOVZ W1, #8
			0xB9040C01, // STR W1, [X0, #0x40C]: GPIOIEV
			wait,
			0xB9402001, // LDR W1, [X0, #0x20]: pin 3 alone
			0x34FFFFC1, // CBZ W1, .-8
			0x52800100, // MOVZ W0, #8
			0x72B08000, // MOVK W0, #0x8400, LSL #16: SYSTEM_OFF
			0xD4000003, // SMC #0
		)})
		time.AfterFunc(20*time.Millisecond, m.PowerKey)
		if asleep {
			// No interrupt is unmasked: the key moves the pin, and the guest sleeps on.
			for range 600 { // up to a minute of a busy host
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				if e := m.Run(ctx); e.Reason != platform.Interrupted {
					t.Errorf("ended with %+v", e)
				}
				cancel()
				if m.Now() >= pl061.PressTime {
					break
				}
			}
			if now := m.Now(); now < pl061.PressTime || now > 2*pl061.PressTime {
				t.Errorf("time stands at %d ns: the key was not held", now)
			}
		} else {
			run(t, m)
		}
		if v := newMaster(t, m, apAttr).get(platform.GPIOBase+pl061.GPIORIS, 4); v != 8 {
			t.Errorf("asleep %v: GPIORIS %#x", asleep, v)
		}
	}
}

// TestVirtioConsole: the board hands input to the console only when a driver can take it.
func TestVirtioConsole(t *testing.T) {
	var out bytes.Buffer
	m := newMachine(t, platform.Config{Kernel: untilChanged(), Console: &out, Entropy: true})
	p := newMaster(t, m, apAttr)
	base := uint64(platform.VirtioBase + 31*virtio.SlotSize)
	if id := p.get(base+virtio.DeviceID, 4); id != 3 {
		t.Errorf("device %d", id)
	}
	if id := p.get(base-virtio.SlotSize+virtio.DeviceID, 4); id != 4 {
		t.Errorf("device %d", id)
	}
	p.set(base+virtio.Config+8, 4, 'x')
	if out.String() != "x" {
		t.Errorf("console %q", out.String())
	}
	m.Input(platform.VirtioConsole, []byte("input"))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	m.Run(ctx)
	if n := m.Pending(platform.VirtioConsole); n != 5 {
		t.Errorf("%d bytes wait", n)
	}
}

func TestDeviceConfig(t *testing.T) {
	image := bytes.NewReader(make([]byte, 512))
	for _, c := range []struct {
		cfg  platform.Config
		want string
	}{
		{platform.Config{Drives: []platform.Drive{{}}}, "drive 0: there is no image"},
		{platform.Config{Drives: []platform.Drive{{Image: image, Snapshot: true}, {Image: image}}}, "drive 1: the image cannot be written"},
		{platform.Config{Drives: []platform.Drive{{Image: image, ReadOnly: true, Size: 1 << 63}}}, "bytes are too many"},
		{platform.Config{Drives: make([]platform.Drive, 31)}, "31 drives: there is room for 30"},
		{platform.Config{Flash: [2]platform.Flash{{Data: make([]byte, platform.FlashSize+1)}}}, "firmware of 67108865 bytes"},
		{platform.Config{Flash: [2]platform.Flash{1: {Data: make([]byte, platform.FlashSize+1)}}}, "contents of 67108865 bytes"},
		{platform.Config{SecureWorld: platform.SecureGuest}, "there is no firmware"},
	} {
		if c.cfg.SecureWorld != platform.SecureGuest {
			c.cfg.Firmware = secureworld.New(secureworld.DefaultConfig())
		}
		m, err := platform.New(c.cfg)
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	m := newMachine(t, platform.Config{SecureWorld: platform.SecureGuest, Flash: [2]platform.Flash{{Data: []byte{1}}}})
	if v := newMaster(t, m, secureAttr).get(0, 1); v != 1 {
		t.Errorf("flash holds %d", v)
	}
}

// TestTreeAgainstQEMU compares the nodes of the devices with those of QEMU's device tree.
func TestTreeAgainstQEMU(t *testing.T) {
	const qemu = "qemu-system-aarch64"
	if _, err := exec.LookPath(qemu); err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for secure, world := range map[string]platform.SecureWorld{"off": platform.SecureGo, "on": platform.SecureGuest} {
		path := filepath.Join(t.TempDir(), "dtb")
		if out, err := exec.Command(qemu, "-nodefaults", "-display", "none", "-M", "virt,gic-version=3,secure="+secure+",dumpdtb="+path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		blob, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := describe(t, blob)
		cfg := platform.Config{SecureWorld: world}
		if world == platform.SecureGuest {
			cfg.BIOS = []byte{}
		}
		got := describe(t, newMachine(t, cfg).DTB())
		compared := 0
		for name, props := range want {
			if strings.HasPrefix(name, "virtio_mmio@") || strings.Contains(name, "flash@") || strings.HasPrefix(name, "fw-cfg@") ||
				name == "pl061@9030000" || name == "gpio-keys" || name == "poweroff" || strings.HasPrefix(name, "pl011@") || strings.HasPrefix(name, "pl031@") {
				compared++
				if got[name] != props {
					t.Errorf("secure=%s: %s is\n%s\nQEMU\n%s", secure, name, got[name], props)
				}
			}
		}
		if compared < 32+6 {
			t.Errorf("secure=%s: %d nodes compared", secure, compared)
		}
	}
}

// describe gives the properties of each node, in the order of their names, with phandles replaced by the node they name.
func describe(t *testing.T, blob []byte) map[string]string {
	t.Helper()
	tree, err := dt.ReadFDT(bytes.NewReader(blob))
	if err != nil {
		t.Fatal(err)
	}
	handles := map[uint32]string{}
	nodes := map[string]string{}
	visit := func(do func(n *dt.Node)) {
		if err := tree.RootNode.Walk(func(n *dt.Node) error { do(n); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	visit(func(n *dt.Node) {
		if p, ok := n.LookProperty("phandle"); ok {
			handles[binary.BigEndian.Uint32(p.Value)] = n.Name
		}
	})
	visit(func(n *dt.Node) {
		var lines []string
		for _, p := range n.Properties {
			value := fmt.Sprintf("%q", p.Value)
			switch p.Name {
			case "phandle":
				continue
			case "clocks", "gpios":
				value = handles[binary.BigEndian.Uint32(p.Value)] + fmt.Sprintf(" %x", p.Value[4:])
				if p.Name == "clocks" {
					value = handles[binary.BigEndian.Uint32(p.Value)] + fmt.Sprint(len(p.Value))
				}
			}
			lines = append(lines, p.Name+" = "+value+"\n")
		}
		for i := range lines {
			for k := range i {
				if lines[i] < lines[k] {
					lines[i], lines[k] = lines[k], lines[i]
				}
			}
		}
		nodes[n.Name] = strings.Join(lines, "")
	})
	return nodes
}
