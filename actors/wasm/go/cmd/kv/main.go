package main

import (
	_ "pillion/guests/apps/faults"
	_ "pillion/guests/apps/kv"
)

func main() {}
