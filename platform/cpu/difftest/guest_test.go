package difftest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Addresses that testdata/guest.c and link.ld fix.
const (
	exitAddr   = 0x4020_0000 // block_exit
	listAddr   = 0x4100_0000
	listEnd    = 0x4280_0000 // nothing is mapped behind
	bufferAddr = 0x4080_0e00
	bufferSize = 1024
	readOnly   = 0x42a0_0000
)

// block is one test: instructions, and the state that they start from.
type block struct {
	group string
	// faults says that an exception ends the block.
	faults bool
	// words are the instructions. starts holds the index of the first word of each step: instructions under test with what
	// prepares their operands.
	words  []uint32
	starts []int
	regs   [34]uint64 // x0 to x30, SP, FPCR, FPSR
	nzcv   uint32     // in bits 31 to 28
	memory [bufferSize / 8]uint64
}

// prefix is the block cut behind its first n words: execution leaves from there on, wherever it gets to.
func (b *block) prefix(n int) *block {
	c := *b
	c.words = append([]uint32(nil), b.words...)
	for i := n; i < len(c.words); i++ {
		c.words[i] = 0
	}
	return &c
}

// slack is the number of words behind a block that its branches may reach.
const slack = 8

// list makes what guest.c finds at LIST.
func list(blocks []*block, dump bool) []byte {
	const inputWords = 3 + 34
	code := uint64(listAddr + 16 + 8*inputWords*len(blocks))
	memory := code
	for _, b := range blocks {
		memory += uint64(4 * (len(b.words) + slack))
	}
	memory = (memory + 63) &^ 63
	if memory+uint64(len(blocks)*bufferSize) > listEnd {
		panic("BUG: the list is too long")
	}

	words := []uint64{uint64(len(blocks)), 0}
	if dump {
		words[1] = 1
	}
	var text []uint32
	for i, b := range blocks {
		pc := code + uint64(4*len(text))
		const el1h, masked = 5, 15 << 6
		words = append(words, pc, memory+uint64(i*bufferSize), uint64(b.nzcv)&(15<<28)|el1h|masked)
		words = append(words, b.regs[:]...)
		for k := range len(b.words) + slack {
			if k < len(b.words) && b.words[k] != 0 {
				text = append(text, b.words[k])
				continue
			}
			offset := int64(exitAddr) - int64(pc) - int64(4*k)
			text = append(text, 0x1400_0000|uint32(offset>>2)&(1<<26-1)) // B block_exit
		}
	}
	var out bytes.Buffer
	write := func(v any) {
		if err := binary.Write(&out, binary.LittleEndian, v); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	write(words)
	write(text)
	out.Write(make([]byte, int(memory-listAddr)-out.Len()))
	for _, b := range blocks {
		write(b.memory[:])
	}
	return out.Bytes()
}

// outcome is what a block left behind, as guest.c prints it in a dump.
type outcome struct {
	x                                [31]uint64
	sp, nzcv, fpcr, fpsr             uint64
	tpidrEL0, tpidrroEL0, contextidr uint64
	exception, esr, elr, far         uint64
	memory                           map[int]uint64 // words that changed
}

func parseOutcome(line string) (outcome, error) {
	o := outcome{memory: make(map[int]uint64)}
	fields := []*uint64{&o.sp, &o.nzcv, &o.fpcr, &o.fpsr, &o.tpidrEL0, &o.tpidrroEL0, &o.contextidr, &o.exception, &o.esr, &o.elr, &o.far}
	words := strings.Fields(line)
	if len(words) < len(o.x)+len(fields) {
		return o, fmt.Errorf("%d words: %q", len(words), line)
	}
	for i, w := range words {
		offset, value, changed := strings.Cut(w, ":")
		if changed {
			w = value
		}
		v, err := strconv.ParseUint(w, 16, 64)
		if err != nil {
			return o, err
		}
		switch {
		case changed:
			at, err := strconv.ParseUint(offset, 16, 16)
			if err != nil {
				return o, err
			}
			o.memory[int(at)] = v
		case i < len(o.x):
			o.x[i] = v
		default:
			*fields[i-len(o.x)] = v
		}
	}
	return o, nil
}

// differences lists what o has otherwise than want, by name.
func (o *outcome) differences(want *outcome) []string {
	var d []string
	compare := func(name string, a, b uint64) {
		if a != b {
			d = append(d, fmt.Sprintf("%s: Gatehouse %#x, QEMU %#x", name, a, b))
		}
	}
	for i := range o.x {
		compare("x"+strconv.Itoa(i), o.x[i], want.x[i])
	}
	compare("sp", o.sp, want.sp)
	compare("nzcv", o.nzcv, want.nzcv)
	compare("fpcr", o.fpcr, want.fpcr)
	compare("fpsr", o.fpsr, want.fpsr)
	compare("tpidr_el0", o.tpidrEL0, want.tpidrEL0)
	compare("tpidrro_el0", o.tpidrroEL0, want.tpidrroEL0)
	compare("contextidr_el1", o.contextidr, want.contextidr)
	compare("exception", o.exception, want.exception)
	compare("esr_el1", o.esr, want.esr)
	compare("elr_el1", o.elr, want.elr)
	compare("far_el1", o.far, want.far)
	for at := 0; at < bufferSize; at += 8 {
		compare(fmt.Sprintf("memory %#x", bufferAddr+at), o.memory[at], want.memory[at])
	}
	return d
}
