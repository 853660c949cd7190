package main

import (
	_ "pillion/guests/apps/counter"
	_ "pillion/guests/apps/faults"
)

func main() {}
