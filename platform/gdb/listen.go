package gdb

import (
	"errors"
	"net"
	"os"
	"strings"
)

// DefaultAddress is where -s listens.
const DefaultAddress = "tcp:localhost:1234"

// Listen opens the address of a debugger's or another character device's server, in QEMU's spelling: tcp:HOST:PORT, tcp::PORT,
// unix:PATH, or HOST:PORT and :PORT alone. Options behind a comma (server, nowait, wait=off ...) are what this server does anyway
// and are accepted. An empty HOST stands for all addresses.
func Listen(address string) (net.Listener, error) {
	network, rest, ok := strings.Cut(address, ":")
	switch {
	case !ok:
		return nil, errors.New("want tcp:HOST:PORT, HOST:PORT or unix:PATH")
	case network != "tcp" && network != "unix":
		network, rest = "tcp", address
	}
	rest, options, _ := strings.Cut(rest, ",")
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "", "server", "server=on", "nowait", "wait=off", "nodelay", "nodelay=on", "ipv4", "ipv6", "ipv4=on", "ipv6=on":
		default:
			return nil, errors.New("option " + o + " is not known here")
		}
	}
	if rest == "" {
		return nil, errors.New("the address is empty")
	}
	if info, err := os.Lstat(rest); network == "unix" && err == nil && info.Mode().Type() == os.ModeSocket {
		_ = os.Remove(rest) // an earlier run's; if it cannot be removed, Listen says why
	}
	l, err := net.Listen(network, rest)
	if err != nil {
		// The address stands in the flag already.
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, err
	}
	return l, nil
}
