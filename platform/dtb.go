package platform

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/u-root/u-root/pkg/dt"

	"gatehouse/devices/crypto"
	"gatehouse/devices/fwcfg"
	"gatehouse/devices/gicv3"
	"gatehouse/devices/virtio"
	"gatehouse/platform/loader"
)

// phandles of the nodes that others refer to.
const (
	phandleClock      = 1
	phandleGIC        = 2
	phandleGPIO       = 3
	phandlePixelClock = 4
)

// Cells of an interrupt specifier of the GIC (Linux, arm,gic-v3.yaml).
const (
	irqSPI       = 0
	irqPPI       = 1
	irqEdge      = 1
	irqLevelHigh = 4
)

// keyPower is the code of the power key (Linux, input-event-codes.h).
const keyPower = 116

func cells(name string, v ...uint32) dt.Property { return dt.PropertyU32Array(name, v) }

func text(name string, v ...string) dt.Property {
	var b []byte
	for _, s := range v {
		b = append(append(b, s...), 0)
	}
	return dt.Property{Name: name, Value: b}
}

func flag(name string) dt.Property { return dt.Property{Name: name} }

// reg gives base and size pairs with two cells each.
func reg(v ...uint64) dt.Property {
	var b []byte
	for _, x := range v {
		b = binary.BigEndian.AppendUint64(b, x)
	}
	return dt.Property{Name: "reg", Value: b}
}

func node(name string, p []dt.Property, children ...*dt.Node) *dt.Node {
	return dt.NewNode(name, dt.WithProperty(p...), dt.WithChildren(children...))
}

