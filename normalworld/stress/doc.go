// Package stress has the tests that put all of the normal world under pressure at once; there is nothing in it beside tests.
//
// What enters is machines with both worlds, over both ABIs and under each policy: pipelines with eight buffers in flight whose descriptors
// are closed at any moment, even in the middle of an SMC; a secure world that refuses any one call, or whose answer gets lost; and long
// runs of random operations. What must hold is that nothing leaks, nothing stays lent, and nobody reads what he may not: a reference
// model says for every buffer who may read and write it, and every access of the tests goes through the bus.
//
// The flag -seed chooses other random numbers; with GATEHOUSE_LONG=1 in the environment the tests take much longer.
//
// Read rig_test.go first, then pipeline_test.go, fault_test.go, random_test.go with model_test.go, and arch_test.go.
package stress
