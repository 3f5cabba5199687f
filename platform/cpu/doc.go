// Package cpu is an AArch64 processor: interpreter, translation caches, exceptions, system registers and generic timers.
//
// What enters is memory reached through a bus.Bus, time from a vtime.Clock and interrupt lines; what leaves is bus transactions,
// timer interrupts and, at SMC and HVC where the board owns EL3 or serves PSCI, a call of [Env.SecureMonitorCall]. Everything is driven by
// [CPU.Run], which executes instructions until the clock's slice ends or the processor has nothing to do. Specification: Arm
// Architecture Reference Manual for A-profile (DDI 0487).
//
// An instruction word is decoded once, into a page of decoded instructions that all processors of a machine share ([Code]).
// The interpreter's main loop (interp_unsafe.go) executes frequent instructions itself and hands the others to exec.go (registers only),
// exec_mem.go (memory) and exec_sys.go (the rest). mem.go and tlb.go are the way to memory, exception.go the way out.
// debug.go is self-hosted debug, debugger.go what an external debugger asks for, pauth.go and bti.go are FEAT_PAuth and FEAT_BTI.
package cpu