// Tree builds the board's device tree (Devicetree Specification 0.4): what QEMU's virt has, as far as it is modelled, and
// what this board adds. initrd may be empty.
func (m *Machine) Tree(initrd loader.Range) *dt.FDT {
	root := node("", []dt.Property{
		cells("interrupt-parent", phandleGIC),
		text("model", "linux,dummy-virt"),
		cells("#size-cells", 2),
		cells("#address-cells", 2),
		text("compatible", "linux,dummy-virt"),
	})
	add := func(n *dt.Node) { root.Children = append(root.Children, n) }

	if m.cfg.SecureWorld != SecureGuest {
		method := "smc"
		if m.cfg.SecureWorld == SecureNone {
			method = "hvc"
			if m.cfg.EL2 {
				method = "smc"
			}
		}
		add(node("psci", []dt.Property{
			cells("migrate", 0xc4000005), cells("cpu_on", 0xc4000003), cells("cpu_off", 0x84000002), cells("cpu_suspend", 0xc4000001),
			text("method", method), text("compatible", "arm,psci-1.0", "arm,psci-0.2", "arm,psci"),
		}))
	}
	add(node(fmt.Sprintf("memory@%x", RAMBase), []dt.Property{reg(RAMBase, m.cfg.RAM), text("device_type", "memory")}))

	amba := func(base uint64, compatible string, spi uint32, clocks int, more ...dt.Property) []dt.Property {
		p := []dt.Property{
			text("compatible", compatible, "arm,primecell"), reg(base, 0x1000),
			cells("interrupts", irqSPI, spi, irqLevelHigh),
		}
		switch clocks {
		case 1:
			p = append(p, cells("clocks", phandleClock), text("clock-names", "apb_pclk"))
		case 2:
			p = append(p, cells("clocks", phandleClock, phandleClock), text("clock-names", "uartclk", "apb_pclk"))
		}
		return append(p, more...)
	}
	secureOnly := []dt.Property{text("status", "disabled"), text("secure-status", "okay")}
	// A normal-world kernel is shown the second UART if it leads somewhere: firmware may print to either of two. The first one then
	// comes last, since that is where edk2 has its console; Linux numbers them by their aliases.
	uarts := [2]string{fmt.Sprintf("/pl011@%x", UART0Base), fmt.Sprintf("/pl011@%x", UART1Base)}
	switch {
	case m.cfg.SecureWorld == SecureGuest:
		add(node(uarts[1][1:], amba(UART1Base, "arm,pl011", spiUART1, 2, secureOnly...)))
	case m.cfg.secondUART:
		add(node("aliases", []dt.Property{text("serial0", uarts[0]), text("serial1", uarts[1])}))
		add(node(uarts[1][1:], amba(UART1Base, "arm,pl011", spiUART1, 2)))
	}
	add(node(uarts[0][1:], amba(UART0Base, "arm,pl011", spiUART0, 2)))
	add(node(fmt.Sprintf("pl031@%x", RTCBase), amba(RTCBase, "arm,pl031", spiRTC, 1)))
	add(node(fmt.Sprintf("pl061@%x", GPIOBase), amba(GPIOBase, "arm,pl061", spiGPIO, 1,
		cells("phandle", phandleGPIO), cells("#gpio-cells", 2), flag("gpio-controller"))))
	add(node("gpio-keys", []dt.Property{text("compatible", "gpio-keys")}, node("poweroff", []dt.Property{
		text("label", "GPIO Key Poweroff"), cells("linux,code", keyPower), cells("gpios", phandleGPIO, powerPin, 0),
	})))
	add(node(fmt.Sprintf("fw-cfg@%x", FWCfgBase), []dt.Property{
		text("compatible", "qemu,fw-cfg-mmio"), reg(FWCfgBase, fwcfg.Size), flag("dma-coherent"),
	}))
	for i := range uint64(virtio.NumSlots) {
		base := VirtioBase + i*virtio.SlotSize
		add(node(fmt.Sprintf("virtio_mmio@%x", base), []dt.Property{
			text("compatible", "virtio,mmio"), reg(base, virtio.SlotSize), cells("interrupts", irqSPI, spiVirtio+uint32(i), irqEdge),
			flag("dma-coherent"),
		}))
	}
	bank := func(name string, more []dt.Property, v ...uint64) {
		add(node(fmt.Sprintf("%s@%x", name, v[0]), append([]dt.Property{
			text("compatible", "cfi-flash"), reg(v...), cells("bank-width", 4)}, more...)))
	}
	if m.cfg.SecureWorld == SecureGuest {
		bank("secflash", secureOnly, Flash0Base, FlashSize)
		bank("flash", nil, Flash1Base, FlashSize)
	} else {
		bank("flash", nil, Flash0Base, FlashSize, Flash1Base, FlashSize)
	}
	// The PL080 may be programmed with any address below 4 GiB; its channels serve memory to memory copies.
	add(node(fmt.Sprintf("dma@%x", DMABase), amba(DMABase, "arm,pl080", spiDMA, 1,
		cells("#dma-cells", 2), cells("memcpy-burst-size", 256), cells("memcpy-bus-width", 32),
		flag("lli-bus-interface-ahb1"), flag("mem-bus-interface-ahb1"))))
	add(node(fmt.Sprintf("crypto@%x", CryptoBase), []dt.Property{
		text("compatible", "gatehouse,crypto"), reg(CryptoBase, crypto.Size), cells("interrupts", irqSPI, spiCrypto, irqLevelHigh),
	}))
	for _, n := range m.media.nodes() {
		add(n)
	}
	if m.cfg.TZASC && m.cfg.SecureWorld == SecureGuest {
		add(node(fmt.Sprintf("tzc400@%x", TZCBase), append([]dt.Property{
			text("compatible", "arm,tzc400"), reg(TZCBase, 0x1000), cells("interrupts", irqSPI, spiTZC, irqLevelHigh)}, secureOnly...)))
	}
	if m.cfg.SecureWorld == SecureGuest {
		add(node(fmt.Sprintf("secram@%x", SecureRAM), append([]dt.Property{
			reg(SecureRAM, SecureRAMLen), text("device_type", "memory")}, secureOnly...)))
	}

	add(node("pmu", []dt.Property{text("compatible", "arm,armv8-pmuv3"), cells("interrupts", irqPPI, 7, irqLevelHigh)}))
	add(node(fmt.Sprintf("intc@%x", GICDBase), []dt.Property{
		cells("phandle", phandleGIC), text("compatible", "arm,gic-v3"),
		reg(GICDBase, gicv3.DistributorSize, GICRBase, uint64(m.cfg.CPUs)*gicv3.RedistributorSize),
		cells("#redistributor-regions", 1), cells("#interrupt-cells", 3), flag("interrupt-controller"),
		cells("#address-cells", 2), cells("#size-cells", 2), flag("ranges"),
	}))
	cpus := node("cpus", []dt.Property{cells("#size-cells", 0), cells("#address-cells", 1)})
	for i, c := range m.cpus {
		compatible := "arm,armv8"
		if m.cfg.CPU != "max" {
			compatible = "arm," + m.cfg.CPU
		}
		p := []dt.Property{text("device_type", "cpu"), text("compatible", compatible), cells("reg", uint32(mpidr(c.Index())))}
		if m.cfg.SecureWorld != SecureGuest || len(m.cpus) > 1 {
			p = append(p, text("enable-method", "psci"))
		}
		cpus.Children = append(cpus.Children, node(fmt.Sprintf("cpu@%x", mpidr(i)), p))
	}
	add(cpus)
	add(node("timer", []dt.Property{
		text("compatible", "arm,armv8-timer"), flag("always-on"),
		cells("interrupts", irqPPI, 13, irqLevelHigh, irqPPI, 14, irqLevelHigh, irqPPI, 11, irqLevelHigh, irqPPI, 10, irqLevelHigh),
	}))
	add(node("apb-pclk", []dt.Property{
		cells("phandle", phandleClock), text("compatible", "fixed-clock"), cells("#clock-cells", 0),
		cells("clock-frequency", 24_000_000), text("clock-output-names", "clk24mhz"),
	}))
	if m.cfg.OPTEE {
		// linaro,optee-tz.yaml; the interrupt is that of asynchronous notifications, an edge.
		add(node("firmware", nil, node("optee", []dt.Property{
			text("compatible", "linaro,optee-tz"), text("method", "smc"), cells("interrupts", irqSPI, spiOPTEE, irqEdge),
		})))
	}
	if len(m.cfg.Reserved) > 0 {
		n := node("reserved-memory", []dt.Property{cells("#address-cells", 2), cells("#size-cells", 2), flag("ranges")})
		for _, r := range m.cfg.Reserved {
			p := []dt.Property{reg(r.Base, r.Size)}
			if r.Compatible != "" {
				p = append(p, text("compatible", r.Compatible))
			}
			if r.NoMap {
				p = append(p, flag("no-map"))
			}
			n.Children = append(n.Children, node(fmt.Sprintf("%s@%x", r.Name, r.Base), p))
		}
		add(n)
	}
	add(node("chosen", []dt.Property{text("stdout-path", uarts[0])}))
	m.choose(root, initrd)

	return &dt.FDT{
		// Magic, Version and LastCompVersion are those of version 17 of the format (5.2).
		Header:   dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16},
		RootNode: root,
	}
}

