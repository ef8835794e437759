"""What a recipe's run.sh decides: its options, what follows from them, names.

It runs before anything is installed, so nothing here imports more than the standard
library, of Python 3.9 on.
"""
