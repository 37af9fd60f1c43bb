module homenode

go 1.18
