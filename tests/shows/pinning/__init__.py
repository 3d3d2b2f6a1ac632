"""Show: a run ends on its release and its layer versions, or says that it needs them; one decision of two counts.

    python -m tests.shows.pinning [--seed 1] [--pairs 20] [--control]

Both templates are started, trained and locked with the command as processes. Then the files move on (a rule, a
threshold, a layout of the result), then the package itself (a copy whose `check` layer has version 2 and says the
contrary), and only then the decisions arrive. What each run used is read from its events, from `aie explain` and from
the payment it made. Beside that, decisions meet: two at the same moment, one while a segment runs (both engines,
SQLite and Postgres), and one made on a page that is shown no more.

Prints counts as JSON; exit 1 when `failed` is not empty. `--control` breaks each guarded thing from this side, in the
process that runs the command: which release a run loads, the comparison of layer versions, the conflict of two
decisions. Each must make the show fail, and the command exits 0 only if all do.
"""
