"""The one exception of ours that a person using the commands can cause."""


class InputError(ValueError):
    """Bad input: a file, a line or an option that cannot be used.

    The message is one line that names the file (with the line, where there is
    one) or the option with its value, and says what to do about it. Commands
    print it as ``error: ...`` and exit with status 1 (see
    :mod:`espnet_mtla.bin`), so it never needs a traceback.
    """
