"""The 3-D viewer of the report: NiiVue beside the volumes of each subject, on pages that ask for no network.

NiiVue is the work of others and no part of this project. Its program is taken from the installed package
`jupyterlab_niivue`, which carries it for JupyterLab and needs no other package, and is written into each report beside
its licence. A page that was opened from a folder may load scripts but no modules, so the module is wrapped.
"""

import re
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "jupyterlab_niivue"
BUNDLE = "labextension/static/niivue/index.js"
# the class that draws, under whatever name the build gave it; it alone has this method
CLASS = re.compile(r"([\w$]+) = class extends EventTarget \{")
METHOD = "async attachToCanvas("
REMEDY = "install the version of envs/requirements.lock"
FOLDER = "viewer"
OWN_SCRIPT = "viewer.js"


class MissingViewerError(RuntimeError):
    """NiiVue is not installed, or not in the form that is known."""


def read_niivue():
    """Read NiiVue from the installed package, as a script that defines `window.Niivue`.

    Returns
    -------
    str
        With the licence as a comment on top.

    Raises
    ------
    MissingViewerError
        If the package is missing, or holds something else than expected.
    """
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise MissingViewerError(f"the package {PACKAGE} is not installed; {REMEDY}")
    path = Path(package.submodule_search_locations[0]) / BUNDLE
    if not path.is_file():
        raise MissingViewerError(f"{PACKAGE} has no {BUNDLE}; {REMEDY}")
    return wrap_module(path.read_text(encoding="utf-8"), _read_licence())


def wrap_module(module, licence):
    """Wrap the text of the module into a script that defines `window.Niivue`.

    The module is an application around NiiVue, which exports nothing: the class is found by its methods. What starts
    the application waits for a page of its own, and finds none.

    Parameters
    ----------
    module, licence : str

    Returns
    -------
    str

    Raises
    ------
    MissingViewerError
        If the class is not found, or if the module imports others before it runs.
    """
    at = module.find(METHOD)
    names = [found[1] for found in CLASS.finditer(module, 0, max(at, 0))]
    if not names or re.search(r"^import\b[^(.]", module, re.MULTILINE):
        raise MissingViewerError(f"{PACKAGE} holds no NiiVue that is known; {REMEDY}")
    text = re.sub(r"^//# sourceMappingURL=.*$", "", module, flags=re.MULTILINE)
    text = text.replace("import.meta.url", "document.baseURI")
    comment = licence.replace("*/", "* /").strip()
    return f"/*! NiiVue\n{comment}\n*/\n(function () {{\n'use strict';\n{text}\nwindow.Niivue = {names[-1]};\n}})();\n"


def _read_licence():
    """Read the licence of the package, which its copies have to show."""
    listed = metadata.distribution(PACKAGE).files or ()
    texts = [path.read_text(encoding="utf-8") for path in listed if path.name.startswith("LICENSE")]
    if not texts:
        raise MissingViewerError(f"{PACKAGE} has no licence beside it; {REMEDY}")
    return texts[0]


def copy_viewer(part, templates, volumes, pages):
    """Copy NiiVue, the script of the pages and the volumes into the report.

    Parameters
    ----------
    part : Path
        The report's folder.
    templates : str or Path
        Folder of the templates, which holds the script of the pages.
    volumes : dict of str to str or Path
        Subject to the script of its volumes (`viewer_volumes.write_volumes`); an empty file is none.
    pages : dict of str to str
        Subject to the name of its page.

    Returns
    -------
    viewers : dict of str to dict
        Subject to `page`, the viewer's page in the report, `data`, the script of its volumes beside that page, and
        `megabytes`, the size of that script.
    problem : str
        Why there is no viewer; "" if there is one, or if no subject has volumes.
    """
    shown = {subject: Path(path) for subject, path in volumes.items() if subject in pages and Path(path).stat().st_size}
    if not shown:
        return {}, ""
    try:
        niivue = read_niivue()
    except MissingViewerError as problem:
        # the rest of the report is worth having without it
        return {}, str(problem)
    (part / FOLDER).mkdir()
    (part / FOLDER / "niivue.js").write_text(niivue, encoding="utf-8")
    shutil.copyfile(Path(templates) / OWN_SCRIPT, part / FOLDER / OWN_SCRIPT)
    viewers = {}
    for subject, path in shown.items():
        data = pages[subject].removesuffix(".html") + ".js"
        shutil.copyfile(path, part / FOLDER / data)
        viewers[subject] = {
            "page": f"{FOLDER}/{pages[subject]}", "data": data, "megabytes": path.stat().st_size / 1e6,
        }  # fmt: skip
    return viewers, ""
