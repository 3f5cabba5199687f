package a64

// FirstSIMD is the first operation of the floating point and Advanced SIMD group; integer and system operations are below it.
const FirstSIMD Op = 1024
