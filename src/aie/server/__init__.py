"""The HTTP surface: nothing is here yet, the floor keeps its place in the import contract."""
