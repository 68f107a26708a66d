"""Settings that all tests share."""

from hypothesis import settings

# The same examples in every run: a failure on one machine is a failure on all.
settings.register_profile("spikeproof", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("spikeproof")
