package perfetto

import (
	"bufio"
	"io"
	"strconv"

	"gatehouse/platform/event"
)

// shown is how long a slice that takes no virtual time is drawn, in ns, so that its name can be read: most calls of the Go secure
// world are answered between two instructions. It never reaches beyond the next event of its track.
const shown = 500

// latest is the last timestamp, in ns: readers take them for signed numbers.
const latest = 1<<63 - 1 - shown

// Worlds are processes. Their track identifiers are their process identifiers; those of other tracks follow.
const (
	normalWorld = 1
	secureWorld = 2
	firstTrack  = 16
)

// sequence is the one packet sequence of a trace. Any number but 0 serves.
const sequence = 1

// Sink is a sink that writes a trace. It wants calls from their begin on.
type Sink struct {
	w     *bufio.Writer
	any   bool // something has been written
	world [2]bool

	epoch uint64 // of the last restart, in ns of the trace
	last  uint64 // timestamp of the last packet
	shown int    // slices that have ended and are still shown, on all tracks

	tracks []*track // in the order of their first events
	places map[place]*track

	// call is the track of a call that the normal world waits for: what the secure world does meanwhile is shown as its
	// consequence, by a flow.
	call  *track
	depth int // slices of the track below the call
	flow  uint64

	event, packet []byte // scratch
}

var (
	_ event.Sink   = (*Sink)(nil)
	_ event.Opener = (*Sink)(nil)
)

// place is what has a track of its own.
type place struct {
	secure bool
	source string
	lane   uint8
}

// track is one line of time. What happens there nests.
type track struct {
	uuid  uint64
	open  []uint64 // when the slices began that have not ended
	ended [][]byte // arguments of the slices that have ended and are still shown, innermost first
	due   uint64   // when the last of them is shown no longer
}

// New makes a sink on w, which has everything after Close.
func New(w io.Writer) *Sink {
	return &Sink{w: bufio.NewWriterSize(w, 64<<10), places: map[place]*track{}}
}

// Open takes the begin of a call.
func (s *Sink) Open(e *event.Event) { s.Emit(e) }

// Emit writes e. An error of the writer shows at Close.
func (s *Sink) Emit(e *event.Event) {
	// Time does not go back, whatever a device says.
	now := min(max(s.epoch+e.Time, s.last), latest)
	s.expire(now)
	t := s.track(e, now)
	switch {
	case e.Phase == event.Begin:
		s.begin(t, e, now)
	case e.Phase == event.End && len(t.open) > 0:
		s.end(t, e, now)
	default:
		s.settle(t, now)
		s.write(now, s.fields(s.head(t, e, typeInstant, e.Name), e))
	}
	if e.Phase == event.Restart {
		s.finish(now)
		s.epoch = now
	}
}

func (s *Sink) begin(t *track, e *event.Event, now uint64) {
	s.settle(t, now)
	name := e.Name
	switch {
	case e.Category == event.DMA:
		name = "job"
	case !e.Secure && s.call == nil:
		s.call, s.depth = t, len(t.open)
		s.flow++
	}
	s.write(now, s.fields(s.head(t, e, typeSliceBegin, name), e))
	t.open = append(t.open, now)
}

func (s *Sink) end(t *track, e *event.Event, now uint64) {
	last := len(t.open) - 1
	began := t.open[last]
	t.open = t.open[:last]
	if s.call == t && s.depth == last {
		s.call = nil
	}
	var args []byte
	if e.Category == event.DMA {
		args = appendField(args, "end", event.Str("", e.Name))
	}
	args = s.fields(args, e)
	if began < now {
		s.settle(t, now)
		s.write(now, s.tail(t, args))
		return
	}
	t.ended = append(t.ended, appendField(args, "virtual_ns", event.Dec("", 0)))
	t.due = now + shown
	s.shown++
}

// settle ends what is still shown on t.
func (s *Sink) settle(t *track, at uint64) {
	for _, args := range t.ended {
		s.write(at, s.tail(t, args))
		s.shown--
	}
	t.ended = t.ended[:0]
}

