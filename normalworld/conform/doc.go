// Package conform is a conformance suite for secure worlds: SMCCC, PSCI, FF-A with its memory management, OP-TEE over FF-A and
// over its SMC ABI, protected memory, and the isolation that all of them promise.
//
// What enters is a [Target]: a machine whose secure world answers SMCs, whose bus refuses what the secure world forbids, and that
// can be reset. What leaves is one [Result] for each [Case], as TAP or as JUnit XML. Each case starts from a cold reset, plays a
// normal world, and holds what comes back against the rule that it cites. A case knows the registers of a call, memory as a
// non-secure master sees it, and what the board's documentation says ([Properties]); it knows nothing of how the secure world
// is made. Where the specifications leave a choice, what Linux needs comes first, then the strictest of the known
// implementations (Hafnium, OP-TEE, TF-A); where those answer a mistake with different codes, each of the codes passes.
//
// Read case.go, target.go and board.go (what a secure world has to bring), t.go and want.go (what a case can do and expect),
// normal.go (the kernel that cases play), then the cases themselves: one file for each group.
package conform
