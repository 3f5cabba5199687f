package images

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/normalworld/conform"
)

// gatehouse builds the program once for a test.
func gatehouse(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse")
	if msg, err := exec.Command("go", "build", "-o", path, "../cmd/gatehouse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return path
}

// runConform boots the image and gives its output and exit status.
func runConform(t *testing.T, program string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"boot", "-kernel", "image:conform", "-timeout", "120s"}, args...)...)
	var msg bytes.Buffer
	cmd.Stderr = &msg
	out, err := cmd.Output()
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		t.Fatalf("%v: %s", err, &msg)
	}
	return strings.ReplaceAll(string(out), "\r", ""), code
}

// tapLine is a result: status, number, group, name, and why it was skipped.
var tapLine = regexp.MustCompile(`^(ok|not ok) ([0-9]+) - ([^/ ]+)/([^ ]+)(?: # SKIP (.+))?$`)

type tapResult struct {
	ok          bool
	group, name string
	skip        string
}

// parseTAP checks the frame of a TAP report and gives its results.
func parseTAP(t *testing.T, text string) []tapResult {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 || lines[0] != "TAP version 14" {
		t.Fatalf("no TAP:\n%s", text)
	}
	var results []tapResult
	inYAML, want := false, 0
	for i, l := range lines[1:] {
		m := tapLine.FindStringSubmatch(l)
		switch {
		case i == 0:
			if _, err := fmt.Sscanf(l, "1..%d", &want); err != nil {
				t.Fatalf("plan %q: %v", l, err)
			}
		case l == "  ---":
			inYAML = true
		case l == "  ...":
			inYAML = false
		case inYAML && strings.HasPrefix(l, "  "), strings.HasPrefix(l, "# "):
		case m != nil:
			results = append(results, tapResult{m[1] == "ok", m[3], m[4], m[5]})
			if m[2] != fmt.Sprint(len(results)) {
				t.Errorf("line %q is number %d", l, len(results))
			}
		default:
			t.Errorf("line %q is no TAP", l)
		}
	}
	if len(results) != want || inYAML {
		t.Errorf("%d results of %d, open YAML %v", len(results), want, inYAML)
	}
	return results
}

// Each case of the image stands in the suite, with the same rule, so that results can be compared side by side.
func TestConformNames(t *testing.T) {
	rules := map[string]string{}
	for _, c := range conform.Cases() {
		rules[c.ID()] = c.Rule.String()
	}
	out, code := runConform(t, gatehouse(t), "-append", "list=1")
	if code != 0 {
		t.Fatalf("exit status %d:\n%s", code, out)
	}
	seen := map[string]bool{}
	groups := map[string]bool{}
	for l := range strings.Lines(out) {
		id, rule, _ := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
		want, ok := rules[id]
		if !ok || rule != want {
			t.Errorf("%s: rule %q, the suite has %q, %v", id, rule, want, ok)
		}
		if seen[id] {
			t.Errorf("%s: twice", id)
		}
		seen[id] = true
		group, _, _ := strings.Cut(id, "/")
		groups[group] = true
	}
	if len(seen) < 80 || len(groups) != 11 {
		t.Errorf("%d cases in %d groups", len(seen), len(groups))
	}
}

// All passes on this machine, whatever it offers, and the cases of what it does not offer are skipped.
func TestConformPasses(t *testing.T) {
	program := gatehouse(t)
	for _, tc := range []struct {
		machine, cpus string
		ran           int // at least
		skipped       []string
	}{
		{"virt", "2", 590, nil},
		{"virt,abi=both", "1", 580, nil},
		{"virt,abi=ffa", "2", 490, []string{"optee-smc"}},
		{"virt,abi=smc", "2", 160, []string{"ffa-setup", "ffa-discovery", "ffa-message", "ffa-memory", "ffa-memory-negative", "optee-ffa"}},
		{"virt,tzasc-action=raz", "2", 590, nil},
	} {
		out, code := runConform(t, program, "-M", tc.machine, "-smp", tc.cpus)
		ran := map[string]int{}
		total := 0
		for _, r := range parseTAP(t, out) {
			if !r.ok {
				t.Errorf("%s: %s/%s failed", tc.machine, r.group, r.name)
			}
			if r.skip == "" {
				ran[r.group]++
				total++
			}
		}
		for _, g := range tc.skipped {
			if ran[g] != 0 {
				t.Errorf("%s: %d cases of %s ran", tc.machine, ran[g], g)
			}
		}
		if code != 0 || total < tc.ran || !strings.Contains(out, "\n# verdict ok ") {
			t.Errorf("%s: exit status %d, %d cases ran\n%s", tc.machine, code, total, out)
		}
	}
}

// Without a firewall the image finds that what was lent can be read, and nothing else.
func TestConformFails(t *testing.T) {
	out, code := runConform(t, gatehouse(t), "-M", "virt,tzasc=off")
	failed := map[string]bool{}
	for _, r := range parseTAP(t, out) {
		if !r.ok {
			failed[r.name] = true
			if r.group != "isolation" {
				t.Errorf("%s/%s failed", r.group, r.name)
			}
		}
	}
	for _, name := range []string{"ffa-secure-video", "smc-secure-video", "ffa-lend-protects", "refused-share", "dma-out-of-pool", "dma-across-boundary"} {
		if !failed[name] {
			t.Errorf("isolation/%s passed without a firewall", name)
		}
	}
	if code != 1 || !strings.Contains(out, "\n# verdict FAIL ") {
		t.Errorf("exit status %d", code)
	}
	for _, field := range []string{"\n  message: \"", "\n  call: \"0x", "\n  expected: \"", "\n  got: \"0x", "\n  rule: \"DDI 0504, "} {
		if !strings.Contains(out, field) {
			t.Errorf("no %q in the report", field)
		}
	}
}

// QEMU's virt board answers PSCI and nothing else. Two of its answers are not PSCI's; later versions may give either.
func TestConformOnQEMU(t *testing.T) {
	img, err := Get("conform")
	if err != nil {
		t.Fatal(err)
	}
	differs := map[string]string{
		"sve-hint":            "the hint is taken for a part of the identifier",
		"affinity-info-level": "the affinity level is not looked at",
	}
	for _, machine := range []string{"virt,gic-version=3", "virt,gic-version=3,virtualization=on"} {
		out, code := runQEMU(t, writeELF(t, img), machine, 1)
		failed := 0
		for _, r := range parseTAP(t, strings.ReplaceAll(out, "\r", "")) {
			if !r.ok {
				failed++
				if differs[r.name] == "" {
					t.Errorf("%s: %s/%s failed", machine, r.group, r.name)
				}
			}
			if r.skip == "" && r.group != "psci" && r.name != "secure-ram" {
				t.Errorf("%s: %s/%s ran", machine, r.group, r.name)
			}
		}
		if (code != 0) != (failed != 0) {
			t.Errorf("%s: exit status %d, %d cases failed", machine, code, failed)
		}
	}
}
