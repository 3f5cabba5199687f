package manifest

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"gatehouse/ffa"
)

func parseUUID(t testing.TB, s string) ffa.UUID {
	t.Helper()
	u, err := ffa.ParseUUID(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The built-in partitions: OP-TEE as its own manifest for the FVP describes it (TF-A, fvp_spmc_optee_sp_manifest.dts).
func TestBuiltIn(t *testing.T) {
	want := &Manifest{
		Description: "OP-TEE", Version: ffa.Version1_2, ID: 0x8001, MP: true, ExceptionLevel: SEL1, AArch64: true, Behaviour: "optee",
		Services: []Service{{parseUUID(t, "486178e0-e7f8-11e3-bc5e-0002a5d5c51b"), ffa.PropReceivesDirectReq}},
	}
	if got := OPTEE(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	test := Test()
	if len(test) != 2 || test[0].ID != 0x8002 || test[1].ID != 0x8003 {
		t.Fatalf("%+v", test)
	}
	if m := test[0]; !m.MP || !m.Notifications || !m.VMCreated || !m.VMDestroyed || len(m.Services) != 2 || m.Version != ffa.Version1_2 ||
		m.Services[0].Methods != ffa.PropReceivesDirectReq|ffa.PropIndirectMessages|ffa.PropReceivesDirectReq2 ||
		m.Services[1].Methods != ffa.PropReceivesDirectReq {
		t.Errorf("first: %+v", m)
	}
	if m := test[1]; m.MP || !m.Notifications || m.VMCreated || m.MaxRegions != 4 || m.MaxPages != 1024 || m.Version != ffa.Version1_1 ||
		len(m.Services) != 1 || m.Services[0].Methods != ffa.PropReceivesDirectReq|ffa.PropIndirectMessages {
		t.Errorf("second: %+v", m)
	}
}

// good is a manifest of binding 1.0 with all that a partition here can say.
const good = `{
	"compatible": "arm,ffa-manifest-1.0", "description": "d", "ffa-version": 65538,
	"uuid": ["486178e0-e7f8-11e3-bc5e-0002a5d5c51b", "486178e0-e7f8-11e3-bc5e-0002a5d5c51c"], "messaging-method": [1, "0x204"],
	"id": "0x8123", "execution-ctx-count": 1, "exception-level": 1, "execution-state": 1, "ns-interrupts-action": 2,
	"notification-support": true, "vm-availability-messages": 2, "gatehouse,behaviour": "b", "gatehouse,max-regions": 3, "gatehouse,max-pages": 4
}`

func TestParse(t *testing.T) {
	m, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := &Manifest{
		Description: "d", Version: ffa.Version1_2, ID: 0x8123, ExceptionLevel: SEL0, NSInterrupts: InterruptsSignalled, Notifications: true,
		VMDestroyed: true, Behaviour: "b", MaxRegions: 3, MaxPages: 4,
		Services: []Service{
			{parseUUID(t, "486178e0-e7f8-11e3-bc5e-0002a5d5c51b"), ffa.PropReceivesDirectReq},
			{parseUUID(t, "486178e0-e7f8-11e3-bc5e-0002a5d5c51c"), ffa.PropIndirectMessages | ffa.PropReceivesDirectReq2},
		},
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, want %+v", m, want)
	}
	one := strings.Replace(good, `[1, "0x204"]`, "1", 1)
	if m, err := Parse([]byte(one)); err != nil || m.Services[1].Methods != ffa.PropReceivesDirectReq {
		t.Errorf("one method for all: %+v, %v", m, err)
	}
}

// Every way in which a manifest can be wrong, with what the error has to name.
func TestErrors(t *testing.T) {
	nested := func(services string) string {
		s := strings.Replace(good, "manifest-1.0", "manifest-1.1", 1)
		i, j := strings.Index(s, `"uuid"`), strings.Index(s, `"id"`)
		return s[:i] + `"services": ` + services + ", " + s[j:]
	}
	child := `{"compatible": "arm,ffa-manifest-services", "a": {"uuid": "486178e0-e7f8-11e3-bc5e-0002a5d5c51b", "messaging-method": 1}}`
	if m, err := Parse([]byte(nested(child))); err != nil || len(m.Services) != 1 {
		t.Fatalf("binding 1.1: %+v, %v", m, err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"", "", "unexpected end"},
		{good, "[]", "want an object"},
		{good, "7", "want an object"},
		{good, "{", "unexpected end"},
		{good, good + "{}", "more behind the object"},
		{good, good + "}", "more behind the object"},
		{"\"d\",", "\"d\" \"e\",", "invalid character"},
		{`"description": "d"`, `"description": 5`, "description: want a string"},
		{`"description": "d"`, `"description": ""`, "description: want a string"},
		{`"description": "d"`, `"descriptor": "d"`, "descriptor: unknown property"},
		{`"description": "d"`, `"id": 7`, "id: stands twice"},
		{`"description": "d"`, `"load-address": "0x1000"`, "load-address: not for a partition of Go code"},
		{`"description": "d"`, `"memory-regions": {}`, "memory-regions: not for a partition of Go code"},
		{`"description": "d"`, `"services": ` + child, "services: not in binding 1.0"},
		{"manifest-1.0", "manifest-2.0", "compatible: \"arm,ffa-manifest-2.0\": want"},
		{"manifest-1.0", "manifest-1.1", "uuid, messaging-method: only in binding 1.0"},
		{`"compatible"`, `"description2"`, "description2: unknown"},
		{"65538", "65539", "ffa-version: 0x10003: want"},
		{"65538", "65535", "ffa-version: 0xffff: want"},
		{"65538", "-1", "ffa-version: -1: want an unsigned number"},
		{"65538", "1e5", "ffa-version: 1e5: want an unsigned number"},
		{"65538", "65536", "messaging-method"},
		{"65538", "65537", "is of FF-A 1.2, the partition is of 1.1"},
		{`"0x8123"`, "291", "id: 0x123: want an identifier of a secure partition"},
		{`"0x8123"`, `"0x18123"`, "id: 0x18123: want an unsigned number of at most 16 bits"},
		{`"0x8123"`, `"8123"`, `want a number, or a string like`},
		{`"0x8123"`, `"0x81_23"`, `want an unsigned number`},
		{`"0x8123"`, "true", "id: true: want an unsigned number"},
		{`"execution-ctx-count": 1`, `"execution-ctx-count": 0`, "execution-ctx-count: want at least 1"},
		{`"execution-ctx-count": 1`, `"execution-ctx-count": 65536`, "execution-ctx-count: 65536"},
		{`"exception-level": 1`, `"exception-level": 0`, "exception-level: 0: want one of [1 2]"},
		{`"execution-state": 1`, `"execution-state": 2`, "execution-state: 2"},
		{`"ns-interrupts-action": 2`, `"ns-interrupts-action": 1`, "ns-interrupts-action: 1"},
		{`"notification-support": true`, `"notification-support": 1`, "notification-support: want true or false"},
		{`"notification-support": true`, `"notification-support": null`, "notification-support: want true or false"},
		{`"vm-availability-messages": 2`, `"vm-availability-messages": 4`, "vm-availability-messages: 4"},
		{`"gatehouse,behaviour": "b"`, `"gatehouse,behaviour": null`, "gatehouse,behaviour: want a string"},
		{`"gatehouse,behaviour": "b", `, "", "gatehouse,behaviour: missing"},
		{`"gatehouse,max-regions": 3`, `"gatehouse,max-regions": 4294967296`, "gatehouse,max-regions: 4294967296"},
		{`"gatehouse,max-pages": 4`, `"gatehouse,max-pages": "0x10000000000000"`, "gatehouse,max-pages"},
		{"51c\"", "51\"", "want a UUID like"},
		{"486178e0-e7f8-11e3-bc5e-0002a5d5c51c", "00000000-0000-0000-0000-000000000000", "the nil UUID"},
		{"51c\"", "51b\"", "UUID 486178e0-e7f8-11e3-bc5e-0002a5d5c51b: stands twice"},
		{`[1, "0x204"]`, "[1, 2, 4]", "messaging-method: 3 values for 2 UUIDs"},
		{`[1, "0x204"]`, "[]", "messaging-method: 0 values for 2 UUIDs"},
		{`[1, "0x204"]`, "8", "messaging-method: 0x8: want bits 0 to 2, 9 and 10 only"},
		{`[1, "0x204"]`, "[1, [1]]", "messaging-method"},
		{`"uuid": ["486178e0-e7f8-11e3-bc5e-0002a5d5c51b", "486178e0-e7f8-11e3-bc5e-0002a5d5c51c"], `, "", "uuid: missing"},
		{`["486178e0-e7f8-11e3-bc5e-0002a5d5c51b", "486178e0-e7f8-11e3-bc5e-0002a5d5c51c"]`, "5", "uuid: want a string"},
		{good, nested("{}"), "services: compatible: \"\": want"},
		{good, nested("5"), "services: want an object"},
		{good, nested(`{"compatible": "arm,ffa-manifest-services"}`), "services: missing or without children"},
		{good, nested(strings.Replace(child, `"messaging-method": 1`, `"x": 1`, 1)), "services: a: x: unknown property"},
		{good, nested(strings.Replace(child, `, "messaging-method": 1`, "", 1)), "services: a: want uuid and messaging-method"},
		{good, nested(strings.Replace(child, `"compatible": "arm`, `"compatible": "arms`, 1)), "services: compatible"},
	} {
		in := ""
		if c.from != "" {
			if !strings.Contains(good, c.from) {
				t.Fatalf("nothing to change: %s", c.from)
			}
			in = strings.Replace(good, c.from, c.to, 1)
		}
		m, err := Parse([]byte(in))
		if err == nil || !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.want) || m != nil {
			t.Errorf("%q for %q: %v, want %q", c.to, c.from, err, c.want)
		}
	}
	for _, name := range mandatory {
		if _, err := Parse([]byte(strings.Replace(good, `"`+name+`"`, `"gatehouse,`+name+`"`, 1))); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	old := strings.NewReplacer("65538", "65536", `[1, "0x204"]`, "1").Replace(good)
	if _, err := Parse([]byte(old)); err == nil || !strings.Contains(err.Error(), "notification-support: notifications are of FF-A 1.1") {
		t.Errorf("notifications at 1.0: %v", err)
	}
	old = strings.NewReplacer("65538", "65536", `[1, "0x204"]`, "4").Replace(good)
	if _, err := Parse([]byte(old)); err == nil || !strings.Contains(err.Error(), "indirect messages are of FF-A 1.1") {
		t.Errorf("indirect messages at 1.0: %v", err)
	}
}

// Whatever the bytes, parsing ends, and what is accepted keeps the promises of Manifest.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"optee.json", "test-first.json", "test-second.json"} {
		b, err := files.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrManifest) || m != nil {
				t.Errorf("%v", err)
			}
			return
		}
		if !m.ID.Secure() || len(m.Services) == 0 || m.Version < ffa.Version1_0 || m.Version > ffa.Version1_2 || m.Behaviour == "" {
			t.Errorf("%+v", m)
		}
		for _, s := range m.Services {
			if s.UUID.IsNil() || s.Methods&^methods != 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}
