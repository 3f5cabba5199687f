package cpu

import "slices"

// SysRegisters gives the numbers of the system registers that have a name, in ascending order, without system instructions. Which of
// them a processor has depends on its model.
func SysRegisters() []uint16 {
	keys := make([]uint16, 0, len(sysNames))
	for key := range sysNames {
		if key>>14 == 3 || key>>14 == 2 { // op0 of MRS and MSR; 1 is SYS
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
