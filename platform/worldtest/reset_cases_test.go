package worldtest

// resetCases is the state of all registers after a cold reset. It comes first and changes nothing before it looks.
func resetCases() []testCase {
	return []testCase{{name: "reset", in: el3, raw: true, body: sweep(insnMRS, 1<<15, 32, 0x5a5a), resume: always, quiet: quietUndefined,
		only: "cortex-a57"}}
}
