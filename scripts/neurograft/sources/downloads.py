"""Download pretrained weights: interrupted downloads are resumed, and files are verified and written atomically.

It uses only the standard library, so that it can run in advance on a login node, without importing torch.
"""

import http.client
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from neurograft.sources.table import SourceError, is_remote
from neurograft.sources.weights import verify

TRIES = 4
CHUNK = 1 << 20


class DownloadError(OSError):
    """Raised if a download fails; the message is one line, without the advice that `fetch_source` adds."""


def fetch_source(target, name, sources, **options):
    """Download the weights of one source.

    Parameters
    ----------
    target : str or Path
        Path of the file.
    name : str
    sources : dict of str to dict
        All rows of `sources.tsv`, by name.
    **options
        `pause` and `timeout` for `download`.

    Raises
    ------
    SourceError
        One line with the file, its path, and the sources that need no download.
    """
    row = sources[name]
    if not is_remote(row):
        raise SourceError(f"source {name} is not fetched from an address: its location is {row['location']}")
    try:
        download(row["location"], target, row["sha256"], **options)
    except DownloadError as error:
        file = row["location"].partition("?")[0].rpartition("/")[2]
        offline = [
            other["name"]
            for other in sources.values()
            if other["location"].startswith("wheel:") and other["dimensions"] == row["dimensions"]
        ]
        raise SourceError(
            f"source {name}: {error}; put {file} at {Path(target).absolute()}, run `snakemake fetch_sources` where "
            f"there is a network, or use a source that needs none: {', '.join(offline)}"
        ) from None


def download(url, target, sha256, pause=2.0, timeout=60):
    """Download a file; an incomplete download is kept in `TARGET.part` and resumed.

    Parameters
    ----------
    url : str
        http or https.
    target : str or Path
        Written only after the file is complete and its hash correct.
    sha256 : str
        As in `weights.verify`.
    pause, timeout : float
        Seconds between attempts, and seconds without data after which an attempt fails.

    Raises
    ------
    DownloadError
        After `TRIES` attempts, or immediately if the server reports that there is no such file.
    """
    target, part, reason = Path(target), Path(f"{target}.part"), ""
    target.parent.mkdir(parents=True, exist_ok=True)
    for number in range(TRIES):
        time.sleep(pause if number else 0)
        continued = part.exists()
        try:
            # the part may already be complete, if an earlier run was killed after the last byte
            if not (continued and _is_right(part, sha256)):
                _receive(url, part, timeout)
            verify(part, sha256)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the part is longer than the file, so the address now has another file
                part.unlink()
            elif error.code < 500 and error.code not in (408, 429):
                raise DownloadError(f"{url} answers {error.code} ({error.reason})") from None
            reason = f"{url} answers {error.code} ({error.reason})"
        except SourceError as error:
            part.unlink()
            if not continued:
                raise DownloadError(f"{url} sent another file: {error}") from None
            reason = str(error)
        except (OSError, http.client.HTTPException) as error:
            reason = f"{url} could not be fetched ({getattr(error, 'reason', None) or error or type(error).__name__})"
        else:
            part.replace(target)
            return
    raise DownloadError(reason)


def _is_right(path, sha256):
    """Check whether a file has the hash."""
    try:
        verify(path, sha256)
    except SourceError:
        return False
    return True


def _receive(url, part, timeout):
    """Append the missing rest of a file; a server that cannot resume sends the whole file again."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "neurograft"} | ({"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
        begin = have if answer.status == 206 else 0
        length = answer.headers.get("Content-Length")
        with open(part, "ab" if begin else "wb") as file:
            shutil.copyfileobj(answer, file, CHUNK)
            end = file.tell()
    # reading in chunks raises no error if the response ends early
    if length is not None and end < begin + int(length):
        raise ConnectionError(f"the connection broke after {end:,} of {begin + int(length):,} bytes")
