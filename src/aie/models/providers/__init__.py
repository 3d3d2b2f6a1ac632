"""One module a wire protocol; each imports its vendor's library only when it is first called."""
