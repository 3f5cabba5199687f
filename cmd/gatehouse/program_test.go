package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// code is a program under construction, a raw image that starts at its first word. Encodings are those of the Arm
// Architecture Reference Manual (DDI 0487, C6.2).
type code []uint32

const (
	insHVC  = 0xd4000002
	insSMC  = 0xd4000003
	insHLT  = 0xd45e0000 // HLT #0xF000
	insSelf = 0x14000000 // B .
	insWFI  = 0xd503207f
)

func (p *code) word(w ...uint32) { *p = append(*p, w...) }

// mov sets xd to any value.
func (p *code) mov(d int, v uint64) {
	p.word(0xd2800000 | uint32(v&0xffff)<<5 | uint32(d))
	for hw := uint32(1); hw < 4; hw++ {
		if part := uint32(v >> (16 * hw) & 0xffff); part != 0 {
			p.word(0xf2800000 | hw<<21 | part<<5 | uint32(d))
		}
	}
}

// adr sets xd to the address of the word at index at.
func (p *code) adr(d, at int) {
	off := uint32(4 * (at - len(*p)))
	p.word(0x10000000 | off&3<<29 | off>>2&0x7ffff<<5 | uint32(d))
}

// branch goes to the word at index at.
func (p *code) branch(at int) { p.word(0x14000000 | uint32(at-len(*p))&0x3ffffff) }

// quad appends a 64-bit value.
func (p *code) quad(v uint64) { p.word(uint32(v), uint32(v>>32)) }

// put writes a byte to UART 0, through x9 and w10.
func (p *code) put(c byte) {
	p.mov(9, 0x09000000)
	p.mov(10, uint64(c))
	p.word(0xb9000000 | 9<<5 | 10) // STR W10, [X9]
}

// off ends the machine with PSCI SYSTEM_OFF over the given conduit.
func (p *code) off(conduit uint32) {
	p.mov(0, 0x84000008)
	p.word(conduit, insSelf)
}

// semihost calls an operation with a parameter block of the given words.
func (p *code) semihost(op uint64, block ...uint64) {
	skip := len(*p)
	p.word(0)
	data := len(*p)
	for _, v := range block {
		p.quad(v)
	}
	(*p)[skip] = 0x14000000 | uint32(len(*p)-skip)
	p.adr(1, data)
	p.mov(0, op)
	p.word(insHLT)
}

func (p code) bytes() []byte {
	var b []byte
	for _, w := range p {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// file writes the program where a command can read it.
func (p code) file(t testing.TB) string { return tempFile(t, "program.bin", p.bytes()) }

func tempFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}
