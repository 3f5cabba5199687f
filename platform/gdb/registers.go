package gdb

import (
	"encoding/binary"
	"fmt"
	"strings"

	"gatehouse/platform/cpu"
)

// register is one register of the target description. Its place in the description is its number.
type register struct {
	name    string
	feature string
	size    int    // bytes
	typ     string // a type of GDB's or of the description
	group   string
	get     func(c *cpu.CPU) (lo, hi uint64, ok bool)
	set     func(c *cpu.CPU, lo, hi uint64) bool
}

type registers []register

// general is how many registers the packets g and G carry: those of the core and floating point.
const general = 31 + 3 + 32 + 2

// Names of features: those that GDB knows for AArch64 (G.5.1), and for each exception level its system registers.
const (
	featureCore = "org.gnu.gdb.aarch64.core"
	featureFPU  = "org.gnu.gdb.aarch64.fpu"
	featureSys  = "org.gatehouse.aarch64.system.el"
)

// describe gives the registers that a processor has.
func describe(c *cpu.CPU) registers {
	var r registers
	for i := range 31 {
		r = append(r, register{fmt.Sprintf("x%d", i), featureCore, 8, "int", "",
			func(c *cpu.CPU) (uint64, uint64, bool) { return c.X[i], 0, true },
			func(c *cpu.CPU, v, _ uint64) bool { c.X[i] = v; return true }})
	}
	r = append(r,
		register{"sp", featureCore, 8, "data_ptr", "",
			func(c *cpu.CPU) (uint64, uint64, bool) { return c.SP(), 0, true },
			func(c *cpu.CPU, v, _ uint64) bool { c.SetSP(v); return true }},
		register{"pc", featureCore, 8, "code_ptr", "",
			func(c *cpu.CPU) (uint64, uint64, bool) { return c.PC, 0, true },
			func(c *cpu.CPU, v, _ uint64) bool { c.SetPC(v); return true }},
		register{"cpsr", featureCore, 4, "cpsr_flags", "",
			func(c *cpu.CPU) (uint64, uint64, bool) { return uint64(c.PSTATE()), 0, true },
			func(c *cpu.CPU, v, _ uint64) bool { c.SetPSTATE(uint32(v)); return true }})
	for i := range 32 {
		r = append(r, register{fmt.Sprintf("v%d", i), featureFPU, 16, "aarch64v", "",
			func(c *cpu.CPU) (uint64, uint64, bool) { return c.V[i][0], c.V[i][1], true },
			func(c *cpu.CPU, lo, hi uint64) bool { c.V[i] = [2]uint64{lo, hi}; return true }})
	}
	r = append(r,
		register{"fpsr", featureFPU, 4, "int", "float",
			func(c *cpu.CPU) (uint64, uint64, bool) { return uint64(c.FPSR), 0, true },
			func(c *cpu.CPU, v, _ uint64) bool { c.SetFPSR(uint32(v)); return true }},
		register{"fpcr", featureFPU, 4, "int", "float",
			func(c *cpu.CPU) (uint64, uint64, bool) { return uint64(c.FPCR), 0, true },
			func(c *cpu.CPU, v, _ uint64) bool { c.SetFPCR(uint32(v)); return true }})
	for el := range 4 {
		for _, key := range cpu.SysRegisters() {
			name := cpu.SysName(key)
			if levelOf(name, key) != el || name == "FPCR" || name == "FPSR" {
				continue
			}
			if _, ok := c.ReadSysDebug(key); !ok {
				continue
			}
			r = append(r, register{name, fmt.Sprint(featureSys, el), 8, "int", "system",
				func(c *cpu.CPU) (uint64, uint64, bool) {
					v, ok := c.ReadSysDebug(key)
					return v, 0, ok
				},
				func(c *cpu.CPU, v, _ uint64) bool { return c.WriteSysDebug(key, v) }})
		}
	}
	return r
}

// levelOf gives the exception level that a system register belongs to: its name says it, or else the lowest that may access it.
func levelOf(name string, key uint16) int {
	if i := strings.LastIndex(name, "_EL"); i >= 0 && len(name) == i+4 {
		return int(name[i+3] - '0')
	}
	switch key >> 11 & 7 {
	case 3:
		return 0
	case 4, 5:
		return 2
	case 6:
		return 3
	}
	return 1
}