// choose puts command line and initrd into /chosen, as QEMU does to a tree that it is given too.
func (m *Machine) choose(root *dt.Node, initrd loader.Range) {
	chosen, ok := root.LookupChildByName("chosen")
	if !ok {
		chosen = node("chosen", nil)
		root.Children = append(root.Children, chosen)
	}
	if m.cfg.Append != "" {
		chosen.Update(text("bootargs", m.cfg.Append))
	}
	if initrd.Size != 0 {
		chosen.Update(dt.PropertyU64("linux,initrd-start", initrd.Base))
		chosen.Update(dt.PropertyU64("linux,initrd-end", initrd.Base+initrd.Size))
	}
}

// DTB gives the device tree that the guest gets, as a flattened blob.
func (m *Machine) DTB() []byte { return m.dtb }

// makeDTB builds the device tree and finds its address. k is the kernel to place it for, or nil.
func (m *Machine) makeDTB(k *loader.Image, ram loader.Range) error {
	build := func(initrd loader.Range) error {
		tree := m.Tree(initrd)
		if m.cfg.DTB != nil {
			if m.cfg.Append == "" && initrd.Size == 0 {
				m.dtb = m.cfg.DTB
				return nil
			}
			var err error
			if tree, err = dt.ReadFDT(bytes.NewReader(m.cfg.DTB)); err != nil {
				return fmt.Errorf("%w: device tree: %w", ErrConfig, err)
			}
			m.choose(tree.RootNode, initrd)
		}
		var b bytes.Buffer
		if _, err := tree.Write(&b); err != nil {
			return fmt.Errorf("%w: device tree: %w", ErrConfig, err)
		}
		m.dtb = b.Bytes()
		return nil
	}
	if k == nil {
		// Firmware finds the initrd in fw_cfg.
		if err := build(loader.Range{}); err != nil {
			return err
		}
		m.dtbAddr = RAMBase
		if uint64(len(m.dtb)) > ram.Size {
			return fmt.Errorf("%w: a device tree of %d bytes does not fit into RAM", ErrConfig, len(m.dtb))
		}
		return nil
	}
	// The blob's size does not depend on where the initrd goes.
	if err := build(loader.Range{Base: ram.Base, Size: uint64(len(m.cfg.Initrd))}); err != nil {
		return err
	}
	p, err := k.Place(ram, uint64(len(m.cfg.Initrd)), uint64(len(m.dtb)))
	if err != nil {
		return err
	}
	m.dtbAddr = p.DTB.Base
	m.initrd = p.Initrd
	if p.DTB.Size == 0 {
		m.dtbAddr = 0
	}
	return build(p.Initrd)
}
