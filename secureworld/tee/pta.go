package tee

import (
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Client is who opens a session (GlobalPlatform client identity).
type Client struct {
	Login optee.Login
	UUID  smc.UUID // nil for public and kernel logins
}

// PseudoTA is a trusted application that is part of the service. Results that are not SUCCESS come from the application
// (ret_origin TRUSTED_APP). A session number is unique among the open sessions.
type PseudoTA interface {
	UUID() smc.UUID
	// Device says that the application is listed by the device enumeration, so that normal-world drivers bind to it.
	Device() bool
	Open(session uint32, c Client, p *Params) optee.Result
	Invoke(session, command uint32, p *Params) optee.Result
	Close(session uint32)
}

// session is one slot of the session table; its number is its index plus one.
type session struct {
	ta PseudoTA // nil for a free slot
}

// devices is the device enumeration pseudo-TA (pta_device.h).
type devices struct {
	list []smc.UUID
}

func (d *devices) UUID() smc.UUID { return optee.DeviceUUID() }
func (d *devices) Device() bool   { return false }

func (d *devices) Open(uint32, Client, *Params) optee.Result { return optee.Success }
func (d *devices) Close(uint32)                              {}

// Invoke lists the UUIDs of devices, 16 octets each in the order of RFC 4122. All of them are ready without a supplicant.
func (d *devices) Invoke(_, command uint32, p *Params) optee.Result {
	list := d.list
	switch command {
	case optee.DeviceCmdGetDevices:
	case optee.DeviceCmdGetDevicesSupp, optee.DeviceCmdGetDevicesRPMB:
		list = nil
	default:
		return optee.ErrorNotImplemented
	}
	if !p.Are(optee.AttrRMemOutput) {
		return optee.ErrorBadParameters
	}
	m := &p[0].Mem
	need := uint64(len(list)) * 16
	if m.Size < need {
		m.Size = need
		return optee.ErrorShortBuffer
	}
	m.Size = need
	for i := range list {
		if m.WriteAt(list[i][:], uint64(i)*16) != nil {
			return optee.ErrorBadParameters
		}
	}
	return optee.Success
}
