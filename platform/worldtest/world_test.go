package worldtest

import (
	"flag"
	"slices"
	"testing"

	"gatehouse/platform/internal/qemutest"
)

func TestWorlds(t *testing.T) {
	qemutest.Require(t, "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-objcopy", "qemu-system-aarch64")
	cases := allCases()
	used := make([]bool, len(exclusions))
	for _, b := range []board{{"cortex-a57", true, 1}, {"cortex-a57", false, 1}, {"max", true, 1}, {"max", false, 1}} {
		t.Run(b.String(), func(t *testing.T) { compare(t, b, cases, used) })
	}
	for i, e := range exclusions {
		if !used[i] && !t.Failed() && !testing.Short() && flag.Lookup("test.run").Value.String() == "" {
			t.Errorf("nothing is excluded any more because of: %s (%s)", e.why, e.in)
		}
	}
}

// TestProcessors runs what needs two processors.
func TestProcessors(t *testing.T) {
	compare(t, board{"cortex-a57", true, 2}, smpCases(), make([]bool, len(exclusions)))
}

// allCases gives the cases in their order: the state after reset can be seen only once, and the last ones leave registers changed that
// no baseline restores. Short tests leave out what goes through all encodings.
func allCases() []testCase {
	cases := slices.Concat(resetCases(), callCases(), vectorCases(), returnCases(), interruptCases(), waitCases(), timerCases(), memoryCases(),
		translationCases(), tlbCases(), featureCases(), debugCases(), pauthCases())
	if !testing.Short() {
		cases = slices.Concat(cases, sweepCases(), trapCases())
	}
	return slices.Concat(cases, controlCases())
}
