package a64

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"

	"gatehouse/platform/internal/qemutest"
)

const objdump = "aarch64-linux-gnu-objdump"

// objdumpWords gives the mnemonic of each word, empty for words that are not allocated, and the text behind it.
func objdumpWords(t *testing.T, words []uint32) (mnemonics, operands []string) {
	t.Helper()
	qemutest.Require(t, objdump)
	name := filepath.Join(t.TempDir(), "words")
	var blob []byte
	for _, w := range words {
		blob = binary.LittleEndian.AppendUint32(blob, w)
	}
	if err := os.WriteFile(name, blob, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(objdump, "-D", "-z", "-b", "binary", "-m", "aarch64", "-M", "no-aliases", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		f := strings.SplitN(lines.Text(), "\t", 4) // address, word, mnemonic, operands
		if len(f) < 3 {
			continue
		}
		f = append(f, "")
		if f[2] == ".inst" || f[2] == "udf" {
			f[2] = ""
		}
		mnemonics, operands = append(mnemonics, f[2]), append(operands, f[3])
	}
	if len(mnemonics) != len(words) {
		t.Fatalf("objdump gave %d lines for %d words", len(mnemonics), len(words))
	}
	return mnemonics, operands
}

// copies begin the mnemonics of FEAT_MOPS, which has a place among the loads and stores of V registers.
var copies = []string{"cpyp", "cpym", "cpye", "setg"}

// reserved tells words with bit 22 set that binutils 2.40 takes for FMLAL, FMLSL, FMLAL2 and FMLSL2.
func reserved(w uint32) bool { return w&0xbf60fc00 == 0x0e60ec00 || w&0xbf60fc00 == 0x2e60cc00 }

// simdWords draws words of the floating point and Advanced SIMD groups and of their loads and stores.
func simdWords(rng *rand.Rand, n int) []uint32 {
	// Groups with few free bits are rare among random words.
	groups := []struct{ mask, bits uint32 }{
		{0x0e000000, 0x0e000000},
		{0x0e000000, 0x0c000000}, {0x0e000000, 0x0c000000}, // bit 25 clear, bit 27 and 26 set: loads and stores
		{0x9f200400, 0x0e200400}, {0x9f208400, 0x0e008400}, {0x9f200c00, 0x0e200000}, {0x9f3e0c00, 0x0e200800},
		{0x9f3e0c00, 0x0e300800}, {0x9f7e0c00, 0x0e780800}, {0x9f60c400, 0x0e400400}, {0x9f000400, 0x0f000000},
		{0x9f800400, 0x0f000400}, {0x9ff80400, 0x0f000400}, {0x9fe08400, 0x0e000400}, {0xbf208000, 0x0e000000},
		{0xbf208400, 0x2e000000}, {0xdf200400, 0x5e200400}, {0xdf208400, 0x5e008400}, {0xdf200c00, 0x5e200000},
		{0xdf3e0c00, 0x5e200800}, {0xdf3e0c00, 0x5e300800}, {0xdf000400, 0x5f000000}, {0xdf800400, 0x5f000400},
		{0xdfe08400, 0x5e000400}, {0xff207c00, 0x1e204000}, {0xff200000, 0x1e200000}, {0xff203c00, 0x1e202000},
		{0x7f20fc00, 0x1e200000}, {0x7f200000, 0x1e000000}, {0xff3e0c00, 0x4e280800}, {0xff208c00, 0x5e000000},
		{0xff3e0c00, 0x5e280800}, {0xff000000, 0xce000000}, {0xfffff000, 0xcec08000},
		{0xbf200000, 0x0c000000}, {0xbf000000, 0x0d000000}, {0x3f000000, 0x3c000000}, {0xbf9f0000, 0x0c000000}, {0xbf9f0000, 0x0d000000},
	}
	words := make([]uint32, n)
	for i := range words {
		g := groups[i%len(groups)]
		words[i] = rng.Uint32()&^g.mask | g.bits
	}
	return words
}

// TestSIMDObjdump compares what is allocated, and under which name, with the disassembler of GNU binutils.
func TestSIMDObjdump(t *testing.T) {
	words := simdWords(rand.New(rand.NewPCG(3, 0)), 400_000)
	mnemonics, operands := objdumpWords(t, words)
	seen := map[string]int{}
	reported := map[string]int{}
	for i, w := range words {
		m := mnemonics[i]
		if len(m) > 3 && slices.Contains(copies, m[:4]) || reserved(w) {
			m = "" // to be refused
		}
		in, ok := decodeSIMD(w)
		name := ""
		if ok {
			name = SIMDName(in.Op)
			seen[name]++
		}
		// Second halves have a name of their own in assembly; FMLAL2 and its kind have one in the table as well.
		if name == m || name+"2" == m {
			continue
		}
		key := fmt.Sprintf("%q is %q", name, m)
		if reported[key]++; reported[key] <= 3 {
			t.Errorf("%08x: %s %s", w, key, operands[i])
		}
	}
	for op := FirstSIMD; op < EndSIMD; op++ {
		if seen[SIMDName(op)] == 0 {
			t.Errorf("%s never came up", SIMDName(op))
		}
	}
}

// aliases are the preferred names of golang.org/x/arch for some forms of instructions.
var aliases = map[string][]string{
	"dup": {"mov"}, "ins": {"mov"}, "umov": {"mov"}, "orr": {"mov"}, "not": {"mvn"},
	"sshll": {"sxtl", "sxtl2"}, "ushll": {"uxtl", "uxtl2"},
}

// TestSIMDArch compares with the disassembler of golang.org/x/arch, which knows fewer instructions.
func TestSIMDArch(t *testing.T) {
	known := 0
	for _, w := range simdWords(rand.New(rand.NewPCG(4, 0)), 200_000) {
		x, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, w))
		if err != nil {
			continue
		}
		known++
		want := strings.ToLower(x.Op.String())
		in, ok := decodeSIMD(w)
		if name := SIMDName(in.Op); !ok || name != want && name+"2" != want && !slices.Contains(aliases[name], want) {
			t.Errorf("%08x: allocated %v, %q is %v", w, ok, name, x)
		}
	}
	if known < 20_000 {
		t.Errorf("only %d words", known)
	}
}

