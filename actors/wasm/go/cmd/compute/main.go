package main

import (
	_ "pillion/guests/apps/compute"
	_ "pillion/guests/apps/faults"
)

func main() {}
