"""Pages on disk as a browser shows them, with headless Chromium."""

import html
import json
import re
import shutil
import subprocess

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--allow-file-access-from-files"),
)
# one function, run when all frames have loaded, without promises or timers, so that a busy machine changes nothing
MEASURE = """<script>
  const measure = frame => {
    const page = frame.contentDocument, all = [...page.querySelectorAll('main *')];
    return {
      width: page.documentElement.scrollWidth,
      missing: [...page.images].filter(picture => !picture.complete || !picture.naturalWidth).map(p => p.src),
      headings: [...page.querySelectorAll('h2')].map(h => h.textContent),
      wide: all.filter(e => e.getBoundingClientRect().right > WIDTH + 1 && !e.closest('.scroll')).map(e => e.outerHTML),
      asked: frame.contentWindow.performance.getEntriesByType('resource').map(e => e.name)}; };
  window.onload = () => {
    const seen = JSON.stringify([...document.querySelectorAll('iframe')].map(measure));
    document.body.className = 'measured';
    document.body.textContent = seen; };
</script>"""


def dump(page, profile, options=()):
    """Return the DOM of a page as text once it has loaded.

    Parameters
    ----------
    page : Path
    profile : Path
        A folder for the browser's own files.
    options : sequence of str
        Further options of the browser; one that names a graphics card (`--use-gl`) replaces `--disable-gpu`.
    """
    computed = any(option.startswith("--use-gl") for option in options)
    usual = [option for option in OPTIONS if not (computed and option == "--disable-gpu")]
    command = [CHROMIUM, *usual, *options, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr[-500:]
    return done.stdout


def look(folder, pages, width=390):
    """Open pages in frames of a phone's width and measure each when everything in it has loaded.

    Parameters
    ----------
    folder : Path
        Holds the pages; a page of frames and copies of the pages are written beside them.
    pages : list of str
        File names in the folder.
    width : int
        Pixels.

    Returns
    -------
    list of dict
        For each page: its `width`, `missing` pictures, `headings`, elements that are too `wide`, and everything that
        it `asked` for.
    """
    frames = []
    for name in pages:
        # a lazy picture does not hold back the load event, so whether it is there would depend on the time
        eager = (folder / name).read_text(encoding="utf-8").replace(' loading="lazy"', "")
        (folder / f"eager-{name}").write_text(eager, encoding="utf-8")
        frames.append(f'<iframe src="eager-{name}" width={width} height=900 style="border:0"></iframe>')
    (folder / "frames.html").write_text(f"<body>{''.join(frames)}{MEASURE.replace('WIDTH', str(width))}</body>")
    shown = dump(folder / "frames.html", folder / "profile")
    found = re.search(r'<body class="measured">(.*?)</body>', shown, re.DOTALL)
    assert found, shown[:500]
    return json.loads(html.unescape(found[1]))
