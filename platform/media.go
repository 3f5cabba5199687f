package platform

import (
	"fmt"
	"image"

	"github.com/u-root/u-root/pkg/dt"

	"gatehouse/devices/camera"
	"gatehouse/devices/decoder"
	"gatehouse/devices/encoder"
	"gatehouse/devices/engine"
	"gatehouse/devices/hdlcd"
	inputs "gatehouse/devices/input"
	"gatehouse/devices/transform"
	"gatehouse/platform/bus"
)

// The media masters and the input source, in the part of the memory map that virt leaves free.
const (
	DecoderBase   = 0x0b12_0000
	TransformBase = 0x0b13_0000
	HDLCDBase     = 0x0b14_0000
	CameraBase    = 0x0b15_0000
	EncoderBase   = 0x0b16_0000
	InputBase     = 0x0b17_0000
	mediaSize     = 0x1000 // of each register block
)

const (
	spiDecoder   = 131
	spiTransform = 132
	spiHDLCD     = 133
	spiCamera    = 135
	spiEncoder   = 136
	spiInput     = 137
)

// media are the board's media masters and the input source.
type media struct {
	decoder   *decoder.Decoder
	transform *transform.Transform
	hdlcd     *hdlcd.HDLCD
	camera    *camera.Camera
	encoder   *encoder.Encoder
	input     *inputs.Input
}

// wireMedia makes the media masters and adds their registers to the address map.
func (m *Machine) wireMedia(add func(bus.Region)) {
	d := &m.media
	port := func(nsaid uint8, of uint16) *bus.Port {
		return bus.NewPort(m.bus, bus.Attr{NSAID: nsaid, ID: masterMedia + of})
	}
	ports := func(nsaid uint8) engine.Ports {
		return engine.Ports{Protected: port(nsaid, uint16(nsaid)), Ordinary: port(bus.NSAIDDefault, uint16(nsaid))}
	}
	place := func(name string, base uint64, dev bus.Device) {
		add(bus.Region{Name: name, Base: base, Size: mediaSize, Dev: dev})
	}
	d.decoder = decoder.New(ports(bus.NSAIDDecoder), &m.clock, m.cfg.Events)
	d.decoder.IRQ = m.spi(spiDecoder)
	place("decoder", DecoderBase, d.decoder)
	d.transform = transform.New(ports(bus.NSAIDTransform), &m.clock, m.cfg.Events)
	d.transform.IRQ = m.spi(spiTransform)
	place("transform", TransformBase, d.transform)
	d.hdlcd = hdlcd.New(port(bus.NSAIDHDLCD, bus.NSAIDHDLCD), &m.clock, m.cfg.Events)
	d.hdlcd.IRQ, d.hdlcd.Display = m.spi(spiHDLCD), m.cfg.Display
	place("hdlcd", HDLCDBase, d.hdlcd)
	d.camera = camera.New(ports(bus.NSAIDCamera), &m.clock, m.cfg.Events)
	d.camera.IRQ = m.spi(spiCamera)
	place("camera", CameraBase, d.camera)
	d.encoder = encoder.New(ports(bus.NSAIDEncoder), &m.clock, m.cfg.Events)
	d.encoder.IRQ = m.spi(spiEncoder)
	place("encoder", EncoderBase, d.encoder)
	d.input = inputs.New(&m.clock, m.cfg.Input)
	d.input.IRQ = m.spi(spiInput)
	place("input", InputBase, d.input)
}

func (d *media) reset() {
	d.decoder.Reset()
	d.transform.Reset()
	d.hdlcd.Reset()
	d.camera.Reset()
	d.encoder.Reset()
	d.input.Reset()
}

// nodes are the device tree's nodes of the media masters. The binding of the HDLCD is arm,hdlcd.yaml; nothing is connected to its
// port, so that Linux's driver, which wants an encoder there, leaves it alone.
func (d *media) nodes() []*dt.Node {
	plain := func(name string, base uint64, compatible string, spi uint32) *dt.Node {
		return node(fmt.Sprintf("%s@%x", name, base), []dt.Property{
			text("compatible", compatible), reg(base, mediaSize), cells("interrupts", irqSPI, spi, irqLevelHigh),
		})
	}
	display := plain("hdlcd", HDLCDBase, "arm,hdlcd", spiHDLCD)
	display.Update(cells("clocks", phandlePixelClock))
	display.Update(text("clock-names", "pxlclk"))
	display.Children = append(display.Children, node("port", nil))
	return []*dt.Node{
		plain("video-decoder", DecoderBase, "gatehouse,decoder", spiDecoder),
		plain("transform", TransformBase, "gatehouse,transform", spiTransform),
		display,
		plain("camera", CameraBase, "gatehouse,camera", spiCamera),
		plain("video-encoder", EncoderBase, "gatehouse,encoder", spiEncoder),
		plain("input", InputBase, "gatehouse,input", spiInput),
		node("pxl-clk", []dt.Property{
			cells("phandle", phandlePixelClock), text("compatible", "fixed-clock"), cells("#clock-cells", 0),
			cells("clock-frequency", hdlcd.PixelClock), text("clock-output-names", "pxlclk"),
		}),
	}
}

// Frame gives a copy of what the display showed last, or nil, and how many frames it has shown since reset.
func (m *Machine) Frame() (*image.RGBA, uint64) { return m.media.hdlcd.Frame() }

// Touch enters a finger that goes down (pressed) or up at a place. It and Key are called on the machine's goroutine; see Do.
func (m *Machine) Touch(x, y uint16, pressed bool) { m.media.input.Touch(x, y, pressed) }

// Key enters a key that goes down (pressed) or up; code is that of Linux's input-event-codes.h.
func (m *Machine) Key(code uint16, pressed bool) { m.media.input.Key(code, pressed) }