// size is the number of bytes of the registers in g.
func (r registers) size() int {
	n := 0
	for _, reg := range r[:general] {
		n += reg.size
	}
	return n
}

// append adds the register's value in the processor's byte order; "xx" stands for bytes that cannot be read.
func (r *register) append(dst []byte, c *cpu.CPU) []byte {
	lo, hi, ok := r.get(c)
	if !ok {
		return append(dst, strings.Repeat("xx", r.size)...)
	}
	b := binary.LittleEndian.AppendUint64(nil, lo)
	b = binary.LittleEndian.AppendUint64(b, hi)
	return appendHex(dst, b[:r.size])
}

// write sets the register. It is false for a value of another size, and where the register cannot be written.
func (r *register) write(c *cpu.CPU, p []byte) bool {
	if len(p) != r.size {
		return false
	}
	var b [16]byte
	copy(b[:], p)
	return r.set(c, binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:]))
}

// types are the types of the vector registers and of the flags, as GDB has them for its own descriptions.
var types = map[string]string{
	featureCore: `<flags id="cpsr_flags" size="4">` + flags() + `</flags>`,
	featureFPU: `<vector id="v2d" type="ieee_double" count="2"/><vector id="v2u" type="uint64" count="2"/><vector id="v2i" type="int64" count="2"/>` +
		`<vector id="v4f" type="ieee_single" count="4"/><vector id="v4u" type="uint32" count="4"/><vector id="v4i" type="int32" count="4"/>` +
		`<vector id="v8f" type="ieee_half" count="8"/><vector id="v8u" type="uint16" count="8"/><vector id="v8i" type="int16" count="8"/>` +
		`<vector id="v16u" type="uint8" count="16"/><vector id="v16i" type="int8" count="16"/>` +
		`<vector id="v1u" type="uint128" count="1"/><vector id="v1i" type="int128" count="1"/>` +
		`<union id="vnd"><field name="f" type="v2d"/><field name="u" type="v2u"/><field name="s" type="v2i"/></union>` +
		`<union id="vns"><field name="f" type="v4f"/><field name="u" type="v4u"/><field name="s" type="v4i"/></union>` +
		`<union id="vnh"><field name="f" type="v8f"/><field name="u" type="v8u"/><field name="s" type="v8i"/></union>` +
		`<union id="vnb"><field name="u" type="v16u"/><field name="s" type="v16i"/></union>` +
		`<union id="vnq"><field name="u" type="v1u"/><field name="s" type="v1i"/></union>` +
		`<union id="aarch64v"><field name="d" type="vnd"/><field name="s" type="vns"/><field name="h" type="vnh"/>` +
		`<field name="b" type="vnb"/><field name="q" type="vnq"/></union>`,
}

// flags are the fields of PSTATE (DDI 0487, C5.2.19).
func flags() string {
	var b strings.Builder
	for _, f := range []struct {
		name string
		bit  int
	}{{"SP", 0}, {"F", 6}, {"I", 7}, {"A", 8}, {"D", 9}, {"SSBS", 12}, {"IL", 20}, {"SS", 21}, {"PAN", 22}, {"UAO", 23},
		{"V", 28}, {"C", 29}, {"Z", 30}, {"N", 31}} {
		fmt.Fprintf(&b, `<field name="%s" start="%d" end="%d"/>`, f.name, f.bit, f.bit)
		if f.name == "SP" {
			b.WriteString(`<field name="EL" start="2" end="3"/><field name="nRW" start="4" end="4"/>`)
		}
	}
	return b.String()
}

// xml is the target description (G.1).
func (r registers) xml() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0"><architecture>aarch64</architecture>` + "\n")
	feature := ""
	for i, reg := range r {
		if reg.feature != feature {
			if feature != "" {
				b.WriteString("</feature>\n")
			}
			feature = reg.feature
			fmt.Fprintf(&b, "<feature name=%q>%s\n", feature, types[feature])
		}
		fmt.Fprintf(&b, `<reg name="%s" bitsize="%d" regnum="%d" type="%s"`, reg.name, 8*reg.size, i, reg.typ)
		if reg.group != "" {
			fmt.Fprintf(&b, ` group="%s"`, reg.group)
		}
		b.WriteString("/>\n")
	}
	b.WriteString("</feature></target>\n")
	return b.String()
}
