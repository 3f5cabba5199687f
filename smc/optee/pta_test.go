package optee

import (
	"testing"

	"gatehouse/smc"
)

// The UUIDs are those that their documentation spells out, and no two are the same. Those that are not OP-TEE's are of version 4.
func TestApplicationUUIDs(t *testing.T) {
	seen := map[smc.UUID]bool{}
	for text, x := range map[string]struct {
		u   smc.UUID
		own bool
	}{
		"7011a688-ddde-4053-a5a9-7b3c4ddf13b8": {DeviceUUID(), false}, "ab7a617c-b8e7-4d8f-8301-d09b61036b64": {RNGUUID(), false},
		"12345678-5b69-11e4-9dbb-101f74f00099": {SDPUUID(), false}, "d96a5b40-c3e5-21e3-8794-1002a5d5c61b": {InvokeTestsUUID(), false},
		"68c3bd22-444e-42c6-8188-2c649a2d5189": {DecryptUUID(), true}, "ea8646f5-5dee-4d80-a1a0-575224b3acf2": {ProbeUUID(), true},
		"2f8d5c1e-9b47-4a63-b05d-7e31c4a816f9": {GrantUUID(), true}, "916b02e4-3dc8-4f17-8a6e-05d97bf320ac": {KeysUUID(), true},
		"5ad37c90-16bf-4e28-9f41-e26b08c5773d": {UIUUID(), true},
	} {
		if x.u.String() != text || seen[x.u] {
			t.Errorf("%v, want %s", x.u, text)
		}
		if x.own && (x.u[6]>>4 != 4 || x.u[8]>>6 != 2) {
			t.Errorf("%v is not of version 4 (RFC 4122, 4.1)", x.u)
		}
		seen[x.u] = true
	}
}

func TestNamesOfServices(t *testing.T) {
	for want, got := range map[string]string{
		"on-demand": UseCaseOnDemand.String(), "0x80000000": UseCaseImplementation.String(), "NO_RESOURCE": ErrorNoResource.String(),
		"read": GrantRead.String(), "read|write": (GrantRead | GrantWrite).String(), "write|0x4": (GrantWrite | 4).String(),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A policy names one source and one destination at most, and allows something.
func TestKeysPolicy(t *testing.T) {
	const use = KeysDecrypt | KeysCounter
	for p, want := range map[KeysPolicy]struct{ valid, clear, secret bool }{
		0:                              {},
		KeysDecrypt:                    {},
		KeysCounter:                    {},
		use:                            {valid: true},
		use | 1<<5:                     {},
		use | KeysDestinationProtected: {true, true, true},
		use | KeysSourceOrdinary:       {true, true, true},
		use | KeysSourceProtected:      {valid: true},
		use | KeysDestinationOrdinary:  {valid: true},
		use | KeysSourceProtected | KeysSourceOrdinary:           {clear: true, secret: true},
		use | KeysDestinationProtected | KeysDestinationOrdinary: {clear: true, secret: true},
		KeysEncrypt | KeysChaining:                               {true, false, true},
		KeysEncrypt | KeysChaining | KeysSourceProtected:         {true, false, true},
		KeysEncrypt | KeysChaining | KeysCopy:                    {valid: true},
		KeysEncrypt | KeysDecrypt | KeysChaining:                 {valid: true},
		KeysEncrypt | KeysCounter | KeysChaining:                 {valid: true},
		KeysEncrypt | KeysCounter:                                {valid: true},
	} {
		if p.Valid() != want.valid || p.Safe(false) != want.clear || p.Safe(true) != want.secret {
			t.Errorf("%#x: valid %v, safe %v, with a secret key %v; want %+v", uint32(p), p.Valid(), p.Safe(false), p.Safe(true), want)
		}
	}
}
