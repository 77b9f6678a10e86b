"""Reports of made-up runs, and their pages as a browser's parser sees them."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.fake_run import Experiment, make_run
from neurograft.report import guidance, pages
from neurograft.report.results import Results


class Page(HTMLParser):
    """Collect tags with their attributes, and the text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self.inside = [], "", None
        self.feed(Path(path).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside != "style":
            self.text += data

    def plain(self):
        return re.sub(r"\s+", " ", self.text)


def write(folder, **changes):
    """Write a report of a made-up run and give its index."""
    pages.write_report(folder, Results(**(make_run() | changes)))
    return Page(folder / "index.html")


def draw(tmp_path, subjects):
    """Assign the same small pictures to every subject."""
    for name in guidance.read_guidance().pictures:
        Image.fromarray(np.zeros((60, 900), np.uint8)).save(tmp_path / f"{name}.png")
    return {
        subject: {name: tmp_path / f"{name}.png" for name in guidance.read_guidance().pictures} for subject in subjects
    }


def nothing_trained():
    """Return a run of unlabelled subjects only."""
    run = make_run(patients=0, unlabelled=3, excluded=0, experiment=Experiment(gains={}))
    for task in run["splits"]["tasks"].values():
        task |= {"trainable": False, "reason": "0 labelled subjects, at least 5 are needed", "folds": []}
    return run
