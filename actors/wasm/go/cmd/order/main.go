package main

import (
	_ "pillion/guests/apps/faults"
	_ "pillion/guests/apps/order"
)

func main() {}
