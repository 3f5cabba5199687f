// Package pl061 models the PrimeCell General Purpose Input/Output PL061 (Arm DDI 0190): eight pins with an interrupt, and the [Key]
// that QEMU's virt board has on one of them as its power button.
//
// What enters is register accesses and levels of input pins ([PL061.SetInput]); what leaves is levels of output pins and the
// combined interrupt GPIOINTR.
//
// An input pin that nobody drives is low. An interrupt by level is what it is now; one by edge stays until GPIOIC is written. A write
// of GPIODATA has no effect on pins that are inputs at the time. GPIOAFSEL holds what is written: there is no hardware behind
// its other functions. Integration test registers are not there. Reads and writes of 1, 2 and 4 bytes are accepted, and
// mean the register's low bits.
//
// Unlike QEMU, a pin that is turned from output to input shows the level from outside at once, and an interrupt by level does not
// outlast it.
//
// Read pl061.go, then key.go.
package pl061
