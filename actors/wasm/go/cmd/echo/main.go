package main

import (
	_ "pillion/guests/apps/echo"
	_ "pillion/guests/apps/faults"
)

func main() {}
