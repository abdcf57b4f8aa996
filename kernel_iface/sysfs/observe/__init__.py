"""What the kernel tells besides DAMON: read-only, each file read once for each call.

What a kernel does not have is None, never 0; a file that holds something unexpected raises
``KernelFileError``, and one that cannot be read what ``Tree`` raises. Counters only grow.
"""
