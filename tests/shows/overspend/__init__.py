"""No concurrency and no crash makes a run, a workflow or a tenant overspend: the server's own bill against every cap.

    python -m tests.shows.overspend [--processes 8] [--runs 30] [--kills 12] [--control]

Processes of one store make calls to a real HTTP server that misbehaves and keeps its own bill, and are killed where the
code declares points. Then what starves nobody is measured to the call, and a server that bills more than it declared.
"""
