package klog

import (
	"strings"
	"testing"
)

// Lines as the kernel and U-Boot print them.
func TestProblems(t *testing.T) {
	for line, kind := range map[string]string{
		"[    0.123456] WARNING: CPU: 0 PID: 1 at kernel/irq/manage.c:790 irq_set_irq_wake+0x12c/0x1a0":                    "warning",
		"[    1.500000] WARNING: drivers/tee/tee_shm.c:99 at tee_shm_put+0x20/0x60, CPU#1: init/1":                         "warning",
		"[   12.000001][    T1] ------------[ cut here ]------------":                                                      "bug",
		"[    0.000000] kernel BUG at mm/page_alloc.c:1234!":                                                               "bug",
		"[   21.123456] BUG: scheduling while atomic: swapper/0/1/0x00000002":                                              "bug",
		"[   60.012345] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [init:1]":                                        "stall",
		"[   21.000000] rcu: INFO: rcu_preempt self-detected stall on CPU":                                                 "stall",
		"[   21.000000] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:":                                             "stall",
		"[   21.000000] rcu: rcu_preempt kthread starved for 5250 jiffies! g-1191 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x402 -": "stall",
		"[  121.000000] INFO: task init:1 blocked for more than 120 seconds.":                                              "stall",
		"[    0.700000] Internal error: Oops - Undefined instruction: 0000000002000000 [#1] SMP":                           "undefined instruction",
		"[    0.700000] init[1]: undefined instruction: pc=000000000001a2b4 (0x1a2b4)":                                     "undefined instruction",
		"[    0.800000] Unable to handle kernel paging request at virtual address ffff000001000000":                        "oops",
		"[    0.800000] Internal error: synchronous external abort: 0000000096000010 [#1] SMP":                             "oops",
		"[    0.800000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100":                           "panic",
		"[    0.800000] SError Interrupt on CPU0, code 0x00000000bf000002 -- SError":                                       "oops",
		"[    0.800000] Call trace:": "trace",
		"[    0.800000] irq 24: nobody cared (try booting with the \"irqpoll\" option)": "interrupt",
		"[    0.300000] CPU1: failed to come online":                                    "processor",
		"\"Synchronous Abort\" handler, esr 0x96000010, far 0x8000000\r":                "exception",
		"### ERROR ### Please RESET the board ###":                                      "panic",
		"panic: runtime error: index out of range [3] with length 3":                    "program",
		"SIGILL: illegal instruction":                                                   "program",
		"[    2.0] refcount_t: underflow; use-after-free.":                              "bug",
	} {
		found := Problems([]byte("clean\n" + line + "\nclean"))
		if len(found) != 1 || found[0].Kind != kind || found[0].Line != 2 {
			t.Errorf("%q: %v, want one of kind %s at line 2", line, found, kind)
			continue
		}
		if !strings.Contains(line, found[0].Text) || strings.HasSuffix(found[0].Text, "\r") {
			t.Errorf("%q: text %q", line, found[0].Text)
		}
	}
}

// Lines of a good boot that come near.
func TestGood(t *testing.T) {
	log := `[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x000f0510]
[    0.000000] rcu: Preemptible hierarchical RCU implementation.
[    0.000000] rcu: 	RCU restricting CPUs from NR_CPUS=8 to nr_cpu_ids=1.
[    0.000000] CPU features: detected: Spectre-v4
[    0.000000] Kernel command line: panic=-1 oops=panic
[    0.000000] Memory: 100000K/131072K available
[    0.010000] arch_timer: cp15 timer running at 62.50MHz (virt).
[    0.400000] Unpacking initramfs...
[    0.500000] clk: Disabling unused clocks
[    0.500000] Warning: unable to open an initial console.
[    0.600000] Run /init as init process
[    0.600000] kvm [1]: HYP mode not available
[    0.600000] SMP: Total of 4 processors activated.
[    0.600000] CPU1: Booted secondary processor 0x0000000001 [0x000f0510]
U-Boot 2023.01+dfsg-2+deb12u1
PASS debug: nothing
reboot: Power down
`
	if found := Problems([]byte(log)); len(found) != 0 {
		t.Errorf("found in a good log: %v", found)
	}
}

func TestExcept(t *testing.T) {
	log := []byte("[    0.800000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n[    0.900000] Call trace:\n")
	if found := Problems(log, `^Kernel panic - not syncing: Attempted to kill init!`); len(found) != 1 || found[0].Kind != "trace" {
		t.Errorf("found %v", found)
	}
}

func FuzzProblems(f *testing.F) {
	f.Add([]byte("[    0.100000] WARNING: x\nBUG: y"))
	f.Fuzz(func(t *testing.T, log []byte) {
		lines := strings.Split(string(log), "\n")
		last := 0
		for _, p := range Problems(log) {
			if p.Line <= last || p.Line > len(lines) || !strings.Contains(lines[p.Line-1], p.Text) {
				t.Fatalf("problem %v is not in the log after line %d", p, last)
			}
			last = p.Line
		}
	})
}