// expire ends what has been shown for long enough.
func (s *Sink) expire(now uint64) {
	for s.shown > 0 {
		var first *track
		for _, t := range s.tracks {
			if len(t.ended) > 0 && t.due <= now && (first == nil || t.due < first.due) {
				first = t
			}
		}
		if first == nil {
			return
		}
		s.settle(first, first.due)
	}
}

// finish ends everything. What had no end gets an argument that says so.
func (s *Sink) finish(now uint64) {
	for _, t := range s.tracks {
		s.settle(t, now)
		for range t.open {
			s.write(now, s.tail(t, appendTrue(nil, "unfinished")))
		}
		t.open = t.open[:0]
	}
	s.call = nil
}

// Close ends the trace, and gives the first error of the writer.
func (s *Sink) Close() error {
	s.expire(s.last + shown)
	s.finish(s.last)
	return s.w.Flush()
}

// track finds or makes the track of an event.
func (s *Sink) track(e *event.Event, now uint64) *track {
	p := place{e.Secure, e.Source, e.Lane}
	if t := s.places[p]; t != nil {
		return t
	}
	if !s.any {
		s.any = true
		// The track 0, which has no events here, says that processes are sorted by their ranks.
		s.describe(now, appendUint(appendUint(s.event[:0], descriptorUUID, 0), descriptorProcessOrdering, orderingExplicit), true)
	}
	world, id := &s.world[0], uint64(normalWorld)
	if e.Secure {
		world, id = &s.world[1], secureWorld
	}
	if !*world {
		*world = true
		process := appendString(appendUint(nil, processPID, id), processName, e.World()+" world")
		d := appendBytes(appendUint(s.event[:0], descriptorUUID, id), descriptorProcess, process)
		s.describe(now, appendUint(d, descriptorRank, id), false)
	}
	t := &track{uuid: firstTrack + uint64(len(s.tracks))}
	s.tracks = append(s.tracks, t)
	s.places[p] = t
	name := e.Source
	if e.Lane != 0 {
		name += "/" + strconv.Itoa(int(e.Lane))
	}
	s.describe(now, appendString(appendUint(appendUint(s.event[:0], descriptorUUID, t.uuid), descriptorParent, id), descriptorName, name), false)
	return t
}

// describe writes a TrackDescriptor.
func (s *Sink) describe(now uint64, d []byte, first bool) {
	s.event = d
	p := appendUint(s.packet[:0], packetTimestamp, now)
	p = appendUint(p, packetSequence, sequence)
	if first {
		p = appendUint(appendUint(p, packetFlags, flagIncrementalStateCleared), packetFirst, 1)
	}
	s.put(now, appendBytes(p, packetDescriptor, d))
}

// head begins a TrackEvent that has a name.
func (s *Sink) head(t *track, e *event.Event, kind uint64, name string) []byte {
	b := appendUint(appendUint(s.event[:0], eventType, kind), eventTrack, t.uuid)
	b = appendString(appendString(b, eventCategory, e.Category.String()), eventName, name)
	if s.call != nil && (e.Secure || t == s.call && kind == typeSliceBegin && s.depth == len(t.open)) {
		b = appendFixed64(b, eventFlow, s.flow)
	}
	return b
}

// tail makes the TrackEvent that ends a slice. Its arguments join those of the begin.
func (s *Sink) tail(t *track, args []byte) []byte {
	return append(appendUint(appendUint(s.event[:0], eventType, typeSliceEnd), eventTrack, t.uuid), args...)
}

// fields appends the fields of e to a TrackEvent.
func (s *Sink) fields(b []byte, e *event.Event) []byte {
	for key, f := range e.Values() {
		b = appendField(b, key, f)
	}
	return b
}

// write writes a TrackEvent.
func (s *Sink) write(at uint64, e []byte) {
	s.event = e
	p := appendUint(s.packet[:0], packetTimestamp, at)
	s.put(at, appendBytes(appendUint(p, packetSequence, sequence), packetTrackEvent, e))
}

// put writes a packet. A failed write shows at Close.
func (s *Sink) put(at uint64, packet []byte) {
	s.packet, s.last = packet, at
	var head [2 * 10]byte
	_, _ = s.w.Write(appendHeader(head[:0], len(packet)))
	_, _ = s.w.Write(packet)
}
