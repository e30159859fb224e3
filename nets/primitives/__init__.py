"""Hot operations: a reference in plain array code and faster versions of each."""
