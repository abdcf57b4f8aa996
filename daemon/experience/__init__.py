"""What the daemon saw and decided, kept on disk so that policies can be trained on it.

``ExperienceJournal`` writes; ``damon_tuner.daemon.experience.reading`` reads back.
"""

from damon_tuner.daemon.experience.journal import ExperienceJournal
from damon_tuner.daemon.experience.record import Experience, new_run
from damon_tuner.daemon.experience.regions import pack_regions, unpack_regions

__all__ = ["Experience", "ExperienceJournal", "new_run", "pack_regions", "unpack_regions"]
