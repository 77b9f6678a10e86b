"""The texts and drawings in the values of a chapter."""

from xml.etree import ElementTree

from markupsafe import Markup


def drawings(told):
    """Return every piece of markup in a chapter, parsed; one that is not well-formed fails here."""
    if isinstance(told, Markup):
        return [ElementTree.fromstring(f"<p>{told}</p>")]
    parts = told.values() if isinstance(told, dict) else told if isinstance(told, (list, tuple)) else ()
    return [drawn for part in parts for drawn in drawings(part)]


def words(drawing):
    return [node.text or "" for node in drawing.iter("text")]


def everything(drawing):
    """Return all text and all attributes of a drawing."""
    return "".join(drawing.itertext()) + "".join(value for node in drawing.iter() for value in node.attrib.values())
