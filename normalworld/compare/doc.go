// Package compare runs one workload of protected buffers over both ABIs and under every grant policy, and says what each combination
// costs and whom it lets at the buffers: calls, messages, controller writes, virtual time in each world, latencies, and exposure.
//
// What enters is a [Workload], the [Costs] of a named profile, and a function that makes machines; what leaves is a [Report] of cells,
// which writes itself as a table, CSV, JSON or a page of HTML. The numbers of one cell are derived from the machine's event stream
// alone ([Counts], [Exposure]); costs become virtual time around each SMC and each operation of the kernel. Nothing depends on the host,
// so that the same workload gives the same bytes.
//
// Exposure is bytes x virtual time x masters: those that the controller lets at a buffer in a direction in which they do not have it mapped
// at that moment.
//
// Read compare.go (a run), then record.go (what is counted), exposure.go and costs.go.
package compare
