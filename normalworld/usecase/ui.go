package usecase

import (
	"errors"
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/media"
	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

// The screen of the trusted user interface.
const (
	uiWidth, uiHeight = 320, 240
	uiColour          = 0x204060
)

// Keys of the input device (Linux, input-event-codes.h).
const (
	keyOne   = 2
	keyZero  = 11
	keyEnter = 28
)

// trustedUI has the secure world ask for a PIN: what it draws only the display reads, what is typed the normal world does not get.
func (r *run) trustedUI() (err error) {
	b, err := r.alloc("screen", uint64(driver.XRGB8888.Size(uiWidth, uiHeight)), nil)
	if err != nil {
		return err
	}
	if err := r.look("allocated", 0, b); err != nil {
		return err
	}
	card := media.NewCard(r.Core, r.Pages, r.Display)
	defer func() { err = errors.Join(err, card.Close()) }()
	h, err := card.Import(b.Buffer)
	if err != nil {
		return err
	}
	fb, err := card.AddFB(h, driver.XRGB8888, uiWidth, uiHeight, 4*uiWidth, 0)
	if err != nil {
		return err
	}
	shm, err := r.register(b)
	if err != nil {
		return err
	}
	defer shm.Put()
	ui, err := r.open("trusted user interface", optee.UIUUID())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ui.close()) }()
	screen := tee.Memref(tee.AttrMemrefOutput, shm, 0, b.used)
	if _, err := ui.invoke("the PIN pad", optee.UICmdShow, screen,
		tee.Value(tee.AttrValueInput, uiWidth|uiHeight<<16, 4*uiWidth, 0),
		tee.Value(tee.AttrValueInput, uint64(optee.UIPad), uiColour, 0)); err != nil {
		return err
	}
	if err := r.look("drawn", 0, b); err != nil {
		return err
	}
	if err := card.SetCrtc(fb); err != nil {
		return err
	}
	if err := r.Display.WaitFrame(); err != nil {
		if refused(err) {
			r.note(false, "the display reads the screen", "%v", err)
			return nil
		}
		return err
	}
	r.note(true, "the display reads the screen", "")
	if err := r.look("shown", 0, b); err != nil {
		return err
	}
	r.note(r.Input.Locked(), "the input device is the secure world's", "it is not locked")
	r.progress(1, 3)

	state := uint64(optee.UIRunning)
	for _, c := range r.o.PIN + "\n" {
		code := uint16(keyEnter)
		switch {
		case c == '0':
			code = keyZero
		case c >= '1' && c <= '9':
			code = uint16(c-'1') + keyOne
		case c != '\n':
			return fmt.Errorf("%w: PIN: want digits", ErrOption)
		}
		if r.o.Key == nil {
			return fmt.Errorf("%w: nobody types", ErrOption)
		}
		r.o.Key(code, true)
		r.o.Key(code, false)
		if _, err := r.Input.Read(); !errors.Is(err, normalworld.EFAULT) {
			r.note(false, "the normal world does not get what is typed", "it read the device: %v", err)
		}
		out, err := ui.invoke("the PIN pad", optee.UICmdPoll, screen, tee.Value(tee.AttrValueOutput, 0, 0, 0))
		if err != nil {
			return err
		}
		state = out[1].A
		if err := r.look("typing", 0, b); err != nil {
			return err
		}
	}
	r.note(state == uint64(optee.UIEntered), "the dialogue ends with enter", "state %d", state)
	if err := r.Display.WaitFrame(); err != nil {
		return err
	}
	r.progress(2, 3)
	out, err := ui.invoke("the PIN", optee.UICmdVerify, tee.Value(tee.AttrValueOutput, 0, 0, 0))
	if err != nil {
		return err
	}
	r.note(out[0].A == 1, "the PIN is the right one", "it is not; %d tries are left", out[0].B)
	if _, err := ui.invoke("the end", optee.UICmdHide); err != nil {
		return err
	}
	r.note(!r.Input.Locked(), "the input device is given back", "it is locked")
	if _, err := r.Input.Read(); !errors.Is(err, normalworld.EAGAIN) {
		r.note(false, "nothing that was typed is left in the input device", "%v", err)
	}
	r.progress(3, 3)
	return nil
}
