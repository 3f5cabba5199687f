package mmu

import "testing"

// Scenario gives the machine test, which cannot be in this package, the guest, what is in memory, and the comparison of its output. Tables
// are little-endian: the machine's processor has no other.
func Scenario(t *testing.T, cpu string, paBits uint8) (elf string, files map[uint64][]byte, compare func(output []byte)) {
	s := newScenario(t, cpuModel{name: cpu, paBits: paBits}, oracleCases)
	return buildOracle(t), s.files, func(output []byte) {
		t.Helper()
		s.compare(t, output, true)
	}
}
