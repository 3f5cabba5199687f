package devices

// Line is a device's interrupt output: a level, active high. The board connects it to an input of the interrupt controller.
// A device may set the level that the line already has.
type Line interface{ Set(level bool) }
