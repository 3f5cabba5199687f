// Package memory is what the secure world knows about the normal world's memory: who owns which page, and how to reach it.
//
// What enters is address ranges that were checked for form only. What leaves is a yes with the new state of all pages, or an error
// and no change at all. Pages carry the ownership states of FF-A (DEN0140, 1.5); transition.go has them as a table. Both ABIs
// come through the same [Space]: a page shared through one cannot be lent through the other. Memory that the normal world
// may touch is read with the non-secure identity, so that no pointer of its choice reaches what is protected; protected
// memory is reached with the secure identity.
//
// Read transition.go, then pages.go (the interval map), space.go (the operations) and object.go (memory as a buffer).
package memory
