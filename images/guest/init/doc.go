// Init is the first program of a Linux guest that tries the drivers of the TEE subsystem: protected DMA heaps, sessions, shared memory,
// the supplicant, random numbers, driver bind and unbind.
//
// What enters is the kernel's command line: gh.test=NAME[,NAME]... names the tests to run before the power goes off, each with an
// optional number as in alloc:1000. Without it the program reads such lists from its standard input, one to a line, until the line
// says off. What leaves are lines on the console: INIT first, PASS name or FAIL name: why for each check, others that a test explains,
// and DONE with the number of checks after each list.
//
// It must be process 1: its end is the machine's. Read main.go, then heap.go and sdp.go.
package main
