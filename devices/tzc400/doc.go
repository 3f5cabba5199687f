// Package tzc400 models the CoreLink TZC-400 TrustZone Address Space Controller (Arm DDI 0504), the firewall before DRAM.
//
// What enters is register writes by secure software and the transactions of all masters; what leaves is a verdict on each
// transaction, failure status registers, an interrupt and events. The model is the full configuration: 4 filter units, the
// background region 0 and regions 1 to 8, 48-bit addresses, a granularity of 4 KiB. A board places [TZC400.Unit] before its
// RAM as bus.Filter and sets [TZC400.Changed] to bus.FilterChanged.
//
// Where the manual leaves a choice, or describes what a functional model cannot do, the model takes the strictest way out:
//   - A non-secure access to the registers reads zero, writes nothing, and is answered with DECERR.
//   - A closed gate keeper stalls transactions in hardware. Here it refuses them with DECERR, secure ones too, and records
//     nothing, because no permission was checked.
//   - A transaction to an address where enabled regions 1 to 8 overlap is refused with DECERR whatever ACTION says, because
//     ACTION governs permission failures only. It sets the status bit, and with it the interrupt where ACTION enables it.
//   - Speculative accesses do not exist, so SPECULATION_CTRL has no effect.
//
// Read registers.go first, then tzc400.go (the register file), then filter.go (the decision).
package tzc400
