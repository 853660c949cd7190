package main

import (
	_ "pillion/guests/apps/chain"
	_ "pillion/guests/apps/compute"
	_ "pillion/guests/apps/counter"
	_ "pillion/guests/apps/echo"
	_ "pillion/guests/apps/faults"
	_ "pillion/guests/apps/kv"
	_ "pillion/guests/apps/order"
)

func main() {}
