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
	boards := []board{{"cortex-a57", true, 1}, {"cortex-a57", false, 1}, {"max", true, 1}, {"max", false, 1}}
	used := make([][]bool, len(boards)) // by board, since they run side by side
	t.Run("boards", func(t *testing.T) {
		for i, b := range boards {
			used[i] = make([]bool, len(exclusions))
			t.Run(b.String(), func(t *testing.T) {
				if *keep == "" {
					t.Parallel()
				}
				compare(t, b, cases, used[i])
			})
		}
	})
	for i, e := range exclusions {
		if !slices.ContainsFunc(used, func(u []bool) bool { return u[i] }) && !t.Failed() && !testing.Short() && flag.Lookup("test.run").Value.String() == "" {
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
		translationCases(), tlbCases(), featureCases(), debugCases(), pauthCases(), btiCases())
	if !testing.Short() {
		cases = slices.Concat(cases, sweepCases(), trapCases())
	}
	return slices.Concat(cases, controlCases())
}
