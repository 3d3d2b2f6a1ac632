"""One module for each group of verbs; `aie.cli.main` loads them when they are called."""
