package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"

	"gatehouse/platform"
)

// format is what stands behind the slash of x, xp and p.
type format struct {
	count  int
	letter byte // x d u o c i
	size   int  // of an element in bytes
}

// maxCount bounds the elements of one command.
const maxCount = 1 << 16

// parseFormat reads a count, a letter and a size, all of which may be missing.
func parseFormat(s string) (format, error) {
	f := format{count: 1, letter: 'x', size: 4}
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits > 0 {
		n, err := strconv.Atoi(s[:digits])
		if err != nil || n < 1 || n > maxCount {
			return f, fmt.Errorf("a count is 1 to %d", maxCount)
		}
		f.count = n
	}
	sized := false
	for _, c := range []byte(s[digits:]) {
		switch c {
		case 'x', 'd', 'u', 'o', 'c', 'i':
			f.letter = c
			if c == 'c' && !sized {
				f.size = 1
			}
		case 'b', 'h', 'w', 'g':
			f.size, sized = map[byte]int{'b': 1, 'h': 2, 'w': 4, 'g': 8}[c], true
		default:
			return f, fmt.Errorf("'%s' is no format: want a count, one of x d u o c i, and one of b h w g", printable(string(c)))
		}
	}
	if f.letter == 'i' {
		f.size = 4
	}
	return f, nil
}

// digits is how many characters an element takes.
func (f *format) digits() int {
	switch f.letter {
	case 'o':
		return (8*f.size + 2) / 3
	case 'x':
		return 2 * f.size
	}
	return map[int]int{1: 3, 2: 5, 4: 10, 8: 20}[f.size]
}

// text gives one element as QEMU shows it, but for d: QEMU leaves out the sign of what is shorter than 8 bytes.
func (f *format) text(v uint64) string {
	switch f.letter {
	case 'o':
		return fmt.Sprintf("%#*o", f.digits(), v)
	case 'u':
		return fmt.Sprintf("%*d", f.digits(), v)
	case 'd':
		shift := 64 - 8*f.size
		return fmt.Sprintf("%*d", f.digits(), int64(v<<shift)>>shift)
	case 'c':
		return "'" + character(byte(v)) + "'"
	}
	return fmt.Sprintf("0x%0*x", f.digits(), v)
}

func character(c byte) string {
	switch c {
	case '\'':
		return `\'`
	case '\\':
		return `\\`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	}
	if c < ' ' || c > '~' {
		return fmt.Sprintf(`\x%02x`, c)
	}
	return string(rune(c))
}

func (mon *Monitor) print(w io.Writer, how, args string) error {
	f, err := parseFormat(how)
	if err != nil {
		return err
	}
	v, err := mon.evaluate(args)
	if err != nil {
		return err
	}
	switch f.letter {
	case 'o':
		fmt.Fprintf(w, "%#o\n", v)
	case 'u':
		fmt.Fprintln(w, v)
	case 'd':
		fmt.Fprintln(w, int64(v))
	case 'c':
		fmt.Fprintf(w, "'%s'\n", character(byte(v)))
	case 'i':
		return errors.New("a number is no instruction: use x/i")
	default:
		fmt.Fprintf(w, "%#x\n", v)
	}
	return nil
}

// reader gives memory up to the first byte that cannot be read, and why that cannot.
type reader func(addr uint64, p []byte) (int, error)

var errVirtual = errors.New("cannot be read: no translation, no RAM, or denied by the firewall")

func (mon *Monitor) dumpVirtual(w io.Writer, how, args string) error {
	return mon.dump(w, how, args, func(addr uint64, p []byte) (int, error) {
		n := mon.m.CPU(mon.cpu).Peek(addr, p)
		if n < len(p) {
			return n, errVirtual
		}
		return n, nil
	})
}

func (mon *Monitor) dumpPhysical(w io.Writer, how, args string) error {
	return mon.dump(w, how, args, func(addr uint64, p []byte) (int, error) {
		n, err := mon.m.ReadPhysical(mon.cpu, addr, p)
		switch {
		case errors.Is(err, platform.ErrDenied):
			err = errors.New("denied")
		case err != nil:
			err = fmt.Errorf("cannot be read: %w", err)
		}
		return n, err
	})
}

func (mon *Monitor) dump(w io.Writer, how, args string, read reader) error {
	f, err := parseFormat(how)
	if err != nil {
		return err
	}
	addr, err := mon.evaluate(args)
	if err != nil {
		return err
	}
	perLine := max(1, 16/f.size)
	switch {
	case f.size == 1:
		perLine = 8
	case f.letter == 'i':
		perLine = 1
	}
	var b [8]byte
	for i := range f.count {
		if i%perLine == 0 {
			fmt.Fprintf(w, "%016x:", addr)
		}
		clear(b[:])
		if n, err := read(addr, b[:f.size]); n < f.size {
			fmt.Fprintf(w, " %v\n", err)
			return nil
		}
		if f.letter == 'i' {
			word := binary.LittleEndian.Uint32(b[:])
			fmt.Fprintf(w, "  %08x  %s", word, disassemble(addr, word, b[:4]))
		} else {
			fmt.Fprint(w, " ", f.text(binary.LittleEndian.Uint64(b[:])))
		}
		if i%perLine == perLine-1 || i == f.count-1 {
			fmt.Fprintln(w)
		}
		addr += uint64(f.size)
	}
	return nil
}

// disassemble gives an instruction in GNU syntax, with addresses in place of what is relative to its own. What the disassembler
// does not know, or fails at, is a number: memory can hold any word, and the package states nothing about those that are not
// allocated.
func disassemble(addr uint64, word uint32, code []byte) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf(".inst 0x%08x", word)
		}
	}()
	inst, err := arm64asm.Decode(code)
	if err != nil {
		return fmt.Sprintf(".inst 0x%08x", word)
	}
	text = strings.TrimSpace(arm64asm.GNUSyntax(inst))
	for _, a := range inst.Args {
		if rel, ok := a.(arm64asm.PCRel); ok {
			base := addr
			if inst.Op == arm64asm.ADRP {
				base &^= 0xfff
			}
			text = strings.ReplaceAll(text, rel.String(), fmt.Sprintf("%#x", base+uint64(int64(rel))))
		}
	}
	return text
}
