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
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// disassemble gives binutils' mnemonic of each word, or "" where it calls the word undefined.
func disassemble(t *testing.T, words []uint32) []string {
	t.Helper()
	const tool = "aarch64-linux-gnu-objdump"
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	var b bytes.Buffer
	for _, w := range words {
		b.Write(binary.LittleEndian.AppendUint32(nil, w))
	}
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-D", "-z", "-b", "binary", "-m", "aarch64", "-M", "no-aliases", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^\s*([0-9a-f]+):\t([0-9a-f]{8}) \t(\S+)(.*)$`)
	res := make([]string, 0, len(words))
	s := bufio.NewScanner(bytes.NewReader(out))
	for s.Scan() {
		m := line.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		w, _ := strconv.ParseUint(m[2], 16, 32)
		if i := len(res); i >= len(words) || words[i] != uint32(w) {
			t.Fatalf("objdump line %q is out of step", s.Text())
		}
		if strings.HasPrefix(m[3], ".") || strings.Contains(m[4], "undefined") {
			res = append(res, "")
		} else {
			res = append(res, m[3])
		}
	}
	if len(res) != len(words) {
		t.Fatalf("objdump gave %d of %d words", len(res), len(words))
	}
	return res
}

// foreign are mnemonics of extensions that this package does not decode.
var foreign = regexp.MustCompile(`^(` + strings.Join([]string{
	`aut.*|pac.*|xpac.*|bra[ab]z?|blra[ab]z?|reta[ab]|ereta[ab]|ldra[ab]`, // FEAT_PAuth
	`addg|subg|subps?|gmi|irg|st2?g|stz2?g|stgp|stzgm|ldgm?|stgm`,         // FEAT_MTE
	`ld64b|st64b(v0?)?`,                  // FEAT_LS64
	`tstart|tcommit|tcancel|ttest`,       // TME
	`cpy.*|set[gpme].*|bc\..*|wfet|wfit`, // FEAT_MOPS, FEAT_HBC, FEAT_WFxT
	`[us]m(ax|in)|cnt|ctz|abs`,           // FEAT_CSSC
	`udf|brb|chkfeat|sysp|mrrs|msrr|smstart|smstop|gcs.*`,
}, "|") + `)$`)

// TestDecodeAllocated compares which words are instructions with binutils, over random words of each class of the integer and
// system instructions and of their loads and stores.
func TestDecodeAllocated(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	classes := []struct {
		name       string
		value, fix uint32 // fixed bits and their values
	}{
		{"immediate", 0b100 << 26, 7 << 26},
		{"branch", 0b101 << 26, 7 << 26},
		{"system", 0xd5000000, 0xffc00000},
		{"exception", 0xd4000000, 0xff000000},
		{"hints", 0xd503201f, 0xfffff01f},
		{"register", 0b0101 << 25, 15 << 25},
		{"one source", 0x5ac00000, 0x7ffe0000},
		{"two sources", 0x1ac00000, 0x7fe00000},
		{"carry and flags", 0x1a000000, 0x1fe00000},
		{"load store", 0b0100 << 25, 0b0101<<25 | 1<<26},
		{"exclusive", 0x08000000, 0x3f000000},
		{"unscaled and register", 0x38000000, 0x3f000000},
		{"ordered unscaled", 0x19000000, 0x3f000000},
	}
	const n = 6000
	for _, c := range classes {
		t.Run(c.name, func(t *testing.T) {
			words := make([]uint32, n)
			for i := range words {
				words[i] = r.Uint32()&^c.fix | c.value
				if i%4 == 0 {
					// Fields that are often all ones or all zeros.
					words[i] = words[i]&^(31<<16)&^c.fix | 31<<16&^c.fix | c.value
				}
			}
			text := disassemble(t, words)
			bad := 0
			report := func(format string, a ...any) {
				if bad++; bad <= 20 {
					t.Errorf(format, a...)
				}
			}
			for i, w := range words {
				in := Decode(w, AllFeatures)
				switch {
				case (text[i] == "msr" || text[i] == "mrs") && w>>19&3 == 0 && in.Op == UDF:
					// op0 is 0: the space of hints, barriers and PSTATE accesses, of which binutils prints the rest as generic moves.
				case in.Op == UDF && text[i] != "" && !foreign.MatchString(text[i]):
					report("%#08x: undefined here, %q to binutils", w, text[i])
				case in.Op != UDF && text[i] == "" && !lax(w):
					report("%#08x: operation %d here, undefined to binutils", w, in.Op)
				}
			}
		})
	}
}

// lax reports words that binutils does not print although the architecture allocates them: exclusives whose should-be-one
// fields are not, and LDPSW where loading into the base or twice into one register is CONSTRAINED UNPREDICTABLE.
func lax(w uint32) bool {
	rt, rt2, rn := w&31, w>>10&31, w>>5&31
	switch {
	case w>>24&0x3f == 0b001000:
		return true
	case w>>25 == 0b0110100:
		return rt == rt2 || rn == rt || rn == rt2
	}
	return false
}

