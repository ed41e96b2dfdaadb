"""mycli measured beside what a user would pick instead: `make bench`, or `python -m benchmarks`.

One file measures one row of the table. Programs are run in turns, never one after all runs of the
other, so that what else the machine does meets all of them; a figure is a median, with the fastest
and the slowest run. Nothing outside a temporary folder is touched, but for the peers in `.bench/`.
"""
