package worldtest

import "fmt"

// smpCases are for two processors: firmware that owns EL3 has both from reset, and SGIs between them reach the group and the
// security state that they are for (IHI 0069, 8.2).
func smpCases() (cases []testCase) {
	ask := func(questions ...int) (code string) { // see ask in runtime.c
		for _, n := range questions {
			code += fmt.Sprintf("mov x0, #%d; bl ask\n", n)
		}
		return code
	}
	cases = append(cases, testCase{name: "smp/reset", in: el3, body: "nop", after: ask(1, 2, 3, 4)})
	cases = append(cases, testCase{name: "smp/gic", in: el3, body: "nop", after: ask(8, 4)})
	for w := ns1; w <= el3; w++ {
		if w == s0 {
			continue
		}
		for _, reg := range []string{"s3_0_c12_c11_5", "s3_0_c12_c11_6", "s3_0_c12_c11_7"} {
			for n := 1; n <= 3; n++ {
				// To the second processor by the target list, and to all but the sender.
				for _, target := range []uint64{2, 1 << 40} {
					cases = append(cases, testCase{name: fmt.Sprintf("smp/sgi/%s/%s/%d/%x", reg, w, n, target), in: w,
						body: fmt.Sprintf("ldr x0, =%#x; msr %s, x0; isb", uint64(n)<<24|target, reg), after: ask(4, 5, 6, 7, 4)})
				}
			}
		}
	}
	return cases
}
