// Command gatehouse is an AArch64 TrustZone platform in one program: it boots normal-world images, hosts the secure world that
// they call, and refuses at the bus what the secure world forbids.
//
// What enters is a command line in QEMU's spelling (gatehouse help); what leaves is the guest's UART on standard output,
// gatehouse's own messages on standard error, and an exit status. The machine is package platform, the secure world package
// secureworld, the bundled images package images: nothing of them is here.
//
// Read main.go (subcommands), options.go (what describes a machine), boot.go, console.go (the terminal), gdb.go and
// monitor.go (debuggers), demo.go.
package main
