"""Groups of rows as numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from w2s_toolkit import arrow
from w2s_toolkit.data import Dataset


def group_codes(data: Dataset) -> npt.NDArray[np.int64]:
    """(n,) group numbers from 0; a row without a group is a group of its own."""
    groups, ids = data.groups.arrow, data.ids.arrow
    empty, mark = arrow.scalar(""), arrow.scalar("\0")
    own = pc.binary_join_element_wise(mark, ids, empty)
    names = pc.if_else(pc.equal(groups, empty), own, groups)
    codes, distinct = arrow.codes(names)
    # Numbered by name, not by first occurrence: sums over groups then add up in one order,
    # whatever the order of rows.
    rank = np.empty(len(distinct), dtype=np.int64)
    rank[arrow.to_numpy(pc.sort_indices(distinct)).astype(np.int64)] = np.arange(len(distinct))
    return rank[codes]
