"""How the process keeps memory."""

import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h
MOST = 2**31 - 1
HUGE_PAGE, ADVICE_HUGE = 2**21, 14  # bytes; Linux's MADV_HUGEPAGE
REACH = 2**30  # of the heap, from where it ends: about what a training takes


def keep_freed_memory() -> bool:
    """Let the C library keep the memory that a training step frees, for the next step, and in large pages.

    By default glibc gives every large array back to the system at once and fetches it anew, page by page: a tenth of
    the processor time of a training, at the same peak memory. Looking up where pages of 4 kB are costs as much again
    in a virtual machine; Linux gives pages of 2 MB on request. Without glibc nothing is done.

    Returns
    -------
    bool
        Whether it was done.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    options = ((MMAP_THRESHOLD, MOST), (TRIM_THRESHOLD, MOST), (TOP_PAD, 2**26))
    kept = all([library.mallopt(name, value) for name, value in options])
    _ask_for_large_pages(library)
    return kept


def _ask_for_large_pages(library):
    """Grow the heap by addresses that nothing is written to yet, and ask for large pages there."""
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    start = library.malloc(REACH)
    if start is None:  # a limit on addresses: as it was before
        return
    first = -(-start // HUGE_PAGE) * HUGE_PAGE
    library.madvise(first, (start + REACH - first) // HUGE_PAGE * HUGE_PAGE, ADVICE_HUGE)
    library.free(start)  # the heap keeps its length, as asked for above
