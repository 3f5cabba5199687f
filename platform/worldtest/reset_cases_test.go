package worldtest

// resetState gives the code that prints the state after reset.
func resetState() string { return "" }
