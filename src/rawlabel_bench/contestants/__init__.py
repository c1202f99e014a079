"""One file a contestant; the base is `rawlabel_bench.contestant.Contestant`."""
