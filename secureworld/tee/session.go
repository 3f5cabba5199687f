package tee

import (
	"gatehouse/ffa"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// application is a pseudo-TA with what the service keeps of it.
type application struct {
	PseudoTA
	instance uint32 // how often it has panicked
}

// sessionState is what a slot of the session table holds.
type sessionState uint8

const (
	sessionFree    sessionState = iota
	sessionOpening              // nobody knows of it yet
	sessionOpen
)

// session is one slot of the session table; its number is its index plus one.
type session struct {
	state    sessionState
	app      int            // in Service.tas
	instance uint32         // of the application; another one means that it has panicked since
	serial   uint32         // tells sessions apart that have the same number one after the other
	owner    ffa.EndpointID // who may use it
	client   Client         // as whom it was opened
	busy     bool           // a call is under way
}

// application gives the place of the application with a UUID in s.tas, or -1.
func (s *Service) application(u smc.UUID) int {
	for i := range s.tas {
		if s.tas[i].UUID() == u {
			return i
		}
	}
	return -1
}

// find gives the open session that a message is about, or nil.
func (s *Service) find(t *thread) *session {
	if i := uint64(t.arg.Session) - 1; i < uint64(len(s.sessions)) {
		if x := &s.sessions[i]; x.state == sessionOpen && x.owner == t.client {
			return x
		}
	}
	return nil
}

// open is OPEN_SESSION. A session that is refused has number 0.
func (s *Service) open(t *thread) {
	a := &t.arg
	a.Session = 0
	meta, err := a.OpenSession()
	if err != nil {
		a.Ret = optee.ErrorBadParameters
		return
	}
	client := Client{Login: meta.Login}
	switch meta.Login {
	case optee.LoginPublic, optee.LoginREEKernel:
	case optee.LoginUser, optee.LoginGroup, optee.LoginApplication, optee.LoginUserApplication, optee.LoginGroupApplication:
		client.UUID = meta.Client
	default:
		a.Ret = optee.ErrorBadParameters
		return
	}
	if a.Ret = s.copyIn(t, a.Params[2:]); a.Ret != optee.Success {
		return
	}
	app := s.application(meta.TA)
	if app < 0 {
		a.Ret = optee.ErrorItemNotFound
		return
	}
	if a.Ret = s.admits(&s.tas[app], t); a.Ret != optee.Success {
		return
	}
	free := -1
	for i := range s.sessions {
		switch x := &s.sessions[i]; {
		case x.state == sessionFree:
			if free < 0 {
				free = i
			}
		case x.app == app && x.instance == s.tas[app].instance && s.tas[app].Properties()&SingleSession != 0:
			a.Ret = optee.ErrorBusy
			return
		}
	}
	if free < 0 {
		a.Ret = optee.ErrorOutOfMemory
		return
	}
	s.sessions[free] = session{state: sessionOpening, app: app, instance: s.tas[app].instance, owner: t.client, client: client, busy: true}
	t.state.Session, t.state.Client = uint32(free)+1, client
	t.phase = phaseStep
}

// admits reports whether an application takes the parameters of a call.
func (s *Service) admits(app *application, t *thread) optee.Result {
	if app.Properties()&SecureDataPath != 0 {
		return optee.Success
	}
	for i := range t.state.Params {
		if m := &t.state.Params[i].Mem; m.Protected() && m.limit != 0 {
			return optee.ErrorBadParameters
		}
	}
	return optee.Success
}

// invoke is INVOKE_COMMAND.
func (s *Service) invoke(t *thread) {
	if t.arg.Ret = s.copyIn(t, t.arg.Params); t.arg.Ret == optee.Success {
		t.phase = phaseEnter
	}
}

// close is CLOSE_SESSION.
func (s *Service) close(t *thread) {
	if t.arg.Ret = optee.ErrorBadParameters; len(t.arg.Params) == 0 {
		t.phase = phaseEnter
	}
}

// enter is phaseEnter. While another call is under way in the session the client waits; its driver does so in an RPC.
func (s *Service) enter(t *thread) bool {
	a := &t.arg
	x := s.find(t)
	if x == nil || t.serial != 0 && t.serial != x.serial {
		a.Ret, t.phase = optee.ErrorBadParameters, phaseWake
		return false
	}
	t.serial = x.serial
	switch {
	case t.state.cancelled:
		a.Ret, t.phase = optee.ErrorCancel, phaseWake
		return false
	case x.busy:
		if s.ask(t, notification(optee.NotificationWait, waitKeys+t.id, 0)) {
			return true
		}
		a.Ret, t.phase = optee.ErrorOutOfMemory, phaseWake
		return false
	}
	app := &s.tas[x.app]
	if a.Cmd == optee.CmdCloseSession {
		if x.instance == app.instance {
			app.Close(a.Session)
		}
		s.vacate(t, x)
		a.Ret, t.phase = optee.Success, phaseWake
		return false
	}
	if a.Ret = s.admits(app, t); a.Ret != optee.Success {
		t.phase = phaseWake
		return false
	}
	x.busy = true
	t.state.Session, t.state.Command, t.state.Client = a.Session, a.Func, x.client
	t.phase = phaseStep
	return false
}

// wakeWaiters makes t wake those who wait for the session of serial number n.
func (s *Service) wakeWaiters(t *thread, n uint32) {
	for i := range s.threads {
		if w := &s.threads[i]; w.phase == phaseEnter && w.serial == n && w != t {
			t.wake.set(waitKeys + w.id)
		}
	}
}

// vacate ends a session.
func (s *Service) vacate(t *thread, x *session) {
	s.wakeWaiters(t, x.serial)
	s.withdraw(func(g *grant) bool { return g.session == t.arg.Session })
	*x = session{}
}

// step is phaseStep. It reports false with the phase unchanged when the application has to be entered again at once.
func (s *Service) step(t *thread) bool {
	a := &t.arg
	x := &s.sessions[t.state.Session-1]
	app := &s.tas[x.app]
	opening := x.state == sessionOpening
	if x.instance != app.instance {
		a.Ret = optee.ErrorTargetDead
	} else {
		c := Call{State: &t.state, service: s, thread: t}
		if opening {
			a.Ret = app.Open(&c)
		} else {
			a.Ret = app.Invoke(&c)
		}
		switch {
		case t.panics:
			a.Ret = optee.ErrorTargetDead
			s.crash(app)
		case c.request.kind != requestNothing:
			return s.ask(t, c.request)
		case a.Ret != optee.Success:
			a.RetOrigin = optee.OriginTrustedApp
		}
	}
	t.phase = phaseFree
	x.busy = false
	params := a.Params
	if opening {
		params = params[2:]
		if a.Ret == optee.Success {
			s.opened++
			x.state, x.serial = sessionOpen, s.opened
			a.Session = t.state.Session
		} else {
			*x = session{}
		}
	} else {
		s.wakeWaiters(t, x.serial)
	}
	t.copyOut(params)
	return false
}

// crash ends an application that has panicked: its sessions stay, dead, until their clients close them.
func (s *Service) crash(app *application) {
	for i := range s.sessions {
		if x := &s.sessions[i]; x.state == sessionOpen && &s.tas[x.app] == app && x.instance == app.instance {
			app.Close(uint32(i) + 1)
			s.withdraw(func(g *grant) bool { return g.session == uint32(i)+1 })
		}
	}
	app.instance++
}

// cancel is CANCEL: of the call in a session that the client has given that number. A call that waits for a notification is woken
// to see it.
func (s *Service) cancel(t *thread) optee.Result {
	a := &t.arg
	if len(a.Params) != 0 || s.find(t) == nil {
		return optee.ErrorBadParameters
	}
	for i := range s.threads {
		v := &s.threads[i]
		if v == t || v.await == awaitNothing || v.arg.Cmd != optee.CmdInvokeCommand || v.arg.Session != a.Session || v.client != t.client || v.arg.CancelID != a.CancelID {
			continue
		}
		v.state.cancelled = true
		if key, ok := v.waitsFor(); ok {
			t.wake.set(key)
		}
	}
	return optee.Success
}