// FuzzDecodeSIMD: what is decoded has fields in the ranges that execution relies on.
func FuzzDecodeSIMD(f *testing.F) {
	for _, w := range simdWords(rand.New(rand.NewPCG(5, 0)), 200) {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w uint32) {
		if w>>26&1 == 0 || w>>27&1 == 0 {
			return // not of the group
		}
		in, ok := decodeSIMD(w)
		if !ok {
			return
		}
		fail := func(what string) { t.Errorf("%08x %s %+v: %s", w, SIMDName(in.Op), in, what) }
		if in.Op < FirstSIMD || in.Op >= EndSIMD || SIMDName(in.Op) == "" {
			fail("operation")
			return
		}
		lanes := uint64(16) >> in.Size
		switch in.Op {
		case VDUPV, VINSX, VINSV, VUMOV, VSMOVW, VSMOVX, VMULE, VMLAE, VSQDMULHE, VFMLAE, VFMULXE, VSMULLE, VSDOTE, VUSDOTE, VSUDOTE, VBFDOTE:
			if in.Imm >= lanes || in.Op == VINSV && uint64(in.Ra) >= lanes {
				fail("lane")
			}
		case VSSHR, VUSHR, VSRSHR, VURSHR, VSRI, VSSRA, VUSRA:
			if in.Ra == 0 || in.Ra > 8<<in.Size {
				fail("shift right")
			}
		case VSHL, VSLI, VSQSHLI, VUQSHLI, VSQSHLU, VSSHLL, VUSHLL:
			if in.Ra >= 8<<in.Size {
				fail("shift left")
			}
		case VSHRN, VRSHRN, VSQSHRN, VUQRSHRN, VSQRSHRUN:
			if in.Ra == 0 || in.Ra > 8<<in.Size || in.Size > 2 {
				fail("narrowing shift")
			}
		case VTBL, VTBX:
			if in.Ra < 1 || in.Ra > 4 {
				fail("table registers")
			}
		case VEXT:
			if in.Imm >= uint64(in.Opt) {
				fail("byte position")
			}
		case VLD1, VLD2, VLD3, VLD4, VST1, VST2, VST3, VST4:
			if in.Ra < 1 || in.Ra > 4 || in.Opt != 8 && in.Opt != 16 || in.Size > 3 {
				fail("structures")
			}
		case VLD1L, VLD2L, VLD3L, VLD4L, VST1L, VST2L, VST3L, VST4L:
			if in.Ra < 1 || in.Ra > 4 || uint64(in.Opt) >= lanes || in.Size > 3 {
				fail("structure")
			}
		}
		switch {
		case in.Op >= FirstSIMDMem:
			if in.Size > 4 || in.Rd > 31 || in.Rm > ZR || in.Op != VLDRLit && (in.Rn == ZR || in.Rn > SP) {
				fail("registers or size of an access")
			}
			return
		case in.Op >= VADD && in.Op < VAESE && in.Op != VMOVI && in.Op != BFCVT:
			switch in.Opt {
			case 1, 2, 4, 8, 16:
			default:
				fail("length")
			}
		}
		if in.Size > 3 || in.Rn > 31 || in.Rm > 31 || in.Rd > 31 && in.Rd != Discard {
			fail("registers or size")
		}
	})
}
