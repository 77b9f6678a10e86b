"""What all answers of the checklist are made of; apart because three modules of answers share it."""

from neurograft.core.tables import parse_boolean
from neurograft.report.chapters import methods


def list_tasks(results):
    """Return the tasks that networks were trained for, with their split."""
    asked = results.config.get("experiment", {})
    return {
        task: split
        for task, split in results.splits.get("tasks", {}).items()
        if parse_boolean(split.get("trainable")) and asked.get(task, {}).get("strategies")
    }


def join_sentences(*sentences):
    """Join sentences to a paragraph; those that say nothing are left out."""
    return " ".join(words if words.endswith((".", "?")) else f"{words}." for words in sentences if words)


def quote_methods(results, *starts):
    """Return the sentences of the report's methods that begin in one of some ways."""
    paragraphs, _ = methods.write_methods(results.config, results.splits, results.version, results.sources)
    said = [words for paragraph in paragraphs for words, _ in paragraph]
    return join_sentences(*(words for words in said if words.startswith(starts)))
