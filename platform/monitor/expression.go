package monitor

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"gatehouse/platform/cpu"
)

// maxDepth bounds how deep expressions nest.
const maxDepth = 50

// expression evaluates QEMU's expressions: numbers as in C, $REGISTER, parentheses, - + ~ before an operand, and between operands,
// from the strongest to the weakest, * / %, & | ^, + -. The last two groups stand in the order that QEMU's monitor has.
type expression struct {
	mon   *Monitor
	rest  string
	depth int
}

var (
	errDivision = errors.New("division by zero")
	errNesting  = errors.New("the expression nests too deep")
)

func (mon *Monitor) evaluate(s string) (uint64, error) {
	e := &expression{mon: mon, rest: s}
	v, err := e.sum()
	if err != nil {
		return 0, err
	}
	if e.peek() != 0 {
		return 0, fmt.Errorf("what does '%s' mean here?", printable(e.rest))
	}
	return v, nil
}

// peek gives the next character that is not a space, or 0 at the end.
func (e *expression) peek() byte {
	e.rest = strings.TrimLeft(e.rest, " \t")
	if e.rest == "" {
		return 0
	}
	return e.rest[0]
}

func (e *expression) sum() (uint64, error) {
	v, err := e.logic()
	for err == nil {
		op := e.peek()
		if op != '+' && op != '-' {
			break
		}
		e.rest = e.rest[1:]
		var o uint64
		o, err = e.logic()
		if op == '-' {
			o = -o
		}
		v += o
	}
	return v, err
}

func (e *expression) logic() (uint64, error) {
	v, err := e.product()
	for err == nil {
		op := e.peek()
		if op != '&' && op != '|' && op != '^' {
			break
		}
		e.rest = e.rest[1:]
		var o uint64
		o, err = e.product()
		switch op {
		case '&':
			v &= o
		case '|':
			v |= o
		case '^':
			v ^= o
		}
	}
	return v, err
}

func (e *expression) product() (uint64, error) {
	v, err := e.operand()
	for err == nil {
		op := e.peek()
		if op != '*' && op != '/' && op != '%' {
			break
		}
		e.rest = e.rest[1:]
		var o uint64
		if o, err = e.operand(); err != nil {
			break
		}
		switch {
		case op == '*':
			_, v = bits.Mul64(v, o)
		case o == 0:
			return 0, errDivision
		case op == '/':
			v /= o
		case op == '%':
			v %= o
		}
	}
	return v, err
}

func (e *expression) operand() (uint64, error) {
	if e.depth++; e.depth > maxDepth {
		return 0, errNesting
	}
	defer func() { e.depth-- }()
	c := e.peek()
	switch c {
	case 0:
		return 0, errors.New("an operand is missing")
	case '+', '-', '~':
		e.rest = e.rest[1:]
		v, err := e.operand()
		switch c {
		case '-':
			v = -v
		case '~':
			v = ^v
		}
		return v, err
	case '(':
		e.rest = e.rest[1:]
		v, err := e.sum()
		if err != nil {
			return 0, err
		}
		if e.peek() != ')' {
			return 0, errors.New("')' is missing")
		}
		e.rest = e.rest[1:]
		return v, nil
	case '\'':
		if len(e.rest) < 3 || e.rest[2] != '\'' {
			return 0, errors.New("a character stands between two '")
		}
		v := uint64(e.rest[1])
		e.rest = e.rest[3:]
		return v, nil
	case '$':
		e.rest = e.rest[1:]
		return e.mon.register(e.word())
	}
	w := e.word()
	v, err := strconv.ParseUint(w, 0, 64)
	if err != nil {
		if w == "" {
			w = e.rest[:1]
		}
		return 0, fmt.Errorf("'%s' is no number", printable(w))
	}
	return v, nil
}

// word takes letters, digits and underscores.
func (e *expression) word() string {
	n := strings.IndexFunc(e.rest, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	})
	if n < 0 {
		n = len(e.rest)
	}
	w := e.rest[:n]
	e.rest = e.rest[n:]
	return w
}

// register gives the value of a register of the selected processor, named in small letters or capitals.
func (mon *Monitor) register(name string) (uint64, error) {
	c := mon.m.CPU(mon.cpu)
	upper := strings.ToUpper(name)
	switch upper {
	case "PC":
		return c.PC, nil
	case "SP":
		return c.SP(), nil
	case "PSTATE", "CPSR":
		return uint64(c.PSTATE()), nil
	case "LR":
		return c.X[30], nil
	}
	if number, ok := strings.CutPrefix(upper, "X"); ok {
		if n, err := strconv.ParseUint(number, 10, 8); err == nil && n < 31 {
			return c.X[n], nil
		}
	}
	if v, ok := mon.systemRegister(c, upper); ok {
		return v, nil
	}
	return 0, fmt.Errorf("no register '%s'", printable(name))
}

func (mon *Monitor) systemRegister(c *cpu.CPU, name string) (uint64, bool) {
	key, ok := mon.sysRegs[name]
	if !ok {
		return 0, false
	}
	return c.ReadSysDebug(key)
}
