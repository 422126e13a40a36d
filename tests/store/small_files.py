"""A limit to what files may grow to, as where there is no room."""

import resource
from contextlib import contextmanager


@contextmanager
def no_file_grows_beyond(size):
    """The kernel refuses every write that would make a file of this process larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
