package dmabuf

import "gatehouse/normalworld"

// Rule is a rule of dma-buf that a call has broken. The call changed nothing.
type Rule struct {
	errno normalworld.Errno
	text  string
}

func (r *Rule) Error() string { return r.text }

// Unwrap gives the error number that a process sees.
func (r *Rule) Unwrap() error { return r.errno }

// The rules of buffers, with Linux's error number where it has one (drivers/dma-buf/dma-buf.c). Where Linux warns and goes on, or
// stops the machine, the number is the one that fits.
var (
	// ErrExport is a WARN_ON of dma_buf_export.
	ErrExport = &Rule{normalworld.EINVAL, "an export needs an exporter and a size in pages"}
	// ErrReleased is a use after free.
	ErrReleased = &Rule{normalworld.EINVAL, "the buffer has been released"}
	// ErrInCallback is a last reference that goes while an exporter's callback for the buffer runs.
	ErrInCallback = &Rule{normalworld.EBUSY, "who calls into a buffer must hold a reference to it until the call returns"}
	// ErrPutAttached is the WARN_ON of dma_buf_release about a list of attachments that is not empty.
	ErrPutAttached = &Rule{normalworld.EBUSY, "an importer must detach before the last reference is put"}
	// ErrPutVMapped is the BUG_ON of dma_buf_release about vmapping_counter.
	ErrPutVMapped = &Rule{normalworld.EBUSY, "a buffer must be unmapped from the kernel before the last reference is put"}
	// ErrPutFence is what dma_buf_release asks of drivers that use the reservation object.
	ErrPutFence = &Rule{normalworld.EBUSY, "fences of a buffer must be signalled before the last reference is put"}
	// ErrPutAccess is processor access that was not ended.
	ErrPutAccess = &Rule{normalworld.EBUSY, "processor access must be ended before the last reference is put"}

	// ErrDetached is a use after free.
	ErrDetached = &Rule{normalworld.EINVAL, "the attachment has been detached"}
	// ErrAttachmentBusy is a call for an attachment from within the exporter's callback for it.
	ErrAttachmentBusy = &Rule{normalworld.EBUSY, "another call for this attachment is under way"}
	// ErrDirection is !valid_dma_direction (include/linux/dma-direction.h).
	ErrDirection = &Rule{normalworld.EINVAL, "a transfer is to the device, from it, or both"}
	// ErrMapTwice is a second mapping while there is one; exporters keep one scatter list for each attachment.
	ErrMapTwice = &Rule{normalworld.EBUSY, "an attachment is mapped once at a time"}
	// ErrNotMapped is an unmap without a map, or a second one.
	ErrNotMapped = &Rule{normalworld.EINVAL, "only a mapped attachment can be unmapped"}
	// ErrUnmapDirection is a check of CONFIG_DMA_API_DEBUG.
	ErrUnmapDirection = &Rule{normalworld.EINVAL, "an attachment is unmapped with the direction that it was mapped with"}
	// ErrDetachMapped is what dma_buf_detach leaves to the importer ("after cleaning up any mappings").
	ErrDetachMapped = &Rule{normalworld.EBUSY, "an attachment must be unmapped before it is detached"}
	// ErrSegments is what an exporter must give: page aligned segments of the buffer's whole size that the device can reach.
	ErrSegments = &Rule{normalworld.EINVAL, "an exporter maps the whole buffer in pages"}

	// ErrDMAMask is memory that the device cannot address where nothing can bounce it (-EIO of dma_map_sgtable).
	ErrDMAMask = &Rule{normalworld.EIO, "memory must lie within the device's DMA mask"}
	// ErrBounceRestricted is the same with restricted memory, which nobody could copy.
	ErrBounceRestricted = &Rule{normalworld.EIO, "restricted memory cannot be bounced"}
	// ErrNotContiguous is a list that is too long for the device (drm_gem_dma_prime_import_sg_table: -EINVAL).
	ErrNotContiguous = &Rule{normalworld.EINVAL, "memory must fit into the device's number of segments"}

	// ErrRestricted is processor access to restricted memory. The TEE subsystem's v4 series (tee_rstmem.c) refuses it with EPERM;
	// the merged one (tee_heap.c) has no such operation, and begin and end do nothing.
	ErrRestricted = &Rule{normalworld.EPERM, "the processor has no access to restricted memory"}
	// ErrNoMMap is an exporter without mmap, such as tee_heap.c.
	ErrNoMMap = &Rule{normalworld.EINVAL, "the exporter cannot map the buffer into a process"}
	// ErrNoVMap is an exporter without vmap.
	ErrNoVMap = &Rule{normalworld.EINVAL, "the exporter cannot map the buffer into the kernel"}
	// ErrMMapRange is a mapping that does not lie in the buffer, in whole pages.
	ErrMMapRange = &Rule{normalworld.EINVAL, "a mapping lies within the buffer and starts at a page"}
	// ErrMMapOverflow is an offset whose end wraps.
	ErrMMapOverflow = &Rule{normalworld.EOVERFLOW, "a mapping's offset and length must not wrap"}
	// ErrNotBegun is an end of processor access that was not begun in this direction.
	ErrNotBegun = &Rule{normalworld.EINVAL, "processor access is ended in the direction in which it was begun"}
	// ErrVMapBusy is a kernel mapping from within the exporter's callback for one (the mutex of dma_buf_vmap).
	ErrVMapBusy = &Rule{normalworld.EBUSY, "another kernel mapping is being made or ended"}
	// ErrVUnmap is a BUG_ON of dma_buf_vunmap.
	ErrVUnmap = &Rule{normalworld.EINVAL, "a kernel mapping is unmapped once"}
	// ErrSegv is an access outside of what is mapped (SIGSEGV).
	ErrSegv = &Rule{normalworld.EFAULT, "nothing is mapped there"}
	// ErrProtection is an access that the mapping's protection forbids (SIGSEGV).
	ErrProtection = &Rule{normalworld.EFAULT, "the mapping does not permit this access"}

	// ErrSignalled is a fence that is signalled again, or gets its error too late (dma_fence_signal, dma_fence_set_error).
	ErrSignalled = &Rule{normalworld.EINVAL, "a fence is signalled once"}
	// ErrUsage is a fence in no class of enum dma_resv_usage.
	ErrUsage = &Rule{normalworld.EINVAL, "a fence of a reservation has one of the four usages"}
)
