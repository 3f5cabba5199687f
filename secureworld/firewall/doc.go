// Package firewall is the secure world's policy for the address space controller before the normal world's memory.
//
// What enters is which ranges are protected and which non-secure masters (NSAIDs) keep access to them; what leaves is register
// writes to a TZC-400 (DDI 0504) through a secure bus port. Region 0 gives all ordinary masters their memory; each protected
// range stands in a region of its own above it, neighbours with the same masters in one. A grant adds masters to part of a range,
// which then takes up to three regions. There are eight such regions: when they do not suffice the answer is memory.ErrNoRegion
// and nothing has changed. What was given can always be taken back.
//
// Read plan.go (which regions a set of ranges needs), then tzc400.go (how they are written).
package firewall
