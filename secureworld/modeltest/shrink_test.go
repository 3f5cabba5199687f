package modeltest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gatehouse/ffa"
	"gatehouse/secureworld"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// replay runs steps on a new machine. It gives the failure, and how many steps were made.
func replay(setup int, seed uint64, steps []*step, f faults, each func(*machine, *step)) (*failure, int, error) {
	x, err := newMachine(config(setup), seed, f)
	if err != nil {
		return nil, 0, err
	}
	defer x.close()
	for i, s := range steps {
		fail := x.do(s)
		if each != nil {
			each(x, s)
		}
		if fail != nil {
			return fail, i + 1, nil
		}
	}
	last := 0
	if len(steps) > 0 {
		last = steps[len(steps)-1].id
	}
	return x.everything(last), len(steps), nil
}

var number = regexp.MustCompile(`0x[0-9a-f]+|\d+`)

// alike reports whether two failures have the same cause, as far as their texts tell.
func alike(a, b *failure) bool {
	memory := func(f *failure) bool { return f.class == "access" || f.class == "contents" }
	if a == nil || b == nil || memory(a) != memory(b) {
		return a == b
	}
	return memory(a) || a.class == b.class && number.ReplaceAllString(a.text, "") == number.ReplaceAllString(b.text, "")
}

// shrinkBudget bounds the steps that are replayed to shrink one sequence.
const shrinkBudget = 300_000

// shrink leaves out steps as long as the failure stays (delta debugging, with ever smaller pieces).
func shrink(setup int, seed uint64, steps []*step, fail *failure, f faults) []*step {
	budget := shrinkBudget
	try := func(list []*step) []*step {
		if budget <= 0 {
			return nil
		}
		again, n, err := replay(setup, seed, list, f, nil)
		budget -= n + 50
		if err != nil || !alike(again, fail) {
			return nil
		}
		return list[:n]
	}
	for i := len(steps) - 1; i > 0; i-- {
		if steps[i].reset {
			if shorter := try(steps[i:]); shorter != nil {
				steps = shorter
				break
			}
		}
	}
	for n := len(steps) / 2; n >= 1; {
		cut := false
		for i := max(len(steps)-1-n, 0); i >= 0 && len(steps) > 1; i -= n {
			if shorter := try(slices.Delete(slices.Clone(steps), i, min(i+n, len(steps)-1))); shorter != nil && len(shorter) < len(steps) {
				steps, cut = shorter, true
			}
			if i == 0 {
				break
			}
			i = max(i, n)
		}
		if n == 1 && !cut {
			break
		}
		if !cut || n > 1 {
			n = max(n/2, 1)
		}
	}
	for i, s := range steps {
		for k := len(s.pokes) - 1; k >= 0; k-- {
			if slices.ContainsFunc(s.uses, func(u use) bool { return u.poke >= 0 }) {
				continue
			}
			less := *s
			less.pokes = slices.Delete(slices.Clone(s.pokes), k, k+1)
			list := slices.Clone(steps)
			list[i] = &less
			if shorter := try(list); len(shorter) == len(steps) {
				steps, s = list, &less
			}
		}
	}
	return steps
}

// report shrinks a failing sequence and tells it in the words of the specifications.
func report(setup int, seed uint64, steps []*step, fail *failure, f faults) string {
	short := shrink(setup, seed, steps, fail, f)
	var b strings.Builder
	fmt.Fprintf(&b, "configuration %s, seed %d, %d calls: %v\nshrunk to %d calls:\n", setups[setup].name, seed, len(steps), fail, len(short))
	last, _, _ := replay(setup, seed, short, f, func(x *machine, s *step) { describe(&b, x, s) })
	fmt.Fprintf(&b, "%v", last)
	return b.String()
}

// describe tells one step and its reply.
func describe(b *strings.Builder, x *machine, s *step) {
	in, pokes := x.resolve(s)
	fid := uint32(in[0]) &^ (1 << 16)
	name, fields := ffa.Describe(&in)
	reply, results := ffa.DescribeReply(ffa.FunctionOf(&in), &x.out)
	if name == "" {
		name, fields = optee.Describe(&in)
		reply, results = optee.DescribeReply(smc.Function(fid), &x.out)
	}
	if name == "" {
		name, fields = smc.Describe(&in)
		reply, results = smc.DescribeReply(smc.Function(fid), &x.out)
	}
	fmt.Fprintf(b, "%4d cpu%d %s: %s\n          -> %s\n", s.id, s.cpu, s.what, ffa.Format(name, fields), ffa.Format(reply, results))
	if name == "" {
		fmt.Fprintf(b, "          %x -> %x\n", in[:8], x.out[:8])
	}
	for _, p := range pokes {
		fmt.Fprintf(b, "          writes %d bytes at %#x: %s\n", len(p.data), p.addr, describePoke(x, fid, p.data))
	}
	if x.cfg.ABI&secureworld.ABIFFA != 0 && fid == ffaDirectReq && uint16(in[1]) == opteeID {
		payload := [5]uint64(in[3:])
		what, fields := optee.DescribeRequest(&payload)
		fmt.Fprintf(b, "          %s\n", ffa.Format(what, fields))
	}
}

// describePoke tells what was written for a call.
func describePoke(x *machine, fid uint32, p []byte) string {
	var kind ffa.TransactionKind
	switch fid &^ wide {
	case ffaShare:
		kind = ffa.Share
	case ffaLend:
		kind = ffa.Lend
	case ffaDonate:
		kind = ffa.Donate
	case ffaDirectReq, smcWithArg, smcWithRPCArg, smcWithRegd:
		if a, err := optee.ParseArg(p); err == nil && len(p) >= 32 && uint64(len(p)) == a.Size() {
			name, fields := a.Fields(fid&^wide == ffaDirectReq)
			return ffa.Format(name, fields)
		}
	}
	if kind != 0 && x.model.version != 0 {
		d, err := ffa.ParseMemoryTransaction(p, ffa.Version(x.model.version), kind)
		if err == nil {
			return ffa.Format(kind.String(), d.Fields())
		}
		return fmt.Sprintf("%x (%v)", p[:min(len(p), 192)], err)
	}
	return fmt.Sprintf("%x", p[:min(len(p), 96)])
}
