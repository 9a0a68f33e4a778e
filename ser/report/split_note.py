"""The split of a corpus, in a sentence for the notes: by the statement of a run, and by the proof that it left."""

import json

from ser.report.runs import Finished, Options


def split_of(corpus: str, run: Finished, options: Options) -> str:
    """Rule and settings of ``run``; utterances of each subset and shared speakers, from its ``split/<corpus>.json``."""
    place = f"corpus.{corpus}.split"
    stated = {k.removeprefix(f"{place}."): v for k, v in run.params.items() if k.startswith(f"{place}.")}
    settings = [f"{name} {value}" for name, value in stated.items() if (name, value) != ("fold", "0")]
    sentence = f"Split of {corpus}: {run.params.get(place, 'unknown')}" + (
        f" ({', '.join(settings)})" if settings else ""
    )
    sentence += f" (mode {run.params['mode']})" if run.params.get("mode") else ""
    text = options.file(run.run_id, f"split/{corpus}.json")
    if not text:
        return f"{sentence}."
    proof = json.loads(text)
    counts = ", ".join(f"{side} {n}" for side, n in proof["utterances"].items() if n)
    shared = proof["shared_speakers"]
    return f"{sentence}. Utterances: {counts}; {shared or 'no'} speakers are in several subsets."
