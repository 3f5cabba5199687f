package secureworld

import (
	"fmt"
	"slices"

	"gatehouse/ffa"
	"gatehouse/secureworld/manifest"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/testsp"
)

// FromManifest makes a partition of a manifest. Its behaviour is "optee", the OP-TEE service, or "test", package testsp.
func FromManifest(m *manifest.Manifest) (Partition, error) {
	p := Partition{ID: m.ID, Contexts: 1, Version: m.Version, MaxRegions: m.MaxRegions, MaxPages: m.MaxPages}
	if m.MP {
		p.Contexts = 0
	}
	for _, x := range []struct {
		set      bool
		property ffa.PartitionProperties
	}{
		{m.AArch64, ffa.PropAArch64}, {m.Notifications, ffa.PropNotifications},
		{m.VMCreated, ffa.PropWantsVMCreated}, {m.VMDestroyed, ffa.PropWantsVMDestroyed},
	} {
		if x.set {
			p.Properties |= x.property
		}
	}
	for _, s := range m.Services {
		p.UUIDs = append(p.UUIDs, s.UUID)
		p.Messaging = append(p.Messaging, s.Methods)
	}
	if methods := slices.Compact(slices.Clone(p.Messaging)); len(methods) == 1 {
		p.Properties |= methods[0]
		p.Messaging = nil
	}
	switch m.Behaviour {
	case "optee":
	case "test":
		u := p.UUIDs[0]
		p.New = func() spmc.Partition { return testsp.New(u) }
	default:
		return Partition{}, fmt.Errorf("%w: partition %v: behaviour %q: want \"optee\" or \"test\"", ErrConfig, m.ID, m.Behaviour)
	}
	return p, nil
}

// builtin is FromManifest for the manifests that come with the program.
func builtin(m *manifest.Manifest) Partition {
	p, err := FromManifest(m)
	if err != nil {
		panic("BUG: secureworld: " + err.Error())
	}
	return p
}

// TestConfig is DefaultConfig with the two test partitions of package testsp beside OP-TEE.
func TestConfig() Config {
	c := DefaultConfig()
	for _, m := range manifest.Test() {
		c.Partitions = append(c.Partitions, builtin(m))
	}
	return c
}
