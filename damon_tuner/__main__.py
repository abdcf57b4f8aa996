"""``python -m damon_tuner`` is the ``damon-tuner`` command."""

from damon_tuner.cli import main

raise SystemExit(main())
