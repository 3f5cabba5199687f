//go:build !linux

package main

import "os"

// lockImage does nothing: QEMU's locks are Linux's.
func lockImage(*os.File, bool) error { return nil }
