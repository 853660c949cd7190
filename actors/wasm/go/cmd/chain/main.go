package main

import (
	_ "pillion/guests/apps/chain"
	_ "pillion/guests/apps/faults"
)

func main() {}
