package main

import (
	_ "pillion/guests/apps/order"
	_ "pillion/guests/apps/faults"
)

func main() {}
