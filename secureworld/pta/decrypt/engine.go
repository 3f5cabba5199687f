package decrypt

import (
	driver "gatehouse/secureworld/aes"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/tee"
	"gatehouse/smc/optee"
)

// ListsSize is the bytes that the lists of a job can need: those of the source, and then those of the destination.
const ListsSize = 2 * listSize

const (
	listSize = 16 * driver.MaxEntries
	// engineSlot is the key slot of this application: the last one is not for clients.
	engineSlot = driver.Slots - 1
)

// Steps of a call that uses the engine.
const (
	stepEnter = iota // the engine may be at work for somebody else
	stepWait         // it works for this call
)

// Pauses: the normal world runs for a moment each time, and sleeps each fourth time. A call that waits for others gives up after
// maxPauses.
const (
	sleepEach = 4
	maxPauses = 400
)

// byEngine is DecryptCmdDecryptEngine. The memory of the call cannot change hands while the call is under way, so that what the lists name
// is what was judged.
func (x *TA) byEngine(c *tee.Call) optee.Result {
	if c.Step == stepWait {
		return x.collect(c)
	}
	s, res := x.judge(c)
	switch {
	case res != optee.Success:
		return res
	case !x.engine.Present() || x.lists.Size < ListsSize || s.in.Size > driver.MaxLength:
		return optee.ErrorNotSupported
	case c.Cancelled():
		return optee.ErrorCancel
	case s.in.Size == 0:
		s.out.Size = 0
		return optee.Success
	case x.user != 0:
		if c.Local[0] == maxPauses {
			return optee.ErrorBusy
		}
		return pause(c)
	}
	from, ok := s.source()
	to, err := s.out.Ranges(s.in.Size)
	if !ok || err != nil {
		return optee.ErrorNotSupported
	}
	j := driver.Job{
		Mode: driver.ModeCTR | driver.ModeDecrypt | driver.ModeCounter64, Slot: engineSlot, Length: uint32(s.in.Size),
		Source: x.lists.Base, Destination: x.lists.Base + listSize,
		// What is decrypted is the normal world's, and read as it would read it.
		From: driver.AsOrdinary, To: driver.AsSecure, Lists: driver.AsSecure,
	}
	copy(j.IV[:], s.info.IV)
	out := pieces(to)
	if len(out) > driver.MaxEntries || !x.engine.WriteList(j.Source, from) || !x.engine.WriteList(j.Destination, out) {
		return optee.ErrorNotSupported
	}
	if x.engine.Load(engineSlot, s.key.octets[:], 0) != nil || x.engine.Start(&j) != nil {
		return optee.ErrorGeneric
	}
	x.user = c.Session
	c.Step = stepWait
	return pause(c)
}

// collect waits for the job and takes its result.
func (x *TA) collect(c *tee.Call) optee.Result {
	if x.user != c.Session {
		panic("BUG: decrypt: a job of another session")
	}
	if c.Cancelled() {
		x.finish()
		return optee.ErrorCancel
	}
	done, err := x.engine.Poll()
	if !done {
		return pause(c)
	}
	x.finish()
	if err != nil {
		return optee.ErrorGeneric
	}
	c.Params[1].Mem.Size = c.Params[0].Mem.Size
	return optee.Success
}

// finish ends the use of the engine.
func (x *TA) finish() {
	x.engine.Abort()
	if x.engine.Clear(engineSlot) != nil {
		panic("BUG: decrypt: the engine does not clear a slot")
	}
	x.user = 0
}

// pause lets the normal world run.
func pause(c *tee.Call) optee.Result {
	c.Local[0]++
	if c.Local[0]%sleepEach == 0 {
		return c.Sleep(1)
	}
	return c.Interrupt()
}

// pieces are the entries of a list for ranges.
func pieces(ranges []memory.Range) (list []driver.Piece) {
	for _, r := range ranges {
		list = append(list, driver.Piece{Addr: r.Base, Size: uint32(r.Size)})
	}
	return list
}

// source gives the list of the sample, cut where its parts in the clear begin and end; ok is false where it would be too long.
func (s *sample) source() (list []driver.Piece, ok bool) {
	ranges, err := s.in.Ranges(s.in.Size)
	if err != nil {
		return nil, false
	}
	put := func(n uint64, copied bool) {
		for n > 0 && len(list) <= driver.MaxEntries {
			r := &ranges[0]
			k := min(n, r.Size)
			list = append(list, driver.Piece{Addr: r.Base, Size: uint32(k), Copied: copied})
			n -= k
			r.Base += k
			if r.Size -= k; r.Size == 0 {
				ranges = ranges[1:]
			}
		}
	}
	if len(s.info.Subsamples) == 0 {
		put(s.in.Size, false)
	}
	for _, x := range s.info.Subsamples {
		put(uint64(x.Clear), true)
		put(uint64(x.Encrypted), false)
	}
	return list, len(list) <= driver.MaxEntries
}
