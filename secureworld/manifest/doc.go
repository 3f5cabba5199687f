// Package manifest reads partition manifests: what the partition manager has to know of a secure partition (DEN0077A, 5.2). The
// properties have the names of the device tree binding that TF-A and Hafnium share ("FF-A manifests binding to device tree"); a
// file is one JSON object of them.
//
// What enters is the bytes of a file; what leaves is a [Manifest] whose values are in range, or an error that names the
// property. Unknown properties are refused, and so are those of partitions that have an image, memory or devices of their own:
// partitions of this secure world are Go. What the binding lacks has names that begin with "gatehouse,".
//
// Read manifest.go, then the files of the built-in partitions: optee.json, test-first.json, test-second.json.
package manifest
