package difftest

import (
	"math/rand/v2"
)

// gen writes a block.
type gen struct {
	*rand.Rand
	b *block
}

func (g *gen) emit(words ...uint32) { g.b.words = append(g.b.words, words...) }

// n gives a random field of a number of bits.
func (g *gen) n(bits int) uint32 { return g.Uint32() & (1<<bits - 1) }

func (g *gen) chance(percent int) bool { return g.IntN(100) < percent }

// reg gives a register number, 31 included.
func (g *gen) reg() uint32 { return g.n(5) }

// pick gives one of the values.
func pick[T any](g *gen, values ...T) T { return values[g.IntN(len(values))] }

// value gives a register value: small numbers, ends of ranges, patterns and plain random ones.
func (g *gen) value() uint64 {
	switch g.IntN(10) {
	case 0:
		return uint64(g.IntN(8))
	case 1:
		return -uint64(g.IntN(8))
	case 2:
		return uint64(1)<<g.IntN(64) - uint64(g.IntN(3)) + 1
	case 3:
		return pick[uint64](g, 1<<63, 1<<63-1, 1<<31, 1<<31-1, 1<<32, 1<<32-1, 0xffff_ffff_8000_0000, 0xffff_ffff_0000_0000, 0x8000_0000_8000_0000)
	case 4:
		return uint64(g.Uint32())
	case 5:
		return uint64(int64(int32(g.Uint32())))
	case 6:
		return g.Uint64() & g.Uint64() & g.Uint64()
	}
	return g.Uint64()
}

// newBlock makes a block of steps instructions under test.
func newBlock(r *rand.Rand, gr *group, steps int) *block {
	b := &block{group: gr.name, faults: gr.faults}
	g := &gen{r, b}
	for i := range 31 {
		b.regs[i] = g.value()
	}
	b.regs[31] = bufferAddr + bufferSize/2 // SP, aligned
	b.nzcv = g.n(4) << 28
	for i := range b.memory {
		b.memory[i] = g.value()
	}
	for range steps {
		b.starts = append(b.starts, len(b.words))
		gr.step(g)
	}
	return b
}

// group is a kind of instructions. step emits one of them, after what prepares its operands.
type group struct {
	name  string
	steps int // per block
	step  func(g *gen)
	// faults says that each block ends in an exception.
	faults bool
	// max says that the instructions need more than Armv8.0 with CRC32, which is what Cortex-A57 has.
	max bool
	// share is the part of a small number of instructions that the group gets, in percent: 100 unless it is set.
	share int
}

// allGroups is a function because the mixed group refers to the others.
func allGroups() []group {
	return []group{
		{name: "add and subtract immediate", steps: 12, step: (*gen).addImmediate},
		{name: "logical immediate", steps: 12, step: (*gen).logicalImmediate},
		{name: "move wide", steps: 12, step: (*gen).moveWide},
		{name: "PC-relative", steps: 12, step: (*gen).pcRelative},
		{name: "bitfield and extract", steps: 12, step: (*gen).bitfield},
		{name: "shifted register", steps: 12, step: (*gen).shiftedRegister},
		{name: "extended register", steps: 12, step: (*gen).extendedRegister},
		{name: "carry and flags", max: true, steps: 12, step: (*gen).carry},
		{name: "conditional", steps: 12, step: (*gen).conditional},
		{name: "one source", steps: 12, step: (*gen).oneSource},
		{name: "two sources", steps: 12, step: (*gen).twoSources},
		{name: "three sources", steps: 12, step: (*gen).threeSources},
		{name: "branches", steps: 12, step: (*gen).branch},
		{name: "load and store", steps: 12, step: (*gen).loadStore},
		{name: "load and store register offset", steps: 8, step: (*gen).registerOffset},
		{name: "load and store pair", steps: 12, step: (*gen).pair},
		{name: "load literal", steps: 12, step: (*gen).literal},
		{name: "unprivileged", steps: 12, step: (*gen).unprivileged},
		{name: "exclusive", steps: 12, step: (*gen).exclusive},
		{name: "atomic", max: true, steps: 12, step: (*gen).atomic},
		{name: "compare and swap", max: true, steps: 12, step: (*gen).compareAndSwap},
		{name: "acquire and release", max: true, steps: 12, step: (*gen).ordered},
		{name: "pointer authentication", max: true, steps: 12, step: (*gen).pointerAuth},
		{name: "branches and loads with pointer authentication", max: true, steps: 8, step: (*gen).pointerAuthUse},
		{name: "system", max: true, steps: 12, step: (*gen).system},
		{name: "exceptions", steps: 1, step: (*gen).exception, faults: true, share: 15},
		{name: "data aborts", steps: 1, step: (*gen).dataAbort, faults: true, share: 15},
		{name: "instruction aborts", steps: 1, step: (*gen).instructionAbort, faults: true, share: 15},
		{name: "mixed", max: true, steps: 40, step: (*gen).mixed},
	}
}
