package driver

import (
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// The camera (package devices/camera).
const (
	cameraBase = 0x0b15_0000
	cameraSPI  = 135
	cameraID   = 0x4743_414d // "GCAM"

	camPeriod    = 0x080
	camPicture   = 0x100
	camStream    = 0x3c0
	camQueue     = 0x3c4
	camQueued    = 0x3c8
	camCompleted = 0x3cc
	camTag       = 0x3d0
	camResult    = 0x3d4
	camFrame     = 0x3d8
	camTime      = 0x3dc // two words
	camPop       = 0x3e4
	camOverruns  = 0x3e8
)

// Shot is one frame that the camera has taken into a buffer.
type Shot struct {
	// Picture is what Queue was given.
	Picture *Picture
	// Number counts the frames that were taken, lost ones included; Time is when, in ns of virtual time.
	Number uint32
	Time   uint64
	// Err is a JobError where the buffer could not be written.
	Err error
}

// ShotHandler hears of frames.
type ShotHandler interface{ Shot(s Shot) }

// Camera drives the camera: pictures that are queued are filled, one for each frame.
type Camera struct {
	*Engine
	// Shots is told of each frame; nil for nobody.
	Shots ShotHandler

	queued []*shot // the oldest first; the tag is a running number
	next   uint32
}

type shot struct {
	tag     uint32
	picture *Picture
	job     Job // for its lists
}

// NewCamera finds the camera.
func NewCamera(core *dmabuf.Core, pages *mem.Allocator) (*Camera, error) {
	dev := dmabuf.Device{Name: "camera", NSAID: 10, DMAMask: 1<<48 - 1}
	c := &Camera{}
	k := core.Kernel
	e, err := probe(core, pages, dev, cameraBase, cameraSPI, cameraID)
	c.Engine = e
	if err != nil {
		return c, err
	}
	// The camera's frames are no jobs of the engine's queue: the interrupt is the camera's own.
	k.FreeIRQ(e.intid)
	return c, k.RequestIRQ(e.intid, c)
}

// Queue gives the camera a picture to fill.
func (c *Camera) Queue(p *Picture) error {
	s := &shot{tag: c.next, picture: p}
	if err := c.picture(&s.job, camPicture, *p); err != nil {
		c.drop(&s.job)
		return err
	}
	before := c.load(camQueued)
	s.job.set(camQueue, s.tag)
	for _, r := range s.job.program {
		if err := c.k.Store(c.base+r.off, 4, uint64(r.v)); err != nil {
			c.drop(&s.job)
			return err
		}
	}
	if c.load(camQueued) == before {
		c.drop(&s.job)
		return normalworld.EBUSY
	}
	c.next++
	c.queued = append(c.queued, s)
	return nil
}

// Start begins to take frames, one each period of ns.
func (c *Camera) Start(period uint32) error {
	if err := c.k.Store(c.base+camPeriod, 4, uint64(period)); err != nil {
		return err
	}
	return c.k.Store(c.base+camStream, 4, 1)
}

// Stop ends that. Pictures that were queued are the caller's again.
func (c *Camera) Stop() error {
	err := c.k.Store(c.base+camStream, 4, 0)
	for _, s := range c.queued {
		c.drop(&s.job)
	}
	c.queued = nil
	return err
}

// Close stops the camera and gives the interrupt back.
func (c *Camera) Close() error {
	err := c.Stop()
	c.k.FreeIRQ(c.intid)
	return err
}

// Overruns counts frames that were lost.
func (c *Camera) Overruns() uint32 { return c.load(camOverruns) }

// Interrupt takes the frames that are done. See normalworld.InterruptHandler.
func (c *Camera) Interrupt(uint32) {
	if err := c.k.Store(c.base+regIntRaw, 4, uint64(c.load(regIntRaw))); err != nil {
		return
	}
	for c.load(camCompleted) > 0 {
		tag, result := c.load(camTag), Result(c.load(camResult))
		out := Shot{Number: c.load(camFrame), Time: uint64(c.load(camTime)) | uint64(c.load(camTime+4))<<32}
		if result != resultOK {
			out.Err = &JobError{Engine: c.Device.Name, Result: result, Addr: uint64(c.load(regFaultAddr)) | uint64(c.load(regFaultAddr+4))<<32, Write: true}
		}
		if err := c.k.Store(c.base+camPop, 4, 1); err != nil {
			return
		}
		for i, s := range c.queued {
			if s.tag == tag {
				out.Picture = s.picture
				c.drop(&s.job)
				c.queued = append(c.queued[:i:i], c.queued[i+1:]...)
				break
			}
		}
		if out.Picture != nil && c.Shots != nil {
			c.Shots.Shot(out)
		}
	}
}
