// Package klog reads console logs of guests for signs that something went wrong: warnings and crashes of Linux, exceptions in U-Boot.
//
// What enters is what a guest printed on its serial port; what leaves are the lines that no good run has. The texts are those that
// Linux prints in kernel/panic.c, kernel/rcu/tree_stall.h, kernel/watchdog.c, kernel/hung_task.c, lib/bug.c and arch/arm64/kernel/traps.c,
// and U-Boot in arch/arm/lib/interrupts_64.c.
package klog

import (
	"fmt"
	"regexp"
	"strings"
)

// Problem is a line that says that something went wrong.
type Problem struct {
	Line int    // counted from 1
	Kind string // what it is: warning, bug, stall ...
	Text string
}

func (p Problem) String() string { return fmt.Sprintf("line %d: %s: %s", p.Line, p.Kind, p.Text) }

// signs are tried in their order.
var signs = []struct {
	kind string
	re   *regexp.Regexp
}{
	{"panic", regexp.MustCompile(`Kernel panic - not syncing|### ERROR ### Please RESET`)},
	{"stall", regexp.MustCompile(`\brcu.*(detected.*stall|kthread (starved|timer wakeup didn't happen))|soft lockup|hard LOCKUP|blocked for more than \d+ seconds`)},
	{"bug", regexp.MustCompile(`\bBUG: |kernel BUG at|------------\[ cut here \]|UBSAN: |KASAN: |list_(add|del) corruption|refcount_t: |usercopy: Kernel memory`)},
	{"warning", regexp.MustCompile(`\bWARNING: `)},
	{"lock", regexp.MustCompile(`possible (circular|recursive) locking|inconsistent lock state|suspicious RCU usage|possible irq lock inversion`)},
	{"undefined instruction", regexp.MustCompile(`(?i)undefined instruction|undefinstr|invalid opcode`)},
	{"oops", regexp.MustCompile(`Internal error: |Oops\b|Unable to handle kernel|Bad mode in|SError Interrupt|synchronous external abort|Unhandled (fault|exception)|unhandled exception: |bad_page|Bad page (state|map)`)},
	{"interrupt", regexp.MustCompile(`irq \d+: nobody cared|Disabling IRQ #|unexpected IRQ trap`)},
	{"processor", regexp.MustCompile(`CPU\d+: failed to (boot|come online|start)|CPU features: SANITY CHECK|Unsupported CPU feature variation|psci: failed to`)},
	{"time", regexp.MustCompile(`Marking clocksource .* unstable|clocksource: timekeeping watchdog`)},
	{"exception", regexp.MustCompile(`"(Synchronous Abort|Error|Irq|Fiq)" handler, esr`)},
	{"program", regexp.MustCompile(`traps: .*\[\d+\]|segfault at|unhandled level \d .* fault|^SIG(ILL|SEGV|BUS|TRAP|ABRT)|^fatal error: |^panic: `)},
	{"trace", regexp.MustCompile(`\bCall trace:`)},
}

// prefix is what printk puts before a message: a time, and who printed it where the kernel is built so.
var prefix = regexp.MustCompile(`^(<\d>)?\[ *\d+\.\d{6}\](\[ *[TC]\d+\])? `)

// Problems gives the lines of a log that say that something went wrong. Lines that match one of the regular expressions in except are
// passed over: a test that crashes its guest says so there.
func Problems(log []byte, except ...string) []Problem {
	var skip []*regexp.Regexp
	for _, e := range except {
		skip = append(skip, regexp.MustCompile(e))
	}
	var found []Problem
lines:
	for i, line := range strings.Split(string(log), "\n") {
		text := prefix.ReplaceAllString(strings.TrimRight(line, "\r"), "")
		for _, re := range skip {
			if re.MatchString(text) {
				continue lines
			}
		}
		for _, s := range signs {
			if s.re.MatchString(text) {
				found = append(found, Problem{Line: i + 1, Kind: s.kind, Text: text})
				break
			}
		}
	}
	return found
}
