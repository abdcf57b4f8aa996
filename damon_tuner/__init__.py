"""damon-tuner: learns the knobs of Linux's DAMON.

Importing this package imports nothing else: the daemon on a live host starts here too.
"""

__version__ = "0.1.0"
