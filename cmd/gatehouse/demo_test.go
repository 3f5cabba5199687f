package main

import (
	"strings"
	"testing"

	"gatehouse/platform"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

func TestDemo(t *testing.T) {
	r := gatehouse("demo")
	if r.status != statusOK || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if !strings.HasPrefix(lines[0], "Gatehouse: ") || !strings.HasPrefix(lines[len(lines)-1], "verdict: PASS, ") || strings.Contains(r.stdout, "FAIL") {
		t.Errorf("%s", r.stdout)
	}
	for _, want := range []string{"\nOver FF-A (image:lend-ffa)\n", "\nOver OP-TEE's SMC interface (image:lend-smc)\n"} {
		if strings.Count(r.stdout, want) != 1 {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(r.stdout, " policy map:  8 frames, "); n != 2 {
		t.Errorf("%d runs of the video path with policy map", n)
	}
	// The policy of secure video playback: display 2 reads, crypto engine 3 writes, with its identity for protected memory 13 too, decoder
	// 4 and transform 5 do both.
	if n := strings.Count(r.stdout, "  while it is lent        -  -  r  w rw rw  -  -  -  -  -  -  -  w  -  -  ok\n"); n != 2 {
		t.Errorf("%d censuses in\n%s", n, r.stdout)
	}
	for i, line := range lines {
		if len(line) > 120 || strings.HasSuffix(line, " ") {
			t.Errorf("line %d: %q", i+1, line)
		}
	}
	if again := gatehouse("demo"); again != r {
		t.Errorf("the second run differs:\n%s", again.stdout)
	}
	v := gatehouse("demo", "-v")
	if v.status != statusOK || !strings.Contains(v.stdout, "    step during cpu-read expect=denied saw=abort ") {
		t.Errorf("-v: %+v", v)
	}
}

// The demo sees a firewall that does not deny: its verdict is about what happened, not about what was programmed.
func TestDemoFails(t *testing.T) {
	for _, d := range demoABIs {
		r, err := lend(d.image, d.abi, func(cfg *platform.Config, world *secureworld.Config) {
			cfg.TZASC, world.TZASC.Enabled = false, false
		})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		r.print(&b)
		during := 0
		for _, s := range r.steps {
			if s.phase == "during" && !s.ok && s.expect == "denied" {
				during++
			}
		}
		if during < 10 || r.failed() < during || !strings.Contains(b.String(), "FAIL") || !strings.Contains(b.String(), "  expected ") {
			t.Errorf("%s: %d refusals are missed of %d failures\n%s", d.image, during, r.failed(), &b)
		}
		// A master too many is seen at the bus alone.
		r, err = lend(d.image, d.abi, func(cfg *platform.Config, world *secureworld.Config) {
			world.OPTEE.UseCases[0].Access = memory.Access{Read: 1 << 1, Write: 1 << 8}
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.failed() != 0 {
			t.Errorf("%s: the policy that was asked for fails", d.image)
		}
		for i := range r.census {
			r.census[i].want.Read ^= 1 << 1
		}
		if r.failed() != len(r.census) || len(r.census) == 0 {
			t.Errorf("%s: %d of %d censuses fail", d.image, r.failed(), len(r.census))
		}
	}
}

func TestJudge(t *testing.T) {
	const good = "step before cpu-read expect=pattern saw=pattern ok\nstep during cpu-read expect=denied saw=abort esr=0x1 ok\n"
	once := []census{{}}
	for _, tc := range []struct {
		name, console string
		exit          platform.Exit
		census        []census
		failed        int
		end           string
	}{
		{"good", good + "verdict ok steps=2\n", platform.Exit{}, once, 0, ""},
		{"carriage returns", strings.ReplaceAll(good+"verdict ok steps=2\n", "\n", "\r\n"), platform.Exit{}, once, 0, ""},
		{"nothing", "", platform.Exit{}, once, 1, `verdict is ""`},
		{"no verdict", good, platform.Exit{}, once, 1, `verdict is ""`},
		{"steps lost", good + "verdict ok steps=3\n", platform.Exit{}, once, 1, `"verdict ok steps=3"`},
		{"bad step", "step a b expect=1 saw=2 FAIL\nverdict FAIL steps=1 failed=1\n", platform.Exit{Reason: platform.Exited, Code: 1}, once, 1, ""},
		{"late", good, platform.Exit{Reason: platform.Interrupted}, once, 1, "still ran"},
		{"locked up", good, platform.Exit{Reason: platform.Failed, Message: "locked up"}, once, 1, "locked up"},
		{"code", good + "verdict ok steps=2\n", platform.Exit{Reason: platform.Exited, Code: 3}, once, 1, "code 3"},
		{"never lent", good + "verdict ok steps=2\n", platform.Exit{}, nil, 1, "protected"},
	} {
		r := &lending{console: tc.console, census: tc.census}
		r.judge(tc.exit)
		if r.failed() != tc.failed || !strings.Contains(r.end, tc.end) || (r.end == "") != (tc.end == "") {
			t.Errorf("%s: %d failed, %q", tc.name, r.failed(), r.end)
		}
	}
}

func TestParseStep(t *testing.T) {
	for line, want := range map[string]step{
		"step during cpu-read expect=denied saw=abort esr=0x96000010 far=0x40400000 ok": {"during", "cpu-read", "denied", "abort", true},
		"step a b expect=1 saw=2 FAIL": {"a", "b", "1", "2", false},
		"step a b expect= saw= ok":     {"a", "b", "", "", true},
		"step a b expect=1 saw=2":      {},
		"step a b saw=2 expect=1 ok":   {},
		"step":                         {},
		"verdict ok steps=1":           {},
		"":                             {},
	} {
		if got, ok := parseStep(line); got != want || ok != (want != step{}) {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
	for _, tc := range []struct {
		step           step
		master, access string
	}{
		{step{phase: "during", name: "cpu-read-last"}, "CPU", "read last"},
		{step{phase: "after", name: "dma-write"}, "DMA", "write"},
		{step{phase: "after", name: "neighbour-below"}, "CPU", "read just below"},
		{step{phase: "lend", name: "lend"}, "", ""},
	} {
		if master, access, ok := tc.step.master(); master != tc.master || access != tc.access || ok != (master != "") {
			t.Errorf("%+v: %s %s", tc.step, master, access)
		}
	}
	if got := printable("a\x1b[31mb\xff"); got != "a?[31mb?" {
		t.Errorf("%q", got)
	}
}
