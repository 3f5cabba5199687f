package worldtest

import (
	"slices"
	"testing"
)

func TestWorlds(t *testing.T) {
	cases := allCases()
	for _, b := range []board{{"cortex-a57", true}, {"cortex-a57", false}, {"max", true}} {
		t.Run(b.String(), func(t *testing.T) { compare(t, b, cases) })
	}
}

func allCases() []testCase {
	return slices.Concat(callCases(), vectorCases(), returnCases(), interruptCases(), sweepCases(), trapCases(), memoryCases(), translationCases())
}
