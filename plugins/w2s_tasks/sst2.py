"""SST-2: is a sentence about a film positive or negative."""

from __future__ import annotations

from w2s_tasks.columns import Record
from w2s_tasks.config import Sst2Config
from w2s_tasks.files import usual_feeds
from w2s_tasks.labels import LabelReader
from w2s_tasks.sources import Remarks, Source, open_hub_set, rows_of
from w2s_toolkit.contracts import Context, Row, TaskData
from w2s_toolkit.data import TaskInfo
from w2s_toolkit.errors import DataError

CLASSES = ("negative", "positive")
_LABELS = LabelReader("label", CLASSES)
_REMARKS = {"blank_text": "have no text; they are kept"}


class Sst2:
    """Binary sentiment. The prompt is the sentence without outer blanks.

    The hub's train rows are phrases, many of them parts of one sentence, and its test rows have
    no labels (-1): a source that begins with such a row is not used, and ``test`` is then drawn
    from ``validation`` and ``val`` from ``train``.

    Source: Socher et al. 2013; one of the 22 sets of Burns et al. 2023 (arXiv 2312.09390),
    appendix A.1.
    """

    def __init__(self, config: Sst2Config) -> None:
        self.config = config

    def load(self, ctx: Context) -> TaskData:
        """See :meth:`w2s_toolkit.contracts.Task.load`."""
        found = open_hub_set(self.config)
        labelled = {name: source for name, source in found.items() if not _unlabelled(source)}
        if not labelled:
            raise DataError(
                "no row of this set has a label",
                where=self.config.path or self.config.hub_id,
                next_step="give a train or validation split with labels 0 and 1",
            )
        rows = {name: rows_of(s, ctx, _rows, _REMARKS) for name, s in labelled.items()}
        info = TaskInfo(
            "classification", CLASSES, "Is the sentiment of this review negative or positive?"
        )
        return TaskData(info, rows, usual_feeds(labelled))


def _unlabelled(source: Source) -> bool:
    return str(source.first.get("label")).strip() == "-1"


def _rows(record: Record, remarks: Remarks) -> tuple[Row, ...]:
    sentence = record.text("sentence").strip()
    if not sentence:
        remarks.add("blank_text")
    gold = _LABELS.read(record)
    return (Row(sentence, CLASSES, gold=gold, meta={"line": record.line}),)
