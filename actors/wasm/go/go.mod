module pillion/guests

go 1.24