// TestDecodeFields checks decoded operands against the manual's assembler examples.
func TestDecodeFields(t *testing.T) {
	for _, c := range []struct {
		text string
		word uint32
		want Inst
	}{
		{"add x1, x2, #3", 0x91000c41, Inst{Op: ADDi64, Rd: 1, Rn: 2, Imm: 3}},
		{"sub sp, sp, #16", 0xd10043ff, Inst{Op: ADDi64, Rd: SP, Rn: SP, Imm: ^uint64(15)}},
		{"cmp w1, #1", 0x7100043f, Inst{Op: SUBSi32, Rd: Discard, Rn: 1, Imm: 1}},
		{"mov x0, x1", 0xaa0103e0, Inst{Op: MOV64, Rd: 0, Rn: ZR, Rm: 1}},
		{"movz x0, #1, lsl #16", 0xd2a00020, Inst{Op: MOVi, Imm: 0x10000}},
		{"movn w0, #0", 0x12800000, Inst{Op: MOVi, Imm: 0xffffffff}},
		{"lsl x0, x1, #4", 0xd37cec20, Inst{Op: UBFIZ, Rd: 0, Rn: 1, Opt: 4, Imm: 1<<60 - 1}},
		{"lsr w0, w1, #4", 0x53047c20, Inst{Op: UBFX, Rd: 0, Rn: 1, Opt: 4, Imm: 1<<28 - 1}},
		{"ldr x0, [sp, #8]", 0xf94007e0, Inst{Op: LDRXi, Rd: 0, Rn: SP, Size: 3, Imm: 8}},
		{"ldr xzr, [x1]", 0xf940003f, Inst{Op: LDRXi, Rd: Discard, Rn: 1, Size: 3}},
		{"str xzr, [x1]", 0xf900003f, Inst{Op: STRXi, Rd: ZR, Rn: 1, Size: 3}},
		{"stp x29, x30, [sp, #-16]!", 0xa9bf7bfd, Inst{Op: STPXpre, Rd: 29, Rn: SP, Ra: 30, Size: 3, Imm: ^uint64(15)}},
		{"b .-4", 0x17ffffff, Inst{Op: B, Imm: ^uint64(3)}},
		{"tbnz x3, #33, .+8", 0xb7080043, Inst{Op: TBNZ, Rn: 3, Opt: 33, Imm: 8}},
		{"ret", 0xd65f03c0, Inst{Op: RET, Rn: 30}},
		{"mrs x0, CurrentEL", 0xd5384240, Inst{Op: MRS, Rd: 0, Imm: uint64(Sys(3, 0, 4, 2, 2))}},
		{"udf #0", 0, Inst{Op: UDF}},
	} {
		if got := Decode(c.word, AllFeatures); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.text, got, c.want)
		}
	}
}

// TestBitMask checks all encodings against a direct construction: a run of ones, rotated, replicated.
func TestBitMask(t *testing.T) {
	for n := range uint32(2) {
		for imms := range uint32(64) {
			size, run := 0, 0
			switch {
			case n == 1:
				size, run = 64, int(imms)+1
			case imms>>5 == 0:
				size, run = 32, int(imms)+1
			case imms>>4 == 0b10:
				size, run = 16, int(imms&15)+1
			case imms>>3 == 0b110:
				size, run = 8, int(imms&7)+1
			case imms>>2 == 0b1110:
				size, run = 4, int(imms&3)+1
			case imms>>1 == 0b11110:
				size, run = 2, int(imms&1)+1
			}
			for immr := range uint32(64) {
				got, ok := BitMask(n, immr, imms, true)
				if size == 0 || run == size {
					if ok {
						t.Fatalf("N=%d immr=%d imms=%d: accepted a reserved value", n, immr, imms)
					}
					continue
				}
				var want uint64
				for bit := range 64 {
					if (bit+int(immr))%size < run {
						want |= 1 << bit
					}
				}
				if !ok || got != want {
					t.Fatalf("N=%d immr=%d imms=%d: %#x %v, want %#x", n, immr, imms, got, ok, want)
				}
			}
		}
	}
}

// TestFeatures checks that each extension's instructions are undefined without it.
func TestFeatures(t *testing.T) {
	for _, c := range []struct {
		text string
		word uint32
		need Features
	}{
		{"crc32b w0, w1, w2", 0x1ac24020, CRC},
		{"ldadd x0, x1, [x2]", 0xf8200041, LSE},
		{"cas x0, x1, [x2]", 0xc8a07c41, LSE},
		{"casp x0, x1, x2, x3, [x4]", 0x48207c82, LSE},
		{"ldapr x0, [x1]", 0xf8bfc020, LRCPC},
		{"ldapur x0, [x1, #1]", 0xd9401020, LRCPC2},
		{"rmif x0, #1, #2", 0xba008402, FlagM},
		{"axflag", 0xd500405f, FlagM2},
		{"msr PAN, #1", 0xd500419f, PAN},
		{"ldlar x0, [x1]", 0xc8df7c20, LOR},
		{"sb", 0xd50330ff, SB},
	} {
		t.Run(fmt.Sprintf("%#x", c.word), func(t *testing.T) {
			if got := Decode(c.word, AllFeatures); got.Op == UDF {
				t.Errorf("%s: undefined with every feature", c.text)
			}
			if got := Decode(c.word, AllFeatures&^c.need); got.Op != UDF {
				t.Errorf("%s: operation %d without its feature", c.text, got.Op)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint32(0xd503201f))
	f.Fuzz(func(t *testing.T, w uint32) {
		in := Decode(w, AllFeatures)
		if in.Op == Undecoded || in.Op == PageEnd {
			t.Fatalf("%#x decodes to the internal operation %d", w, in.Op)
		}
		if in.Op < FirstSIMD && in.Op >= FirstFree {
			t.Fatalf("%#x decodes to the unknown operation %d", w, in.Op)
		}
		if in.Op < FirstSIMD && (in.Rn == Discard || in.Rm == Discard && in.Op != STXR && in.Op != STXP || in.Rd == SP && in.Op >= FirstMemory && in.Op != MOVSP) {
			t.Fatalf("%#x: %+v reads what is never read, or writes the stack pointer unguarded", w, in)
		}
	})
}
