"""The paper's experiments: ``python -m experiments list | run | resume | sample | report | networks``."""


class UserError(Exception):
    """A failure that the user can act on: its message is one line, printed without a traceback."""

    exit_code = 2
