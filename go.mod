module gatehouse

go 1.26

require golang.org/x/arch v0.32.0
