package secureworld

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/ffa"
	"gatehouse/secureworld/manifest"
	"gatehouse/secureworld/testsp"
)

// What discovery says of the built-in partitions at each version, out of their manifests: OP-TEE alone by default.
func TestManifestsInDiscovery(t *testing.T) {
	for v, want := range map[uint64][][2]uint64{
		// identifier with execution contexts, and properties
		0x1_0000: {{0x4_8001, 0x1}, {0x4_8002, 0x5}, {0x4_8002, 0x1}, {0x1_8003, 0x5}},
		0x1_0001: {{0x4_8001, 0x101}, {0x4_8002, 0x1CD}, {0x4_8002, 0x1C9}, {0x1_8003, 0x10D}},
		0x1_0002: {{0x4_8001, 0x101}, {0x4_8002, 0x3CD}, {0x4_8002, 0x1C9}, {0x1_8003, 0x10D}},
	} {
		for _, c := range []struct {
			cfg Config
			n   int
		}{{DefaultConfig(), 1}, {TestConfig(), 4}} {
			r := newRig(t, func(x *Config) { *x = c.cfg }).negotiate(v)
			size := int(ffa.PartitionInfoSize(ffa.Version(v)))
			if got := r.call(0x8400_0068); got[0] != ffaSuccess || got[2] != uint64(c.n) {
				t.Fatalf("version %#x: %x", v, got[:4])
			}
			for i, b := 0, r.read(rxAddr, c.n*size); i < c.n; i++ {
				if w := words32(b[i*size : i*size+8]); uint64(w[0]) != want[i][0] || uint64(w[1]) != want[i][1] {
					t.Errorf("version %#x: record %d is %#x, want %#x", v, i, w, want[i])
				}
			}
		}
	}
}

// A partition of a manifest that comes from elsewhere.
func TestFromManifest(t *testing.T) {
	const text = `{"compatible": "arm,ffa-manifest-1.0", "ffa-version": "0x10002", "id": "0x8777",
		"uuid": ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"], "messaging-method": [1, "0x201"],
		"execution-ctx-count": 1, "exception-level": 2, "execution-state": 1, "ns-interrupts-action": 0, "gatehouse,behaviour": "test"}`
	m, err := manifest.Parse([]byte(text))
	must(t, err)
	p, err := FromManifest(m)
	must(t, err)
	r := newRig(t, func(c *Config) { c.Partitions = append(c.Partitions, p) }).negotiate(0x1_0002)
	got := r.call(0xC400_008B, 0, 0, 1)
	// An AArch32 partition with one context, two protocols of its own messaging methods each.
	if got[3] != 0x8777|1<<16|1<<32 || got[6] != 0x8777|1<<16|0x201<<32 {
		t.Errorf("records %x", got[3:9])
	}
	if w := r.does(0x8777, testsp.Identify); w[0] != 0x8777<<16 {
		t.Errorf("Identify: %x", w)
	}
	r.refused("notifications, which it does not support", denied, setCall, 0x8777, 0, 1)
	r.fails("binding, which it does not support", denied, 0x8777, testsp.Bind, 0, 0, 1)
	r.fails("notifications, which it does not support", notSupported, 0x8777, testsp.Get, 0, fromVM)
	r.fails("messages, which it does not support", denied, 0x8777, testsp.Send, 0, 1, 'x')
	r.refused("a protocol without FFA_MSG_SEND_DIRECT_REQ2", denied, 0xC400_008D, 0x8777, 0, 1<<56)

	m.Behaviour = "other"
	if _, err := FromManifest(m); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("unknown behaviour: %v", err)
	}
}

func TestPartitionConfiguration(t *testing.T) {
	for what, change := range map[string]func(*Config){
		"messaging methods for one of two": func(c *Config) { c.Partitions[1].Messaging = c.Partitions[1].Messaging[:1] },
		"an identifier twice":              func(c *Config) { c.Partitions[2].ID = first },
		"the SPMC's identifier":            func(c *Config) { c.Partitions[2].ID = c.SPMC },
		"a VM's identifier":                func(c *Config) { c.Partitions[2].ID = 5 },
		"no UUID":                          func(c *Config) { c.Partitions[2].UUIDs = nil },
		"the nil UUID":                     func(c *Config) { c.Partitions[2].UUIDs = []ffa.UUID{{}} },
		"a later version":                  func(c *Config) { c.Partitions[2].Version = ffa.Version1_3 },
		"another major version":            func(c *Config) { c.Partitions[2].Version = 0x2_0000 },
		"OP-TEE twice":                     func(c *Config) { c.Partitions[2].New = nil },
		"too many VMs":                     func(c *Config) { c.Limits.VMs = 1 << 15 },
	} {
		cfg := TestConfig()
		cfg.TZASC.Enabled = false // the host has no devices
		change(&cfg)
		if err := New(cfg).Reset(newHost(t, ramSize)); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Reset brings the test partitions to their beginning.
func TestResetOfPartitions(t *testing.T) {
	r := notified(t, 0x1_0002)
	r.want("BIND", []uint64{bindCall, first << 16, 0, 1}, []uint64{ffaSuccess})
	r.does(first, testsp.Policy, denied)
	r.does(first, testsp.Notify, 0, 0, 1)
	r.does(first, testsp.Bind, 0, 0, 1)
	r.want("Suspend", []uint64{0x8400_006F, second, 0, uint64(testsp.Suspend), 1}, []uint64{yielded, second << 16})
	r.does(first, testsp.Send, second, 1, 'x')
	h := r.sent(ffa.Lend, ffa.Version1_2, to(ffa.Lend, secondRW))
	r.tzc.Reset()
	must(t, r.w.Reset(r.h))
	fresh := newRig(t, withTestPartitions)
	if r.state() != fresh.state() {
		t.Error("a world after reset differs from a new one")
	}
	r.negotiate(0x1_0002)
	r.refused("RECLAIM of a handle from before", invalid, reclaimCall(h)...)
	r.refused("GET of a bitmap from before", notSupported, getCall, 0, fromSP)
	r.does(second, testsp.Echo)
}
