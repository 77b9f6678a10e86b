"""How the process keeps memory."""

import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h
MOST = 2**31 - 1


def keep_freed_memory():
    """Let the C library keep the memory that a training step frees, for the next step.

    By default glibc gives every large array back to the system at once and fetches it anew, page by page: a tenth of
    the processor time of a training, at the same peak memory. Elsewhere than on glibc nothing is done.

    Returns
    -------
    bool
        Whether it was done.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    wishes = ((MMAP_THRESHOLD, MOST), (TRIM_THRESHOLD, MOST), (TOP_PAD, 2**26))
    return all([library.mallopt(name, value) for name, value in wishes])
