package conform

import (
	"fmt"
	"strings"

	"gatehouse/ffa"
	"gatehouse/smc"
)

// pattern is one form that a reply may take: plain data, register by register.
type pattern struct {
	// A register passes when its bits under mask are those of value.
	mask, value [numRegisters]uint64
	// kept are the registers that must hold what the caller put there, loose those that may hold that or zero: one bit each.
	kept, loose uint32
}

const numRegisters = len(Registers{})

// all is the mask of a register that is compared as a whole. An upper half that is not zero is a fault as well: callers
// compare 64 bits.
const all = ^uint64(0)

// upper is the mask of a register of which only the lower half may hold something.
const upper = all &^ (1<<32 - 1)

// Want is what a reply has to be: one of some patterns.
type Want struct {
	text string
	any  []pattern
}

// Registers that no reply of eight registers returns. SMCCC wants them unchanged; FF-A 1.2 has SPMCs that clear them.
const extended = 0x3FF00

// or joins what two wants allow.
func (w Want) or(o Want) Want {
	return Want{w.text + " or " + o.text, append(append([]pattern{}, w.any...), o.any...)}
}

// as gives a want its own words.
func (w Want) as(text string) Want {
	w.text = text
	return w
}

// match compares a reply with each pattern. It gives the differences from the pattern that fits best, or nothing.
func (w Want) match(in, out *Registers) []string {
	var best []string
	for i := range w.any {
		d := w.any[i].diff(in, out)
		if len(d) == 0 {
			return nil
		}
		if best == nil || len(d) < len(best) {
			best = d
		}
	}
	return best
}

func (p *pattern) diff(in, out *Registers) (d []string) {
	for i, v := range out {
		bit := uint32(1) << i
		switch {
		case p.kept&bit != 0 && v != in[i]:
			d = append(d, fmt.Sprintf("x%d = %#x, was %#x and must stay", i, v, in[i]))
		case p.loose&bit != 0 && v != in[i] && v != 0:
			d = append(d, fmt.Sprintf("x%d = %#x, was %#x and must stay or become 0", i, v, in[i]))
		case v&p.mask[i] != p.value[i]:
			text := fmt.Sprintf("x%d = %#x, want %#x", i, v, p.value[i])
			if p.mask[i] != all {
				text += fmt.Sprintf(" under mask %#x", p.mask[i])
			}
			d = append(d, text)
		}
	}
	return d
}

// ffaReply is a reply of FF-A: the registers given, zeros up to x7.
func ffaReply(values ...uint64) pattern {
	p := pattern{loose: extended}
	for i := range 8 {
		p.mask[i] = all
	}
	copy(p.value[:], values)
	return p
}

// success is FFA_SUCCESS_32 with w2 and the following.
func success(words ...uint32) Want {
	p := ffaReply(uint64(ffa.Success32))
	text := "FFA_SUCCESS"
	for i, w := range words {
		p.value[2+i] = uint64(w)
		text += fmt.Sprintf(" w%d=%#x", 2+i, w)
	}
	return Want{text, []pattern{p}}
}

// successWith is FFA_SUCCESS_32 where w2 to w(1+n) hold anything of 32 bits.
func successWith(n int, text string) Want {
	p := ffaReply(uint64(ffa.Success32))
	for i := 2; i < 2+n; i++ {
		p.mask[i] = upper
	}
	return Want{"FFA_SUCCESS with " + text, []pattern{p}}
}

// failure is FFA_ERROR with one of the codes.
func failure(codes ...ffa.Error) Want {
	w := Want{}
	var names []string
	for _, c := range codes {
		w.any = append(w.any, ffaReply(uint64(ffa.Error32), 0, uint64(uint32(c))))
		names = append(names, c.String())
	}
	w.text = "FFA_ERROR " + strings.Join(names, " or ")
	return w
}

// anyFailure is FFA_ERROR with any code of the specification.
func anyFailure() Want {
	w := failure(ffa.NotSupported, ffa.InvalidParameters, ffa.NoMemory, ffa.Busy, ffa.Denied, ffa.Retry, ffa.Aborted, ffa.NoData)
	return w.as("FFA_ERROR")
}

// returns is a reply of SMCCC: x0 and the following as given, the rest of x0 to x3 undefined, x4 to x17 unchanged
// (DEN0028, "Results").
func returns(text string, values ...uint64) Want {
	p := pattern{kept: 0x3FFF0}
	for i, v := range values {
		p.mask[i], p.value[i] = all, v
		p.kept &^= 1 << i
	}
	return Want{text, []pattern{p}}
}

// result is a signed 32-bit result in x0, with or without sign extension.
func result[T ~int32](codes ...T) Want {
	w := Want{}
	var names []string
	for _, c := range codes {
		zero, sign := returns("", uint64(uint32(c))), returns("", uint64(int64(c)))
		w.any = append(append(w.any, zero.any...), sign.any...)
		names = append(names, fmt.Sprint(c))
	}
	w.text = "x0 = " + strings.Join(names, " or ")
	return w
}

// unknown is the answer to a function that does not exist: all ones in 64 bits, and nothing else changes.
func unknown() Want { return returns("x0 = -1, all 64 bits", smc.Unknown) }

// anything is any reply that leaves alone what no reply may touch.
func anything() Want { return Want{"any result", []pattern{{kept: 0x3FFF0}}} }
