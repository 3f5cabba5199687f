package platform

import (
	"fmt"

	"gatehouse/devices/cfi"
	"gatehouse/devices/crypto"
	"gatehouse/devices/fwcfg"
	"gatehouse/devices/gicv3"
	"gatehouse/devices/pl011"
	"gatehouse/devices/pl031"
	"gatehouse/devices/pl061"
	"gatehouse/devices/pl080"
	"gatehouse/devices/tzc400"
	"gatehouse/devices/virtio"
	"gatehouse/platform/bus"
	"gatehouse/platform/cpu"
	"gatehouse/platform/loader"
	"gatehouse/platform/vtime"
)

// The memory map of QEMU's virt board, with the additions of this one in a part that virt leaves free.
const (
	Flash0Base   = 0x0000_0000
	Flash1Base   = 0x0400_0000
	FlashSize    = cfi.Size
	GICDBase     = 0x0800_0000
	GICRBase     = 0x080a_0000
	UART0Base    = 0x0900_0000
	RTCBase      = 0x0901_0000
	FWCfgBase    = 0x0902_0000
	GPIOBase     = 0x0903_0000
	UART1Base    = 0x0904_0000
	VirtioBase   = 0x0a00_0000
	TZCBase      = 0x0b00_0000
	DMABase      = 0x0b10_0000
	CryptoBase   = 0x0b11_0000
	SecureRAM    = 0x0e00_0000
	SecureRAMLen = 0x0100_0000
	RAMBase      = 0x4000_0000
)

// Shared interrupts: the number of an SPI is its INTID less 32.
const (
	spiUART0  = 1
	spiRTC    = 2
	spiGPIO   = 7
	spiUART1  = 8
	spiVirtio = 16 // of the first slot
	spiTZC    = 128
	spiDMA    = 129
	spiCrypto = 130
	spiOPTEE  = 134
)

// powerPin is the GPIO pin of virt's power key.
const powerPin = 3

// Machine is one board with its processors.
type Machine struct {
	cfg   Config
	bus   *bus.Bus
	clock vtime.Clock
	ram   *bus.RAM
	cells [2]*bus.RAM // of the flash
	sram  *bus.RAM
	code  *cpu.Code
	cpus  []*cpu.CPU
	gic   *gicv3.GIC
	tzc   *tzc400.TZC400
	uart  [2]*pl011.PL011
	rtc   *pl031.PL031
	dma   *pl080.PL080
	aes   *crypto.Engine
	media media
	flash [2]*cfi.Flash
	fwcfg *fwcfg.FWCfg
	gpio  *pl061.PL061
	power *pl061.Key

	slots   virtio.Slots
	console *virtio.Console // nil where there is none
	entropy *virtio.Entropy // likewise

	dtb     []byte
	dtbAddr uint64
	initrd  loader.Range
	next    int // processor whose turn it is
	exit    *Exit
	reboot  bool
	resets  int
	warned  map[uint32]bool
	input   input
	calls   chan func() // see Do
	control control
}

