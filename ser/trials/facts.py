"""Who says what in the tested utterances: columns of a trial's predictions that are no part of any identity."""

from collections.abc import Iterable, Sequence

import numpy as np

from ser.data.manifest import FACTS, Utterance, one_line
from ser.features.entry import Names


class Facts:
    """Speaker, sex, session and sentence of one corpus's tested utterances, as arrays: every worker holds them all.

    A column is a number for each utterance, and each text once: 16 bytes and a name an utterance.
    """

    def __init__(self, utterances: Sequence[Utterance] = ()) -> None:
        self._uids = Names(u.uid for u in utterances)
        self._numbers = np.zeros((len(FACTS), len(utterances)), np.int32)
        self._texts: list[Names] = []
        for row, column in enumerate(FACTS):
            number: dict[str, int] = {}
            self._numbers[row] = [number.setdefault(getattr(u, column), len(number)) for u in utterances]
            self._texts.append(Names(map(one_line, number)))

    def of(self, uids: Iterable[str]) -> dict[str, list[str]]:
        """Returns the columns of these utterances, in their order; "" is unknown."""
        place = {uid: i for i, uid in enumerate(self._uids)}
        places = [place.get(uid, -1) for uid in uids]
        columns = {}
        for column, numbers, names in zip(FACTS, self._numbers, self._texts, strict=True):
            texts = [*names, ""]
            of_each = [*numbers.tolist(), len(texts) - 1]
            columns[column] = [texts[of_each[i]] for i in places]
        return columns
