package main

import (
	_ "pillion/guests/apps/kv"
	_ "pillion/guests/apps/faults"
)

func main() {}
