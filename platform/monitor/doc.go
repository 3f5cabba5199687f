// Package monitor is the machine's monitor: the commands by which a user, or GDB's command monitor, looks at a machine and stops,
// resets and ends it.
//
// What enters is a line (Monitor.Execute); what leaves is text, and calls of package platform's run control. Names, arguments and
// formats are those of QEMU's monitor where QEMU has the command; info tzc and info ffa show what QEMU lacks. Memory is read as the
// selected processor reads it: what the firewall denies it is shown as denied, and no failure is recorded.
//
// Read monitor.go (commands), info.go, memory.go (x and xp), expression.go.
package monitor
