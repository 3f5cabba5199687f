// Package gdb lets GDB debug a machine: a server of the GDB remote serial protocol.
//
// What enters is a connection and the packets of one debugger at a time (Server.Serve, Server.Session); what leaves is replies, and
// through package platform's run control a machine that stops, steps and goes on. A processor is a thread: its number plus one. The
// debugger sees what the selected processor sees: virtual addresses go through its current translation, and what the firewall
// denies it is an error here too. Nothing of the machine changes by being looked at, and no time passes while it stands.
//
// Specification: "Debugging with GDB", appendix E (remote serial protocol) and G (target descriptions), GDB 13; the packets for
// physical memory are QEMU's (docs/system/gdb.rst). Every byte of a connection is taken as hostile: what cannot be parsed is
// answered with an error.
//
// Read server.go, session.go (the commands), registers.go (what the target description names), packet.go (the framing), listen.go
// (addresses in QEMU's spelling).
package gdb
