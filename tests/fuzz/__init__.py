"""The project's fuzzer: ``python -m tests.fuzz --help``.

A worker process builds small programs from seeds and runs them; the driver notes crashes, reports of
sanitizers, hangs, and errors of a type that no user should see, and makes the program smaller while it still
fails.
"""