// New builds a machine and resets it.
func New(cfg Config) (*Machine, error) {
	model, err := cfg.check()
	if err != nil {
		return nil, err
	}
	m := &Machine{cfg: cfg, bus: &bus.Bus{}, warned: map[uint32]bool{}, calls: make(chan func())}
	m.input.ready = make(chan struct{}, 1)
	if err := m.wire(model); err != nil {
		m.Close()
		return nil, err
	}
	if err := m.Reset(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close gives the machine's memory back. It must not be used afterwards.
func (m *Machine) Close() {
	for _, r := range []*bus.RAM{m.ram, m.cells[0], m.cells[1], m.sram} {
		if r != nil {
			r.Close()
		}
	}
}

func (m *Machine) el3() bool { return m.cfg.SecureWorld != SecureNone }

// mpidr gives affinities as QEMU's virt does: clusters of 16 with a GICv3.
func mpidr(i int) uint64 { return uint64(i/16)<<8 | uint64(i%16) }

func (m *Machine) wire(model *cpu.Model) (err error) {
	add := func(r bus.Region) {
		if err == nil {
			err = m.bus.Map(r)
		}
	}
	memory := func(size uint64) (r *bus.RAM) {
		if err == nil {
			r, err = bus.NewRAM(size)
		}
		return r
	}
	guest := m.cfg.SecureWorld == SecureGuest

	m.gic = gicv3.New(gicv3.Config{NumCPUs: m.cfg.CPUs, MPIDR: mpidr, TwoSecurityStates: m.el3(), AlwaysAwake: true,
		Events: m.cfg.Events, Clock: &m.clock})
	add(bus.Region{Name: "gicd", Base: GICDBase, Size: gicv3.DistributorSize, Dev: m.gic.Distributor()})
	add(bus.Region{Name: "gicr", Base: GICRBase, Size: uint64(m.cfg.CPUs) * gicv3.RedistributorSize, Dev: m.gic.Redistributors()})

	for i, base := range []uint64{UART0Base, UART1Base} {
		m.uart[i] = pl011.New(m.cfg.Serial[i])
		add(bus.Region{Name: fmt.Sprintf("pl011.%d", i), Base: base, Size: 0x1000, Dev: m.uart[i], SecureOnly: i == 1 && guest})
	}
	m.uart[0].IRQ, m.uart[1].IRQ = m.spi(spiUART0), m.spi(spiUART1)
	m.rtc = pl031.New(&m.clock, m.cfg.Epoch)
	m.rtc.IRQ = m.spi(spiRTC)
	add(bus.Region{Name: "pl031", Base: RTCBase, Size: 0x1000, Dev: m.rtc})

	m.dma = pl080.New(bus.NewPort(m.bus, bus.Attr{NSAID: bus.NSAIDDMA, ID: masterDMA}), &m.clock, m.cfg.Events)
	m.dma.IRQ = m.spi(spiDMA)
	add(bus.Region{Name: "pl080", Base: DMABase, Size: 0x1000, Dev: m.dma})
	as := func(secure bool, nsaid uint8) *bus.Port {
		return bus.NewPort(m.bus, bus.Attr{Secure: secure, NSAID: nsaid, ID: masterCrypto})
	}
	m.aes = crypto.New(crypto.Ports{Normal: as(false, bus.NSAIDCrypto), Protected: as(false, bus.NSAIDCryptoProtected),
		Ordinary: as(false, bus.NSAIDDefault), Secure: as(true, bus.NSAIDCrypto)}, &m.clock, m.cfg.Events)
	m.aes.IRQ = m.spi(spiCrypto)
	add(bus.Region{Name: "crypto", Base: CryptoBase, Size: crypto.Size, Dev: m.aes})

	m.wireMedia(add)

	for i, base := range []uint64{Flash0Base, Flash1Base} {
		data, c := m.cfg.Flash[i].Data, &m.cfg.Flash[i]
		if i == 0 {
			data = m.cfg.firmware()
		}
		if m.cells[i] = memory(FlashSize); err != nil {
			return err
		}
		if err := m.cells[i].Fill(data); err != nil {
			return err
		}
		array := bus.NewArray(m.cells[i])
		m.flash[i] = cfi.New(array, c.Store)
		m.flash[i].ReadOnly = c.ReadOnly
		add(bus.Region{Name: fmt.Sprintf("flash%d", i), Base: base, Size: FlashSize, Dev: m.flash[i], Array: array, SecureOnly: i == 0 && guest})
	}
	m.fwcfg = fwcfg.New(bus.NewPort(m.bus, bus.Attr{NSAID: bus.NSAIDDefault, ID: masterFWCfg}), &m.clock, m.cfg.Events)
	m.items()
	add(bus.Region{Name: "fw_cfg", Base: FWCfgBase, Size: 0x1000, Dev: m.fwcfg})
	m.gpio = pl061.New()
	m.gpio.IRQ = m.spi(spiGPIO)
	m.power = pl061.NewKey(m.gpio, powerPin, &m.clock)
	add(bus.Region{Name: "pl061", Base: GPIOBase, Size: 0x1000, Dev: m.gpio})
	m.plug()
	add(bus.Region{Name: "virtio", Base: VirtioBase, Size: virtio.Size, Dev: &m.slots})
	m.ram = memory(m.cfg.RAM)
	region := bus.Region{Name: "ram", Base: RAMBase, Size: m.cfg.RAM, RAM: m.ram}
	if m.cfg.TZASC {
		m.tzc = tzc400.New("tzc400", m.cfg.Events, &m.clock)
		m.tzc.Changed = m.bus.FilterChanged
		m.tzc.IRQ = m.spi(spiTZC)
		region.Filter = m.tzc.Unit(0)
		add(bus.Region{Name: "tzc400", Base: TZCBase, Size: 0x1000, Dev: m.tzc})
	}
	add(region)
	if m.el3() {
		m.sram = memory(SecureRAMLen)
		add(bus.Region{Name: "secram", Base: SecureRAM, Size: SecureRAMLen, RAM: m.sram, SecureOnly: true})
	}
	if err != nil {
		return err
	}

	m.code = cpu.NewCode(m.bus, model.Features)
	for i := range m.cfg.CPUs {
		g := &gicPort{gic: m.gic, cpu: m.gic.CPU(i), index: i}
		c := cpu.New(cpu.Config{
			Index: i, MPIDR: mpidr(i), Model: model, EL2: m.cfg.EL2, EL3: m.el3(),
			// Without EL3 the conduit is HVC, and SMC where a guest owns EL2, as on QEMU's virt.
			SMCIsCall: m.cfg.SecureWorld == SecureGo || m.cfg.SecureWorld == SecureNone && m.cfg.EL2,
			HVCIsCall: m.cfg.SecureWorld != SecureGuest,
			Bus:       m.bus, Code: m.code, Clock: &m.clock, GIC: g, Env: (*env)(m), Events: m.cfg.Events,
			StrictAlignment: m.cfg.StrictAlignment,
		})
		m.cpus = append(m.cpus, c)
		g.cpu.Bind(c)
	}
	return nil
}

// items are what fw_cfg has on QEMU's virt. Firmware finds the kernel there that it is to start.
func (m *Machine) items() {
	f, k := m.fwcfg, m.cfg.Kernel
	f.AddUint16(fwcfg.KeyCPUs, uint16(m.cfg.CPUs))
	f.AddUint64(fwcfg.KeyRAMSize, m.cfg.RAM)
	if m.cfg.firmware() == nil || k == nil || !k.Linux {
		return
	}
	image := k.Segments[0].Data
	f.AddUint32(fwcfg.KeyKernelSize, uint32(len(image)))
	f.Add(fwcfg.KeyKernelData, image)
	f.AddUint32(fwcfg.KeyInitrdSize, uint32(len(m.cfg.Initrd)))
	f.Add(fwcfg.KeyInitrdData, m.cfg.Initrd)
	if m.cfg.Append != "" {
		line := append([]byte(m.cfg.Append), 0)
		f.AddUint32(fwcfg.KeyCmdlineSize, uint32(len(line)))
		f.Add(fwcfg.KeyCmdlineData, line)
	}
}

// plug fills the virtio slots from the last one on, as QEMU does.
func (m *Machine) plug() {
	var all []virtio.Device
	for _, d := range m.cfg.Drives {
		storage, ok := d.Image.(virtio.Storage)
		if !ok || d.Snapshot || d.ReadOnly {
			storage = virtio.NewOverlay(d.Image)
		}
		all = append(all, virtio.NewBlock(storage, d.Size, d.ReadOnly, d.Serial))
	}
	if m.cfg.Console != nil {
		m.console = virtio.NewConsole(m.cfg.Console)
		all = append(all, m.console)
	}
	if m.cfg.Entropy {
		m.entropy = virtio.NewEntropy(m.cfg.EntropySeed)
		all = append(all, m.entropy)
	}
	for i := range m.slots {
		var d virtio.Device
		if n := len(m.slots) - 1 - i; n < len(all) {
			d = all[n]
		}
		port := bus.NewPort(m.bus, bus.Attr{NSAID: bus.NSAIDVirtio, ID: masterVirtio + uint16(i)})
		m.slots[i] = virtio.NewTransport(fmt.Sprintf("virtio%d", i), d, port, &m.clock, m.cfg.Events)
		m.slots[i].IRQ = m.spi(spiVirtio + uint32(i))
	}
}

// AXI identities of the masters beside the processors, whose identities are their numbers.
const (
	masterFirmware = 0x40
	masterLoader   = 0x41
	masterDMA      = 0x50
	masterFWCfg    = 0x51
	masterCrypto   = 0x52
	masterVirtio   = 0x60 // of the first slot
	masterMedia    = 0x80 // plus their NSAIDs
)

func (m *Machine) spi(n uint32) gicv3.Line { return m.gic.SPI(n + gicv3.FirstSPI) }

// gicPort is the GIC as one processor sees it.
type gicPort struct {
	gic   *gicv3.GIC
	cpu   *gicv3.CPUInterface
	index int
}

func (g *gicPort) ReadSys(reg uint16, el int, secure bool) (uint64, bool) {
	return g.cpu.ReadSys(gicv3.Reg(reg), el, secure)
}

func (g *gicPort) WriteSys(reg uint16, v uint64, el int, secure bool) bool {
	return g.cpu.WriteSys(gicv3.Reg(reg), v, el, secure)
}

func (g *gicPort) Trap(reg uint16, el int, secure bool) int {
	return g.cpu.Trap(gicv3.Reg(reg), el, secure)
}

func (g *gicPort) SetState(el int, secure bool) { g.cpu.SetState(el, secure) }

func (g *gicPort) SetRouting(scr, hcr uint64) { g.cpu.SetRouting(scr, hcr) }

func (g *gicPort) SetPPI(intid uint32, level bool) { g.gic.SetPPI(g.index, intid, level) }
