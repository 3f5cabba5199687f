// Package mem is a kernel's physical memory: a buddy allocator of pages, contiguous areas, and pools.
//
// What enters is the layout of RAM (Discover reads it from the device tree) and requests for pages; what leaves are physical addresses.
// An Allocator hands out blocks of 2^order pages from zones, which are what devices with a narrow DMA mask reach. Areas (CMA) lend
// their pages to movable allocations and get them back when contiguous memory is asked for: what is in the way is copied elsewhere,
// which costs virtual time and is counted. A Pool hands out pages of memory that is not the kernel's, such as a carve-out.
//
// The model is Linux's (mm/page_alloc.c, mm/cma.c, lib/genalloc.c) with two differences: of the blocks that fit, the one with the lowest
// address is taken, so that runs are the same; and there are no lists for each processor and no reclaim.
//
// Read alloc.go first, then buddy.go, cma.go, pool.go and layout.go.
package mem
