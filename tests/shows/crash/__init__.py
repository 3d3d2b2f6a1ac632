"""Show: whatever kills the process, wherever it is, no run is lost, nothing is done twice and every call is accounted.

    python -m tests.shows.crash --kills 1000 --double 100

A scenario is a fresh store and one order: checks, a map, parallel calls of a model in another process, a review that a
script decides, effects to a receiver in another process, a file. A child process runs it and kills itself (SIGKILL) at
the k-th hit of a seeded point; others recover it; the last one runs it to its end, and the records are held against
what the provider billed and what the receiver took.
"""
