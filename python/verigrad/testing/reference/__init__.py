"""Independent implementations of every operation, in plain loops.

They have the kernels' argument order, use nothing of the library, and are never imported at run time. numba
compiles them.
"""
