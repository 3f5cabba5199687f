// Package armffa is the kernel's FF-A driver: version, RX and TX buffers, discovery of partitions, direct messages, memory
// management and notifications, over which other drivers speak to a secure partition.
//
// What enters is a [normalworld.Kernel] and three pages; what leaves is SMCs, in the order in which Linux's driver makes them
// (drivers/firmware/arm_ffa, Linux 6.18 and later), and results that were checked: a reply is believed only as far as it has the
// form that DEN0077A and DEN0140 give it. A reply of another form is [ErrReply], after which it is unknown what the secure world
// has done; an FFA_ERROR is its code, after which it has done nothing.
//
// Read bus.go (probe and removal), then memory.go and notify.go.
package armffa
